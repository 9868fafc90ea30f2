"""Trains one task into the store: what every launcher ends up calling."""

import gc
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from initlab.engine.group import Group, Record
from initlab.errors import InitlabError, Stopped
from initlab.launchers.agreement import agreed_corpus, agreed_probes, check_code, check_laws
from initlab.launchers.task import Task, TaskRun
from initlab.machine.environment import hardware, versions
from initlab.machine.execution import Execution
from initlab.plugins.loading import load_plugin
from initlab.results.run_folder import RunDirectory, RunWriter, StorageError
from initlab.spec.run import RunSpec
from initlab.store.lock import HEARTBEAT_SECONDS, LostRun
from initlab.store.run_state import DONE

PROGRESS_SECONDS = 0.5


def train_task(
    task: Task, progress: Callable[[int, int], None], note: Callable[[str], None] = lambda text: None
) -> None:
    """Train the task's runs that nobody finished or is training, and store every record.

    ``progress(step, steps)`` is called a few times a second, ``note`` with what a user should know. A group that does
    not fit in memory is trained in halves. Whatever else one lane raises never costs the others: the group is then
    trained lane by lane, and the lane that fails alone is stored as failed, with its reason. A run that another
    process has taken over is left to it. Raises StorageError where the disk takes no more.
    """
    failure = _load(task.plugins)
    runs = [run for run in task.runs if _directory(task, run).state().status not in DONE]
    opened = [(run, writer) for run in runs if (writer := RunWriter.open(*_opening(task, run))) is not None]
    if not opened:
        return
    runs, writers = [run for run, _ in opened], [writer for _, writer in opened]
    with _heartbeat(writers):
        try:
            if failure is not None:
                raise failure
            _train(task, runs, writers, progress, note)
        except StorageError:
            for writer in writers:
                writer.give_up()
            raise
        except BaseException as error:
            if _is_stop(error):
                _interrupt(writers, str(error) or type(error).__name__)
                raise
            reason = _one_line(error)
            _fail(writers, reason, traceback.format_exc())
            if len(runs) == 1:
                return
            if out_of_memory(error):
                parts, execution = _halves(runs), _for_fewer(task.execution, len(runs))
            else:
                parts, execution = [(run,) for run in runs], task.execution
        else:
            return
    if len(parts[0]) > 1 or len(parts) == 2:
        note(f"{len(runs)} lanes together: {reason}; training them in {len(parts)} parts")
    _release_memory()
    for part in parts:
        train_task(replace(task, runs=part, execution=execution), progress, note)


def _is_stop(error: BaseException) -> bool:
    """Whether somebody wants the process to end. Where Ctrl-C is ignored, as in workers, a plug-in raised it."""
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    return isinstance(error, Stopped)


def _interrupt(writers: list[RunWriter], reason: str) -> None:
    for writer in writers:
        try:
            writer.interrupt(reason)
        except InitlabError:  # it is another's, or the disk is full: whoever comes next finds the owner dead
            writer.give_up()


def _fail(writers: list[RunWriter], reason: str, details: str) -> None:
    for writer in writers:
        try:
            writer.fail(reason, details)
        except LostRun:
            writer.give_up()


def _one_line(error: BaseException) -> str:
    text = str(error) if isinstance(error, InitlabError) else f"{type(error).__name__}: {error}"
    return (text.splitlines() or [type(error).__name__])[0]


def _for_fewer(execution: Execution, lanes: int) -> Execution:
    """Return how half of these lanes are computed: filled up, they would need as much memory as all of them."""
    return replace(execution, lanes=max(2, lanes // 2)) if execution.fills_lanes else execution


def _halves(runs: list[TaskRun]) -> list[tuple[TaskRun, ...]]:
    middle = len(runs) // 2
    return [tuple(runs[:middle]), tuple(runs[middle:])]


def out_of_memory(error: BaseException) -> bool:
    """Whether fewer lanes might have gone well. torch's CPU allocator has no exception of its own."""
    message = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in message or "can't allocate memory" in message)
    )


def _release_memory() -> None:
    """Give back what the failed group held, which torch keeps on a GPU for whoever comes next."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load(plugins: tuple[str, ...]) -> InitlabError | None:
    """Load the plug-ins; what is wrong with one is the runs' failure, not this process's."""
    try:
        for plugin in plugins:
            load_plugin(plugin)
    except InitlabError as error:
        return error
    return None


def _train(
    task: Task,
    runs: list[TaskRun],
    writers: list[RunWriter],
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
) -> None:
    """Train runs together; takes those off ``writers`` that another process has taken over."""
    group = _agreed_group(task, runs)
    steps = max(run.spec["train"]["steps"] for run in runs)
    ours = dict(enumerate(writers))
    summaries: dict[int, dict[str, Any]] = {}
    last = 0.0
    for record in group.run():
        if record.lane not in ours:
            continue
        if record.kind == "summary":
            summaries[record.lane] = {"id": runs[record.lane].id, **record.row}
            continue
        with _losing(record.lane, ours, writers, note):
            _store(record, ours[record.lane])
        if not ours:
            return
        if (now := time.monotonic()) - last > PROGRESS_SECONDS:
            last = now
            progress(record.row["step"], steps)
    for lane, summary in summaries.items():
        with _losing(lane, ours, writers, note):
            ours[lane].finish(summary)
            writers.remove(ours[lane])


@contextmanager
def _losing(
    lane: int, ours: dict[int, RunWriter], writers: list[RunWriter], note: Callable[[str], None]
) -> Iterator[None]:
    """Leave a lane's run to whoever has taken it over."""
    try:
        yield
    except LostRun as lost:
        writer = ours.pop(lane)
        writers.remove(writer)
        writer.give_up()
        note(str(lost))


def _agreed_group(task: Task, runs: list[TaskRun]) -> Group:
    """Return the runs as the group of lanes that was planned; raises InitlabError where this process has another."""
    probes = agreed_probes(task.probes)
    specs, corpora = [RunSpec.model_validate(run.spec) for run in runs], []
    for run, spec in zip(runs, specs, strict=True):
        check_code(run, spec)
        corpora.append(agreed_corpus(run, spec))
        check_laws(task, run, spec, corpora[-1])
    return Group(specs, corpora, task.execution, probes=probes)


def _store(record: Record, writer: RunWriter) -> None:
    if record.kind == "metrics":
        writer.metrics(record.row)
    else:
        writer.layers(record.row)


def _directory(task: Task, run: TaskRun) -> RunDirectory:
    return RunDirectory(Path(task.folder) / "runs" / run.id)


def _opening(task: Task, run: TaskRun) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Return the run's directory, config.json and env.json."""
    config = {"id": run.id, **run.spec, "corpus_sha256": run.corpus_sha256, "laws": run.laws, "code": run.code}
    env = {
        "versions": versions(),
        "machine": hardware(),
        "device": device_name(task.execution.device),
        "threads": torch.get_num_threads(),
        "precision": run.spec["train"]["precision"],
        "execution": task.execution.to_json(),
        "plugins": list(task.plugins),
        "probes": {probe.name: probe.code for probe in task.probes if probe.code is not None},
        "pid": os.getpid(),
    }
    return _directory(task, run).path, config, env


def device_name(device: str) -> str:
    """Return the device, with the GPU's own name."""
    return f"{device} ({torch.cuda.get_device_name()})" if device.startswith("cuda") else device


@contextmanager
def _heartbeat(writers: list[RunWriter]) -> Iterator[None]:
    """Keep the runs' locks alive from a thread while the main one computes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            for writer in tuple(writers):
                writer.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
