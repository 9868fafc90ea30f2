"""What is measured of initlab alone: probes, init-only sweeps, commands, predictions, plans, reports, a GPU."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sides import ENV, Row, flags, initlab, steady

from initlab.machine.profile import machine_profile


def probes(rounds: int) -> list[Row]:
    """All probes at the cadence of a run of 300 steps, against none: twelve of 301 steps are probed."""
    plain, probed = [], []
    for _ in range(rounds):
        plain.append(steady(steps=40)[0]["mean_ms"])
        probed.append(steady(steps=40, probe_interval=1)[0]["mean_ms"])
    each = statistics.median(b / a for a, b in zip(plain, probed, strict=True)) - 1
    share = each * 12 / 301
    return [Row(f"all probes at the default cadence (a probed step costs {100 * each:.0f}% more)",
                f"{100 * share:.1f}%", "", "", "≤ 3%")]  # fmt: skip


def init_only(rounds: int) -> list[Row]:
    """100 cells of 12 layers, 256 wide, T = 64, probed at step 0."""
    found = []
    for _ in range(max(1, rounds // 3)):
        with tempfile.TemporaryDirectory() as folder:
            found.append(initlab("sweep", "--init", "gpt2,depth-scaled,pytorch,nanogpt,xavier", "--seeds", "20",
                                 "--steps", "0", "--n-layer", "12", "--n-head", "4", "--n-embd", "256",
                                 "--block-size", "64", "-o", f"{folder}/x"))  # fmt: skip
    return [Row("probing at init: 100 cells of 12 layers, 256 wide, start to report, s",
                f"{statistics.median(found):.0f}", "", "", "≤ 40")]  # fmt: skip


COMMANDS = {
    "--help": "≤ 0.5",
    "list inits": "≤ 0.5",
    "predict gpt2 --n-layer 12 --n-head 12 --n-embd 768 --block-size 1024 --tokens uniform": "≤ 2",
}


def commands(rounds: int) -> list[Row]:
    """Whole commands, the interpreter's start included; ``predict`` has the gradients too."""
    rows = []
    for command, bar in COMMANDS.items():
        seconds = statistics.median(initlab(*command.split()) for _ in range(rounds))
        rows.append(Row(f"initlab {command}, s", f"{seconds:.2f}", "", "", bar))
    return rows


PLAN = """
import json, resource, sys, time
from pathlib import Path
from initlab.planning.plan import make_plan
from initlab.spec.sweep import Grid, SweepSpec
from initlab.planning.storage import write_plan
n, folder = int(sys.argv[1]), Path(sys.argv[2])
axes = {"init": ["gpt2", "depth-scaled", "pytorch", "nanogpt", "xavier"], "activation": ["gelu", "relu"],
        "train.lr": [1e-4 * (i + 1) for i in range(n // 100)], "seed": [*range(10)]}
started = time.perf_counter()
plan = make_plan(SweepSpec(grids=(Grid(axes),)), folder)
planned = time.perf_counter()
write_plan(plan)
print(json.dumps([len(plan.runs), planned - started, time.perf_counter() - planned,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def planning() -> list[Row]:
    found = {}
    machine_profile()
    for n in (1000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-c", PLAN, str(n), f"{folder}/x"], capture_output=True, text=True,
                                  check=True, env=ENV)  # fmt: skip
            found[n] = json.loads(done.stdout)
            if n == 10_000:
                status = initlab("status", f"{folder}/x")
    per_run = (found[10_000][3] - found[1000][3]) / 9000 * 1024
    return [
        Row("planning 10,000 runs, from the spec to what is missing, s", f"{found[10_000][1]:.1f}", "", "", "≤ 3"),
        Row("storing the plan and its predictions, s", f"{found[10_000][2]:.1f}", "", "", "≤ 3"),
        Row("initlab status on 10,000 runs, s", f"{status:.1f}", "", "", "≤ 3"),
        Row("resident memory of the parent at 10,000 runs, MiB (KiB a run)",
            f"{found[10_000][3]:.0f} ({per_run:.0f})", "", "", "flat"),
    ]  # fmt: skip


def report() -> list[Row]:
    """The report over 1,000 runs that really trained, if not for long."""
    tiny = {"n-layer": "2", "n-head": "2", "n-embd": "16", "block-size": "16", "batch-size": "2", "steps": "20"}
    with tempfile.TemporaryDirectory() as folder:
        initlab("sweep", "--init", "gpt2,depth-scaled,pytorch,nanogpt,xavier", "--activation", "gelu,relu",
                "--lr", "1e-4,3e-4,1e-3,3e-3,1e-2", "--seeds", "25", "-o", f"{folder}/x",
                *flags(tiny))  # fmt: skip
        seconds = initlab("report", f"{folder}/x")
        shown = len(list(Path(folder, "x", "runs").iterdir()))
    return [Row(f"report over {shown:,} stored runs, s", f"{seconds:.1f}", "", "", "≤ 30")]


def gpu(rounds: int) -> list[Row]:
    """Runs a second on one GPU, many lanes against one at a time, bfloat16; no row where there is none."""
    if not machine_profile().gpus:
        print("  no GPU: not measured", file=sys.stderr)
        return []
    rates: dict[int, list[float]] = {1: [], 128: []}
    for _ in range(rounds):
        for lanes, found in rates.items():
            found.append(1e3 / steady(lanes=lanes, device="cuda", precision="bfloat16", steps=60)[0]["ms"])
    many, one = (statistics.median(rates[lanes]) for lanes in (128, 1))
    ratio = statistics.median(b / a for a, b in zip(rates[1], rates[128], strict=True))
    return [Row("steps of one run a second on a GPU, bfloat16, 128 lanes (against one at a time)",
                f"{many:.0f} ({one:.0f})", "", f"{ratio:.0f}×", "≥ 30×")]  # fmt: skip
