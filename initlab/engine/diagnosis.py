"""What this machine can do, and whether it can run sweeps: one value, made once."""

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from initlab.engine.selfcheck import lanes_are_independent
from initlab.files.public import PublicValue
from initlab.machine.environment import cpu_name, versions
from initlab.machine.profile import CPU_LANES, FLOAT32_TOLERANCE, MachineProfile, StepTimes, machine_profile

MINIMUM_TORCH = (2, 6)


@dataclass(frozen=True)
class Check:
    """One thing that must hold, whether it does, and a line for people."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Device:
    """``cpu`` or ``cuda:0``, and what it is."""

    name: str
    description: str


@dataclass(frozen=True, repr=False)
class Diagnosis(PublicValue):
    """This machine: versions by package, its devices, what they were measured to do, and whether all is well."""

    versions: dict[str, str | None]
    devices: tuple[Device, ...]
    machine: MachineProfile
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def document(self) -> dict[str, Any]:
        return {
            "versions": self.versions,
            "devices": [asdict(device) for device in self.devices],
            "precision": "float32",
            "measured": {"words": describe_measurements(self.machine), **self.machine.measured},
            "checks": [asdict(check) for check in self.checks],
        }

    def describe(self) -> str:
        """Return the lines that ``initlab doctor`` prints."""
        lines = [", ".join(f"{name} {version}" for name, version in self.versions.items())]
        lines += [f"{device.name}: {device.description}" for device in self.devices]
        lines += describe_measurements(self.machine)
        lines += [f"{'ok ' if check.ok else 'BAD'}  {check.name}: {check.message}" for check in self.checks]
        return "\n".join(lines)


def diagnose() -> Diagnosis:
    """Return the diagnosis of this machine, measuring it first where nobody has.

    Raises InitlabError when torch cannot compute here at all.
    """
    machine = machine_profile()
    cpu = Device("cpu", f"{cpu_name()}, {machine.cores} cores usable, one worker a core")
    gpus = (Device(f"cuda:{n}", f"{gpu['name']}, one worker") for n, gpu in enumerate(machine.gpus))
    checks = (check_torch(), check_arithmetic(), check_lanes(machine), check_disk(Path()))
    return Diagnosis(versions(), (cpu, *gpus), machine, checks)


def describe_measurements(machine: MachineProfile) -> list[str]:
    """Return for people what was measured: of each device its matmuls and its steps, and the gain of threads."""
    lines = []
    for device, measured in machine.measured["devices"].items():
        rates = "; ".join(f"{name} {machine.describe(name, device)}" for name in measured["products"])
        compiler = "torch.compile where it pays" if measured["compiler"] else "no compiler found"
        taken = machine.float32_matmul_precision(device)
        lines.append(f"{device} matmuls: {rates}. precision = float32 takes {taken}; {compiler}")
        lines += [
            f"{device} steps, {name}: {_describe_steps(machine.step_times(device, name))}"
            for name in measured["steps"]
        ]
    threads = machine.measured["threads"]
    lines.append(
        f"{machine.cores} threads do {threads:g} times the matmuls of one: processes of one thread each are used"
    )
    return lines


def _describe_steps(times: StepTimes) -> str:
    faster = [context for context in sorted(times.plain) if times.fused[context] < times.plain[context]]
    attention = f"fused attention is faster at {', '.join(map(str, faster))} tokens" if faster else "plain attention"
    if not times.lanes:
        return attention
    return f"{attention}; each of {CPU_LANES} lanes together takes {times.share_of_lanes:.2f} of one alone"


def check_torch(version: str = torch.__version__) -> Check:
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    return Check("torch", numbers >= MINIMUM_TORCH, f"{version}, 2.6 or newer is needed")


def check_arithmetic() -> Check:
    """Check a float32 matrix product against float64, and say how fast it is on one thread."""
    n = 512
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, n, generator=generator) for _ in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a @ b
    started = time.perf_counter()
    product = a @ b
    rate = 2 * n**3 / (time.perf_counter() - started) / 1e9
    torch.set_num_threads(threads)
    exact = a.double() @ b.double()
    error = float((product - exact).norm() / exact.norm())
    message = f"float32 products: relative error {error:.1e}, {rate:.0f} GF/s a core"
    return Check("arithmetic", error < FLOAT32_TOLERANCE, message)


def check_lanes(machine: MachineProfile) -> Check:
    """Check that a lane trained beside others is bit-identical to the same run alone: resuming relies on it."""
    ok = all(lanes_are_independent(name) for name in {"highest", machine.float32_matmul_precision("cpu")})
    return Check(
        "lanes", ok, "a lane's numbers do not depend on its neighbours" if ok else "lanes depend on neighbours"
    )


def check_disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 2**30
    return Check("disk", free > 1, f"{free:.0f} GiB free here")
