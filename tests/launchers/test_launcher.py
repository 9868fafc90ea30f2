"""What every launcher promises, held against each that is registered and one that a plug-in file brings."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.launchers.launcher import (
    LAUNCHERS,
    Event,
    LauncherContext,
    build_launcher,
    check_options,
    parse_launcher,
)
from initlab.launchers.task import Task
from initlab.plugins.loading import load_plugin
from initlab.results.folder import SweepFolder
from initlab.results.reading import load_results
from initlab.results.run_folder import DONE
from tests.installing import LAUNCHER_FILE
from tests.tiny import tiny_tasks

pytestmark = pytest.mark.usefixtures("one_thread")

WITH_WORKERS = [name for name, _ in LAUNCHERS.items()]
"""Those whose workers are processes of their own, which may die alone."""

DEADLY_FILE = """
import os, signal, sys
from initlab.activations.functions import activation

@activation("deadly", formula="x", source="a test", kinks=())
def deadly(x):
    main = sys.modules["__main__"].__spec__
    if main is not None and main.name == "initlab.launchers.worker":
        os.kill(os.getpid(), signal.SIGKILL)
    return x
"""


@pytest.fixture(params=[*WITH_WORKERS, "one-by-one"])
def name(request: pytest.FixtureRequest, plugin_site: Path) -> str:
    if request.param == "one-by-one":
        file = plugin_site / "one_by_one.py"
        file.write_text(LAUNCHER_FILE.format(name="one-by-one"))
        load_plugin(f"{file}:OneByOne")
    return str(request.param)


def breaches(events: Sequence[Event], tasks: Sequence[Task]) -> list[str]:
    """Say what of the contract a launcher has broken."""
    found = []
    for number, task in enumerate(tasks):
        own = [event for event in events if event.task is task]
        kinds = [event.kind for event in own]
        if kinds.count("done") != 1:
            found.append(f"task {number} is done {kinds.count('done')} times")
        elif kinds[-1] != "done":
            found.append(f"task {number} has a {kinds[-1]} after it was done")
        if not all(0 <= event.step <= event.steps for event in own):
            found.append(f"task {number} is at a step that it has not")
        lost = [run.id for event in own if event.kind == "lost" for run in event.runs]
        for run in task.runs:
            stored = SweepFolder(Path(task.folder)).run(run.id).state().status in (*DONE, "failed")
            if stored + lost.count(run.id) != 1:
                found.append(f"run {run.id} is stored {stored:d} times and lost {lost.count(run.id)}")
    if strangers := [event for event in events if not any(event.task is task for task in tasks)]:
        found.append(f"{len(strangers)} events of no task")
    return found


def children() -> set[int]:
    """Return the pids of this process's children, apart from the one that lists them."""
    command = ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return {int(line.split()[0]) for line in lines if line.split()[1] != "ps"}


def test_every_task_is_done_once_and_every_run_stored(name: str, tmp_path: Path) -> None:
    tasks = tiny_tasks(tmp_path, {"seed": [0, 1, 2, 3]}, together=2)
    before = children()
    with build_launcher(name, jobs=2) as launcher:
        events = list(launcher.run(tasks))
    assert breaches(events, tasks) == []
    assert {run.status for run in load_results(tmp_path).runs} == {"finished"}
    assert children() == before


def test_runs_that_fail_are_stored_by_who_trained_them(name: str, tmp_path: Path) -> None:
    first, second = tiny_tasks(tmp_path, {"seed": [0, 1, 2, 3]}, together=2)
    wrong = replace(first, runs=(replace(first.runs[0], corpus_sha256="0" * 64), first.runs[1]))
    with build_launcher(name, jobs=1) as launcher:
        events = list(launcher.run([wrong, second]))
    assert breaches(events, [wrong, second]) == []
    assert not any(event.kind == "lost" for event in events)
    counts = load_results(tmp_path).counts
    assert {status: number for status, number in counts.items() if number} == {"failed": 1, "finished": 3}


@pytest.mark.parametrize("name", WITH_WORKERS)
def test_a_worker_that_dies_costs_no_run_of_another_task(name: str, plugin_site: Path, tmp_path: Path) -> None:
    (plugin_site / "deadly.py").write_text(DEADLY_FILE)
    load_plugin(f"{plugin_site}/deadly.py:deadly")
    tasks = tiny_tasks(tmp_path, {"activation": ["gelu", "deadly"], "seed": [0, 1]}, together=2)
    with build_launcher(name, jobs=1) as launcher:
        events = list(launcher.run(tasks))
    assert breaches(events, tasks) == []
    deadly = next(task for task in tasks if task.runs[0].spec["activation"] == "deadly")
    lost = [event for event in events if event.kind == "lost"]
    assert sorted(run.id for event in lost for run in event.runs) == sorted(run.id for run in deadly.runs)
    assert all(event.task is deadly and "SIGKILL" in event.reason for event in lost)
    healthy = next(task for task in tasks if task is not deadly)
    states = [SweepFolder(tmp_path).run(run.id).state().status for run in healthy.runs]
    assert states == ["finished", "finished"]


