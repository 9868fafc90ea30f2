"""What this machine was measured to be fast at: once, by a process of its own, kept in the user's cache.

Nothing here decides anything (``initlab.planning.execution_plan`` does), and nothing here imports torch.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

from initlab.errors import InitlabError
from initlab.files.atomic import write_text
from initlab.files.cache import cache_folder
from initlab.files.json import content_hash
from initlab.files.limits import DOCUMENT_BYTES
from initlab.files.untrusted import read_untrusted
from initlab.machine.environment import available_cores, cpu_name, worker_environment
from initlab.machine.execution import MatmulPrecision

VERSION = 3
"""Of the document ``initlab.engine.benchmark`` prints: raise it when another program must measure again."""

FLOAT32_TOLERANCE = 1e-5
"""Relative error of a product of float32 accuracy: hundreds of terms at 6e-8 leave 1e-7 to 1e-6. TF32 has 5e-4."""

STEP_TOKENS, STEP_WIDTH = 12 * 64, 128
"""Tokens and width of the training step that is timed: nanoGPT's CPU configuration."""

CPU_LANES, GPU_LANES = 4, 16
"""Runs together where several are timed: on a CPU more gain nothing, a GPU is not filled by fewer."""


@dataclass(frozen=True)
class StepTimes:
    """Milliseconds of one lane's share of a training step of one block, by context length in tokens.

    ``plain`` and ``fused`` attention are timed on a CPU in a lane by itself, on a GPU among several; ``lanes`` is
    plain attention among several lanes of a CPU, at some of the contexts.
    """

    plain: Mapping[int, float]
    fused: Mapping[int, float]
    lanes: Mapping[int, float]

    @classmethod
    def from_json(cls, document: dict[str, dict[str, float]]) -> "StepTimes":
        """Return the times that ``initlab.engine.benchmark`` wrote; raises KeyError where some are missing."""
        plain, fused, lanes = (
            {int(context): float(ms) for context, ms in document[name].items()}
            for name in ("plain", "fused", "lanes")
        )
        return cls(plain, fused, lanes)

    def nearest(self, context: int) -> int:
        """Return the measured context length that is nearest to ``context``."""
        return min(self.plain, key=lambda tokens: abs(tokens - context))

    @property
    def share_of_lanes(self) -> float:
        """A lane's time among several lanes of a CPU over its time alone, where both were measured."""
        context = min(self.lanes)
        return self.lanes[context] / self.plain[context]


@dataclass(frozen=True)
class MachineProfile:
    """The measurements of ``initlab.engine.benchmark`` and the machine they are of."""

    key: dict[str, Any]
    measured: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the stored document; its key ``found`` holds the measurements, as in every sweep on disk."""
        return {"key": self.key, "found": self.measured}

    @classmethod
    def from_json(cls, document: Any) -> "MachineProfile | None":
        """Return the stored machine, None where the document is none, or lacks what planning asks of it."""
        try:
            machine = cls(dict(document["key"]), dict(document["found"]))
            machine._ask_everything()
        except (KeyError, TypeError, ValueError, AttributeError, InitlabError):
            return None
        return machine

    def _ask_everything(self) -> None:
        """Ask once for whatever planning asks for; raises what a damaged document makes of it."""
        if self.cores < 1 or not all(gpu["bytes"] > 0 for gpu in self.gpus):
            raise ValueError("no such machine")
        for device in [*dict(self.measured["devices"])]:
            self.device(device)["compiler"]
            self.float32_matmul_precision(device)
            for precision in get_args(MatmulPrecision):
                self.describe(precision, device)
                times = self.step_times(device, precision)
                times.nearest(1)

    @property
    def cores(self) -> int:
        return int(self.key["cores"])

    @property
    def gpus(self) -> list[dict[str, Any]]:
        return list(self.measured["gpus"])

    def device(self, name: str) -> dict[str, Any]:
        """Return one device's measurements. Raises InitlabError where the machine has no such device."""
        kind = name.partition(":")[0]
        if kind not in self.measured["devices"]:
            raise InitlabError(f"no device {name!r} on this machine; it has {', '.join(self.measured['devices'])}")
        return dict(self.measured["devices"][kind])

    def step_times(self, device: str, precision: MatmulPrecision) -> StepTimes:
        """Return how long a training step takes by a precision; by the default one where it was not worth timing.

        Raises InitlabError for a device that the machine lacks.
        """
        steps = self.device(device)["steps"]
        return StepTimes.from_json(steps.get(precision) or steps["highest"])

    def float32_matmul_precision(self, device: str) -> MatmulPrecision:
        """Return the fastest precision that is as accurate as float32."""
        matmuls = self.device(device)["products"]
        exact: list[MatmulPrecision] = ["highest", "medium"]
        return max(
            (name for name in exact if name == "highest" or matmuls[name]["error"] < FLOAT32_TOLERANCE),
            key=lambda name: float(matmuls[name]["gflops"]),
        )

    def describe(self, precision: MatmulPrecision, device: str) -> str:
        """Return how fast and how exact matmuls are: ``103 GF/s, relative error 2e-07``."""
        matmul = self.device(device)["products"][precision]
        return f"{matmul['gflops']:.0f} GF/s, relative error {matmul['error']:.0e}"


def machine_key() -> dict[str, Any]:
    """Return what a measurement stays true for."""
    return {
        "version": VERSION,
        "cpu": cpu_name(),
        "machine": platform.machine(),
        "cores": available_cores(),
        "torch": metadata.version("torch"),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def cache_path() -> Path:
    """Return where this machine's measurement is kept."""
    return cache_folder() / f"machine-{content_hash(machine_key())}.json"


def cached_profile() -> MachineProfile | None:
    """Return what an earlier measurement found, None where there is none for this machine."""
    try:
        path = cache_path()
        content = read_untrusted(path, "machine's measurement", DOCUMENT_BYTES, below=path.parent)
        machine = MachineProfile.from_json(json.loads(content))
    except (OSError, ValueError, RecursionError, InitlabError):
        return None
    return machine if machine is not None and machine.key == machine_key() else None


def machine_profile() -> MachineProfile:
    """Return what was measured here, measuring first where nobody has: a few seconds.

    Raises InitlabError when torch cannot compute here at all. A cache that cannot be written costs the same again.
    """
    return cached_profile() or _store(MachineProfile(machine_key(), _measure()))


def _measure() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "initlab.engine.benchmark"],
        capture_output=True,
        text=True,
        check=False,
        env=worker_environment(),
    )
    try:
        measured = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InitlabError(f"torch cannot compute on this machine: {last}; see `initlab doctor`") from error
    assert isinstance(measured, dict)
    return measured


def _store(machine: MachineProfile) -> MachineProfile:
    try:
        path = cache_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(machine.to_json()), durable=False)
    except OSError:  # a cache on a full or read-only disk: the next sweep measures again
        return machine
    return machine
