"""Machines that nobody measured, for tests of what is planned on them."""

import json
from pathlib import Path
from typing import Any

from initlab.machine.profile import MachineProfile, machine_key

DESCRIBED = Path(__file__).parents[1] / "machine" / "described"
"""Machines as ``initlab.engine.benchmark`` would measure them, one JSON document each. CPUs with AMX, with AVX-512
and bfloat16, and with AVX2 are in the proportions that were once measured on such; the others are made up."""

CPU: dict[str, Any] = json.loads((DESCRIBED / "avx512.json").read_text())["found"]["devices"]["cpu"]
MEASURED: dict[str, Any] = {"devices": {"cpu": CPU}, "threads": 1.8, "gpus": [], "seconds": 1.0}


def described(name: str) -> MachineProfile:
    """Return a described machine by the name of its file."""
    machine = MachineProfile.from_json(json.loads((DESCRIBED / f"{name}.json").read_text()))
    assert machine is not None
    return machine


def machine(*, products: dict[str, dict[str, float]] | None = None, cores: int = 2, **cpu: Any) -> MachineProfile:
    """Return a machine of this key, so that it is believed here, with these things otherwise."""
    device = {**CPU, **cpu, "products": {**CPU["products"], **(products or {})}}
    return MachineProfile({**machine_key(), "cores": cores}, {**MEASURED, "devices": {"cpu": device}})


def gpu_machine(memory: int = 80 * 2**30, count: int = 1) -> MachineProfile:
    measured = described("h100").measured
    gpus = [{"name": "a GPU", "bytes": memory}] * count
    return MachineProfile(machine_key(), {**measured, "gpus": gpus})