def test_a_stop_by_an_exception_leaves_no_process_and_nothing_running(name: str, tmp_path: Path) -> None:
    tasks = tiny_tasks(tmp_path, {"seed": [0, 1]}, together=1, **{"train.steps": 1500})
    before = children()

    def stopped() -> None:
        with build_launcher(name, jobs=2) as launcher:
            for _ in launcher.run(tasks):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert children() == before
    states = [run.status for run in load_results(tmp_path).runs]
    assert "running" not in states
    assert states != ["finished", "finished"], "stopped too late to show anything"


def test_an_exception_before_the_first_task_leaves_no_process(name: str) -> None:
    before = children()

    def failed() -> None:
        with build_launcher(name, jobs=2):
            raise OSError("no room for the plan")

    with pytest.raises(OSError, match="no room for the plan"):
        failed()
    assert children() == before


def test_an_option_that_a_launcher_has_not_is_a_mistake(name: str) -> None:
    with pytest.raises(InitlabError, match=f"launcher '{name}' has no option 'nope'"):
        build_launcher(f"{name}:nope=1", jobs=1)


def forged(tasks: Sequence[Task]) -> Iterator[tuple[str, list[Event]]]:
    """Yield events that break the contract over two tasks all of whose runs are stored."""
    one, two = tasks
    good = [Event(one, "step", 1, 6), Event(one, "done"), Event(two, "done")]
    yield "task 1 is done 0 times", good[:2]
    yield "task 0 is done 2 times", [*good, Event(one, "done")]
    yield "task 0 has a note after it was done", [*good, Event(one, "note")]
    yield "task 0 is at a step that it has not", [Event(one, "step", 7, 6), *good]
    yield "is stored 1 times and lost 1", [Event(one, "lost", runs=one.runs), *good]
    yield "1 events of no task", [Event(replace(one), "note"), *good]


def test_what_breaks_the_contract_is_noticed(plugin_site: Path, tmp_path: Path) -> None:
    tasks = tiny_tasks(tmp_path, {"seed": [0, 1]}, together=1)
    assert [text.partition(" is ")[2] for text in breaches([Event(task, "done") for task in tasks], tasks)] == [
        "stored 0 times and lost 0"
    ] * 2
    with build_launcher("local", jobs=1) as launcher:
        assert breaches(list(launcher.run(tasks)), tasks) == []
    for complaint, events in forged(tasks):
        (found,) = breaches(events, tasks)
        assert complaint in found


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("local", ("local", {})),
        (" local ", ("local", {})),
        ("local:a=1", ("local", {"a": "1"})),
        ("local:a=1, b = x=y", ("local", {"a": "1", "b": "x=y"})),
        ("local:a=", ("local", {"a": ""})),
    ],
)
def test_a_launcher_is_written_as_an_init_is(text: str, parsed: tuple[str, dict[str, str]]) -> None:
    assert parse_launcher(text) == parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("locl", "unknown launcher 'locl'; did you mean 'local'"),
        ("", "unknown launcher ''"),
        ("local:", "expected key=value"),
        ("local:a", "expected key=value"),
        ("local:=1", "expected key=value"),
        ("local:a=1,,b=2", "expected key=value"),
    ],
)
def test_a_launcher_that_is_written_wrong(text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        parse_launcher(text)


def test_options_say_the_nearest_one_or_that_there_is_none() -> None:
    check_options("x", {"partition": "gpu"}, ("partition", "time"))
    with pytest.raises(InitlabError, match="launcher 'x' has no option 'partion'; did you mean 'partition'"):
        check_options("x", {"partion": "gpu"}, ("partition", "time"))
    with pytest.raises(InitlabError, match="launcher 'x' has no option 'a'; it has none"):
        check_options("x", {"a": "1"}, ())


def test_a_launcher_whose_construction_fails_is_named(plugin_site: Path) -> None:
    source = LAUNCHER_FILE.format(name="broken").replace("check_options(", "1 / 0 #")
    (plugin_site / "broken.py").write_text(source)
    load_plugin(f"{plugin_site}/broken.py:OneByOne")
    with pytest.raises(InitlabError, match=r"the launcher 'broken' of plug-in .* fails: ZeroDivisionError"):
        build_launcher("broken", jobs=1)


def test_a_launcher_gets_the_context_as_plain_data(plugin_site: Path) -> None:
    contexts: list[LauncherContext] = []
    build: Callable[[LauncherContext], object] = contexts.append
    with LAUNCHERS.temporarily("spy", replace(LAUNCHERS.get("local"), build=build)):  # type: ignore[arg-type]
        build_launcher("spy:time=1h", jobs=3, gpus=["0", "2"])
    assert contexts == [LauncherContext(jobs=3, gpus=("0", "2"), options={"time": "1h"})]
