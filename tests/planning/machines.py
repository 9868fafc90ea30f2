"""Machines that nobody measured, for tests of what is chosen on them."""

from typing import Any

from initlab.machine.profile import MachineProfile, machine_key

CPU: dict[str, Any] = {
    "products": {
        "highest": {"gflops": 100.0, "error": 2e-7},
        "medium": {"gflops": 240.0, "error": 4e-7},
        "bfloat16": {"gflops": 450.0, "error": 3e-3},
    },
    "attention": {
        "64": {"plain": 1.0, "fused": 10.0},
        "256": {"plain": 10.0, "fused": 6.0},
        "1024": {"plain": 60.0, "fused": 15.0},
    },
    "lanes": {"1": 8.0, "4": 8.1},
    "compiler": True,
}
MEASURED: dict[str, Any] = {"devices": {"cpu": CPU}, "threads": 1.8, "gpus": [], "seconds": 1.0}


def machine(*, products: dict[str, dict[str, float]] | None = None, cores: int = 2, **cpu: Any) -> MachineProfile:
    """Return a machine of this key, so that it is believed here, with these things otherwise."""
    device = {**CPU, **cpu, "products": {**CPU["products"], **(products or {})}}
    return MachineProfile({**machine_key(), "cores": cores}, {**MEASURED, "devices": {"cpu": device}})


def gpu_machine(memory: int = 80 * 2**30, count: int = 1) -> MachineProfile:
    gpu: dict[str, Any] = {**CPU, "products": {**CPU["products"], "medium": {"gflops": 3e5, "error": 5e-4}}}
    gpus = [{"name": "a GPU", "bytes": memory}] * count
    return MachineProfile(machine_key(), {**MEASURED, "devices": {"cpu": CPU, "cuda": gpu}, "gpus": gpus})
