"""What a launcher is: it takes tasks to where they are trained, and tells what becomes of them.

A launcher is registered by name and chosen with ``initlab sweep --launcher NAME``. A whole one, in a file that
``--plugin FILE.py:OneByOne`` names::

    @launcher("one-by-one", summary="one task after another, in the process that planned them")
    class OneByOne:
        def __init__(self, context: LauncherContext) -> None:
            check_options("one-by-one", context.options, ())

        def __enter__(self) -> "OneByOne":
            return self  # others start their workers now, while the plan is being written

        def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
            return  # others end their workers, and at once where there is an error

        def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
            for task in tasks:
                train_task(task, lambda step, steps: None)
                yield Event(task, "done")

``initlab.launchers.train.train_task`` trains a task into the store wherever it is called, and stores what fails; a
task travels as ``Task.to_json``. The contract, which ``tests/launchers/test_launcher.py`` holds every launcher to:

- every task has exactly one ``done`` event, its last;
- every run is then either in the store, finished or failed, or named by exactly one ``lost`` event;
- a worker that dies costs no run of another task, and after the ``with`` block no process is left.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

from initlab.errors import InitlabError, did_you_mean
from initlab.launchers.task import Task, TaskRun
from initlab.plugins.parameters import split_name
from initlab.plugins.registry import Registry


@dataclass(frozen=True)
class Event:
    """What happened to a task.

    ``step``: it is at step of steps; ``note``: something a user should know, in ``reason``; ``lost``: ``runs`` will
    not be stored by whoever trained them, and why; ``done``: nothing of it is left to do.
    """

    task: Task
    kind: Literal["step", "note", "lost", "done"]
    step: int = 0
    steps: int = 0
    reason: str = ""
    runs: tuple[TaskRun, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LauncherContext:
    """What a launcher is built from: plain data.

    ``jobs`` is how many workers run at once at most. Where tasks train on GPUs, ``gpus`` names those of this machine,
    as CUDA_VISIBLE_DEVICES does, one for each worker. ``options`` are the launcher's own, as the user wrote them:
    ``--launcher name:key=value,key=value``.
    """

    jobs: int
    gpus: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class Launcher(Protocol):
    """A context around ``run``: entering it starts the workers, leaving it ends them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any, /) -> None: ...

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Train the tasks, yielding what happens; the module's docstring says what is promised."""


Build: TypeAlias = Callable[[LauncherContext], Launcher]
_Build = TypeVar("_Build", bound=Build)


@dataclass(frozen=True, kw_only=True)
class LauncherEntry:
    """A registered launcher: how to build one, and a line for `initlab list launchers`."""

    build: Build
    summary: str


LAUNCHERS: Registry[LauncherEntry] = Registry(
    "launcher",
    code=lambda entry: entry.build,
    entry_points="initlab.launchers",
    built_ins="initlab.launchers.local",
)


def launcher(name: str, *, summary: str) -> Callable[[_Build], _Build]:
    """Register a launcher's class, or a function that builds one; raises InitlabError for a name that is taken."""

    def decorate(build: _Build) -> _Build:
        LAUNCHERS.add(name, LauncherEntry(build=build, summary=summary))
        return build

    return decorate


def parse_launcher(text: str) -> tuple[str, dict[str, str]]:
    """Return the registered name and the options of ``name`` or ``name:key=value,key=value``.

    Raises InitlabError for an unknown name and for malformed options.
    """
    name, listed = split_name(text)
    pairs = [pair.partition("=") for pair in listed.split(",")] if ":" in text else []
    if not all(key.strip() and equals for key, equals, _ in pairs):
        raise InitlabError(f"launcher {text!r}: after the colon, expected key=value, with commas between")
    return LAUNCHERS.canonical(name), {key.strip(): value.strip() for key, _, value in pairs}


def check_options(name: str, options: Mapping[str, str], known: Iterable[str]) -> None:
    """Raise InitlabError for an option that the launcher ``name`` does not take."""
    known = tuple(known)
    for key in options:
        if key not in known:
            raise InitlabError(
                f"launcher {name!r} has no option {key!r}{did_you_mean(key, known) or '; it has none'}"
            )


def build_launcher(text: str, *, jobs: int, gpus: Sequence[str] = ()) -> Launcher:
    """Return the launcher that ``name`` or ``name:key=value`` means, not started yet."""
    name, options = parse_launcher(text)
    entry = LAUNCHERS.get(name)
    with LAUNCHERS.blame(name, entry):
        return entry.build(LauncherContext(jobs=jobs, gpus=tuple(gpus), options=options))
