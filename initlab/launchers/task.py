"""A task: a group of lanes to train into the store, as plain data that any launcher can send anywhere."""

from dataclasses import asdict, dataclass
from typing import Any

from initlab.machine.execution import Execution


@dataclass(frozen=True)
class TaskRun:
    """One lane of a task, as plain data: ``corpus`` is a name or an absolute path.

    ``code`` are the fingerprints of the plug-ins whose code is part of the run's identity.
    """

    id: str
    spec: dict[str, Any]
    corpus: str
    corpus_sha256: str
    laws: str
    code: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "TaskRun":
        return cls(**{**document, "code": tuple(document["code"])})


@dataclass(frozen=True)
class Task:
    """Runs that train together, the sweep's folder they are stored in, how, and the plug-ins to load before."""

    folder: str
    runs: tuple[TaskRun, ...]
    execution: Execution
    plugins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "execution": self.execution.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Task":
        runs = tuple(TaskRun.from_json(run) for run in document["runs"])
        execution = Execution.from_json(document["execution"])
        return cls(document["folder"], runs, execution, tuple(document["plugins"]))
