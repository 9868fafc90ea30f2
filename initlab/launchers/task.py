"""A task: a group of lanes to train into the store, as plain data that any launcher can send anywhere."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TaskRun:
    """One lane of a task, as plain data: ``corpus`` is a name or an absolute path."""

    id: str
    spec: dict[str, Any]
    corpus: str
    corpus_sha256: str
    laws: str


@dataclass(frozen=True)
class Task:
    """Runs that train together, and the sweep's folder they are stored in."""

    folder: str
    runs: tuple[TaskRun, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Task":
        return cls(document["folder"], tuple(TaskRun(**run) for run in document["runs"]))
