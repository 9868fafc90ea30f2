"""A task: a group of lanes to train into the store, as plain data that any launcher can send anywhere.

All that a worker takes from a registry is named in it, with a fingerprint: a worker trains what was planned, whatever
happens to be installed where it runs, and refuses where it cannot (``initlab.launchers.agreement``).
"""

from dataclasses import asdict, dataclass
from typing import Any

from initlab.machine.execution import Execution
from initlab.probes.reductions import PROBES


@dataclass(frozen=True)
class TaskRun:
    """One lane of a task, as plain data: ``corpus`` is a name or an absolute path.

    ``laws`` is the digest of the network's laws, and ``code`` are the fingerprints of the plug-ins whose code is part
    of the run's identity.
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


@dataclass(frozen=True, kw_only=True)
class TaskProbe:
    """A probe that the runs are measured with. ``code`` is its plug-in's fingerprint, None where it is built in."""

    name: str
    tap: str
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """Runs that train together: the sweep's folder they are stored in, how, and what they are measured with.

    ``plugins`` are what a worker loads before, as ``--plugin`` names them.
    """

    folder: str
    runs: tuple[TaskRun, ...]
    execution: Execution
    probes: tuple[TaskProbe, ...]
    plugins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "execution": self.execution.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Task":
        return cls(
            folder=document["folder"],
            runs=tuple(TaskRun.from_json(run) for run in document["runs"]),
            execution=Execution.from_json(document["execution"]),
            probes=tuple(TaskProbe(**probe) for probe in document["probes"]),
            plugins=tuple(document["plugins"]),
        )


def planned_probes() -> tuple[TaskProbe, ...]:
    """Return the probes that are registered here, for the runs planned here.

    Raises InitlabError for one whose code cannot be told from another's.
    """
    return tuple(TaskProbe(name=name, tap=probe.tap, code=PROBES.fingerprint(name)) for name, probe in PROBES.items())
