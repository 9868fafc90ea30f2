"""``initlab status`` and ``initlab doctor``: where a sweep stands, what this machine can do."""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from initlab.cli.console import guarded, print_json, stdout
from initlab.files.json import SCHEMA_VERSION
from initlab.machine.environment import available_cores, cpu_name, versions
from initlab.machine.profile import MachineProfile, machine_profile
from initlab.results.reading import load_results

MINIMUM_TORCH = (2, 6)


@guarded
def status(
    path: Annotated[Path, typer.Argument(help="a sweep's folder")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Say which runs of a sweep are finished, running, failed, diverged or missing."""
    results = load_results(path)
    if as_json:
        runs = [
            {"id": run.id, "label": run.label, "status": run.status, "reason": run.state.reason}
            for run in results.runs
        ]
        print_json({"schema_version": SCHEMA_VERSION, "path": str(path), "counts": results.counts, "runs": runs})
        return
    console = stdout()
    for run in results.runs:
        reason = f"  ({run.state.reason})" if run.state.reason else ""
        console.print(f"{run.id}  {run.status:<11}  {run.label}{reason}", soft_wrap=True, markup=False)
    console.print(", ".join(f"{number} {status}" for status, number in results.counts.items() if number))


@guarded
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document on stdout")] = False,
) -> None:
    """Check that this machine can run sweeps, and say with what."""
    document = doctor_document()
    if as_json:
        print_json(document)
    else:
        console = stdout()
        console.print(", ".join(f"{name} {version}" for name, version in document["versions"].items()))
        for device in document["devices"]:
            console.print(f"{device['name']}: {device['description']}", markup=False)
        for line in document["measured"]["words"]:
            console.print(line, soft_wrap=True, markup=False)
        for check in document["checks"]:
            console.print(f"{'ok ' if check['ok'] else 'BAD'}  {check['name']}: {check['message']}", markup=False)
    if not all(check["ok"] for check in document["checks"]):
        raise typer.Exit(1)


def doctor_document() -> dict[str, Any]:
    """Return the public JSON document of what this machine can do."""
    import torch

    cores, machine = available_cores(), machine_profile()
    devices = [{"name": "cpu", "description": f"{cpu_name()}, {cores} cores usable, one worker a core"}]
    devices += [
        {"name": f"cuda:{index}", "description": f"{torch.cuda.get_device_name(index)}, one worker"}
        for index in range(torch.cuda.device_count())
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
        "devices": devices,
        "precision": "float32",
        "measured": {"words": measured_words(machine), **machine.measured},
        "checks": [_torch_check(), _arithmetic_check(), _lanes_check(machine), _disk_check()],
    }


def measured_words(machine: MachineProfile) -> list[str]:
    """Say what was measured and what it decides, a line a device."""
    lines = []
    for device, found in machine.measured["devices"].items():
        rates = "; ".join(f"{path} {machine.describe(path, device)}" for path in found["products"])
        chosen = machine.float32_matmul_precision(device)
        fused = [context for context, ms in found["attention"].items() if ms["fused"] < ms["plain"]]
        attention = f"fused attention from {fused[0]} tokens" if fused else "attention spelled out"
        compiler = "torch.compile where it pays" if found["compiler"] else "no compiler found"
        lines.append(f"{device} products: {rates}. precision = float32 takes {chosen}; {attention}; {compiler}")
    cores = machine.cores
    speed = machine.measured["threads"]
    lines.append(f"{cores} threads do {speed:g} times the products of one: processes of one thread each are used")
    return lines


def _check(name: str, ok: bool, message: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "message": message}


def _torch_check() -> dict[str, Any]:
    import torch

    found = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    return _check("torch", found >= MINIMUM_TORCH, f"{torch.__version__}, 2.6 or newer is needed")


def _arithmetic_check() -> dict[str, Any]:
    """A float32 matrix product against float64, and how fast it is on one thread."""
    import torch

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
    return _check("arithmetic", error < 1e-5, f"float32 products: relative error {error:.1e}, {rate:.0f} GF/s a core")


def _lanes_check(machine: MachineProfile) -> dict[str, Any]:
    """A lane trained beside others must be bit-identical to the same run alone: resuming relies on it."""
    from initlab.engine.selfcheck import lanes_are_independent

    ok = all(lanes_are_independent(path) for path in {"highest", machine.float32_matmul_precision("cpu")})
    return _check(
        "lanes", ok, "a lane's numbers do not depend on its neighbours" if ok else "lanes depend on neighbours"
    )


def _disk_check() -> dict[str, Any]:
    free = shutil.disk_usage(Path()).free / 2**30
    return _check("disk", free > 1, f"{free:.0f} GiB free here")
