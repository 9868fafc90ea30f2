"""Measures what docs/performance.md promises, side by side with nanoGPT's own loop, and keeps every result.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/bench.py nanoGPT            # all of it, about a quarter of an hour on an idle machine
    python benchmarks/bench.py nanoGPT --only throughput,probes --rounds 5
    python benchmarks/bench.py --only plan,init,commands,scaling   # what needs no nanoGPT

Two sides of a comparison take turns, ``--rounds`` times; medians and their ratio count, since machines drift. A row a
figure is appended to RESULTS.md; plots of the scaling go beside it.
"""

import argparse
import json
import os
import pickle
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from initlab.data.load import load_corpus
from initlab.environment import available_cores, cpu_name, git_sha
from initlab.plan.machine import this_machine

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
SIZES = {"n-layer": 4, "n-head": 4, "n-embd": 128, "block-size": 64, "batch-size": 12}
"""nanoGPT's README, "I only have a macbook": its CPU configuration."""
ENV = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
LOSSES_AGREE = 0.2
"""nats: both sides learn the same text from another draw of weights and batches."""


@dataclass
class Row:
    """One line of RESULTS.md."""

    what: str
    ours: str
    theirs: str
    ratio: str
    bar: str


def flags(settings: dict[str, Any], *, underscore: bool = False) -> list[str]:
    return [
        part
        for name, value in settings.items()
        for part in ([f"--{name.replace('-', '_')}={value}"] if underscore else [f"--{name}", str(value)])
    ]


def steady(together: int = 1, **settings: Any) -> list[dict[str, Any]]:
    """Run ``together`` training processes at once, one thread each, and return what each measured."""
    named = {name.replace("_", "-"): value for name, value in settings.items() if value is not True}
    switches = [f"--{name}" for name, value in settings.items() if value is True]
    command = [sys.executable, str(HERE / "steady.py"), *flags({**SIZES, **named}), *switches]
    env = {**ENV, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MKL_CBWR": "AUTO,STRICT"}
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(together)]
    outputs = [process.communicate()[0] for process in processes]
    assert all(process.returncode == 0 for process in processes), outputs
    return [json.loads(output) for output in outputs]


class NanoGPT:
    """Its training script, run as its README says for a CPU, on the corpus that initlab trains on."""

    def __init__(self, checkout: Path, scratch: Path) -> None:
        self._checkout, self._scratch = checkout.absolute(), scratch
        corpus, name = load_corpus("synthetic"), "initlab_bench"
        self._dataset = name
        folder = self._checkout / "data" / name
        folder.mkdir(exist_ok=True)
        for split, tokens in (("train", corpus.train), ("val", corpus.val)):
            np.asarray(tokens[:2_000_000]).astype(np.uint16).tofile(folder / f"{split}.bin")
        with (folder / "meta.pkl").open("wb") as file:
            pickle.dump({"vocab_size": corpus.vocab_size}, file)

    def run(self, steps: int, sizes: dict[str, int], **more: Any) -> tuple[float, float, list[float]]:
        """Train; return the process's seconds, its median milliseconds an iteration, and the losses."""
        settings = {
            "dataset": self._dataset, "device": "cpu", "compile": False, "log_interval": 1, "dropout": 0.0,
            "gradient_accumulation_steps": 1, "max_iters": steps, "lr_decay_iters": steps, "warmup_iters": 0,
            "learning_rate": 1e-3, "min_lr": 1e-4, "beta2": 0.99, "eval_iters": 20, "eval_interval": 250,
            "out_dir": str(self._scratch / "out"), **sizes, **more,
        }  # fmt: skip
        command = [sys.executable, "train.py", *flags(settings, underscore=True)]
        env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        started = time.perf_counter()
        done = subprocess.run(command, cwd=self._checkout, capture_output=True, text=True, check=True, env=env)
        seconds = time.perf_counter() - started
        rows = re.findall(r"iter \d+: loss ([\d.]+), time ([\d.]+)ms", done.stdout)
        times = [float(ms) for _, ms in rows][len(rows) // 2 :]
        return seconds, statistics.median(times), [float(loss) for loss, _ in rows]


def throughput(nanogpt: NanoGPT, rounds: int, precision: str, bar: str, **settings: Any) -> list[Row]:
    """Steady steps a second of all cores, each a worker, against nanoGPT's loop with its default threads."""
    cores, steps = available_cores(), 60
    ours, theirs, losses, execution = [], [], [], ""
    for _ in range(rounds):
        _, ms, their_losses = nanogpt.run(steps, dict(SIZES))
        theirs.append(1e3 / ms)
        found = steady(cores, precision=precision, steps=steps, until=10.0, **settings)
        ours.append(sum(1e3 / one["ms"] for one in found))
        losses.append((statistics.mean(their_losses[-5:]), found[0]["loss"]))
        execution = found[0]["execution"]
    flops, rate = found[0]["flops"], best_rate()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    used = statistics.median(ours) * flops / (cores * rate * 1e9)
    label = f"steady steps/s, {precision}" + (", compiled" if settings.get("compile") else "")
    rows = [Row(f"{label} ({execution})", f"{statistics.median(ours):.1f}", f"{statistics.median(theirs):.1f}",
                f"{ratio:.2f}×", bar)]  # fmt: skip
    if precision == "float32":
        measured = f"{100 * used:.0f}%"
        rows.append(Row(f"useful FLOPs of {label}, over cores × {rate:.0f} GF/s", measured, "", "", "≥ 50%"))
    print(f"  losses (nanoGPT, initlab; not the same steps): {losses[-1]}", file=sys.stderr)
    return rows


def best_rate() -> float:
    """Return the best float32 rate of one core, GF/s, measured now."""
    code = "import torch;from initlab.engine import measure as m;torch.set_num_threads(1)\n"
    code += "d=torch.device('cpu');print(max(m.measure_products(p,d)['gflops'] for p in ('highest','medium')))"
    env = {**ENV, "OMP_NUM_THREADS": "1"}
    return max(
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
        )
        for _ in range(3)
    )


def whole_sweep(nanogpt: NanoGPT, rounds: int) -> list[Row]:
    """24 runs × 200 steps at 2 layers, 64 wide, B = 16: from the command to the report, against 24 processes."""
    sizes = {"n-layer": 2, "n-head": 4, "n-embd": 64, "block-size": 64, "batch-size": 16}
    ours, theirs = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours.append(initlab("sweep", "--init", "gpt2,depth-scaled", "--activation", "gelu,relu", "--seeds", "6",
                                "--steps", "200", "-o", f"{folder}/x", *flags(sizes)))  # fmt: skip
        theirs.append(24 * statistics.mean(nanogpt.run(200, sizes)[0] for _ in range(2)))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return [Row("a CI sweep, 24 runs × 200 steps, start to report, s", f"{statistics.median(ours):.0f}",
                f"{statistics.median(theirs):.0f} (24 × the mean of 2)", f"{ratio:.1f}×", "≥ 4×")]  # fmt: skip


def initlab(*arguments: str) -> float:
    """Run a command and return its seconds."""
    command = [sys.executable, "-P", "-c", "from initlab.cli.main import run; run()", *arguments]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**ENV, "CI": "1"})
    return time.perf_counter() - started


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


def commands(rounds: int) -> list[Row]:
    rows = []
    for arguments, bar in ((["--help"], "≤ 0.5"), (["list", "inits"], "≤ 0.5")):
        seconds = statistics.median(initlab(*arguments) for _ in range(rounds))
        rows.append(Row(f"initlab {' '.join(arguments)}, s", f"{seconds:.2f}", "", "", bar))
    return rows


PLAN = """
import json, resource, sys, time
from pathlib import Path
from initlab.execution import Wishes
from initlab.plan.source import Block, SweepSource
from initlab.runner import choose_for, missing_runs, plan_sweep, run_sweep, write_plan
n, folder = int(sys.argv[1]), Path(sys.argv[2])
axes = {"init": ["gpt2", "depth-scaled", "pytorch", "nanogpt", "xavier"], "activation": ["gelu", "relu"],
        "train.lr": [1e-4 * (i + 1) for i in range(n // 100)], "seed": [*range(10)]}
started = time.perf_counter()
sweep = plan_sweep(SweepSource(blocks=(Block(axes),)), folder, folder)
choices = choose_for(sweep, Wishes())
planned = time.perf_counter()
write_plan(sweep, choices)
missing_runs(sweep, "failed")
print(json.dumps([len(sweep.runs), planned - started, time.perf_counter() - planned,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def planning(rounds: int) -> list[Row]:
    found = {}
    this_machine()
    for n in (1000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-c", PLAN, str(n), f"{folder}/x"], capture_output=True, text=True,
                                  check=True, env=ENV)  # fmt: skip
            found[n] = json.loads(done.stdout)
            if n == 10_000:
                status = initlab("status", f"{folder}/x")
    per_run = (found[10_000][3] - found[1000][3]) / 9000 * 1024
    return [
        Row("planning 10,000 runs, s", f"{found[10_000][1]:.1f}", "", "", "≤ 3"),
        Row("storing the plan and looking for what is missing, s", f"{found[10_000][2]:.1f}", "", "", "≤ 3"),
        Row("initlab status on 10,000 runs, s", f"{status:.1f}", "", "", "≤ 3"),
        Row("resident memory of the parent at 10,000 runs, MiB (KiB a run)",
            f"{found[10_000][3]:.0f} ({per_run:.0f})", "", "", "flat"),
    ]  # fmt: skip


SCALES: dict[str, tuple[str, Sequence[int], Callable[[int], dict[str, Any]]]] = {
    "lanes": ("lanes", (1, 2, 4, 8, 16), lambda n: {"lanes": n}),
    "width": ("width", (32, 64, 128, 256), lambda n: {"n_embd": n, "lanes": 4}),
    "depth": ("layers", (1, 2, 4, 8), lambda n: {"n_layer": n, "lanes": 4}),
    "workers": ("workers", (1, 2), lambda n: {"together": n, "until": 8.0}),
}


def scaling(rounds: int) -> list[Row]:
    """GF/s of useful work against lanes (at two sizes), width, depth and workers; one plot each."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(SCALES), figsize=(4 * len(SCALES), 3), constrained_layout=True)
    rows = []
    for (name, (label, values, settings)), axis in zip(SCALES.items(), axes, strict=True):
        curves: dict[str, dict[str, Any]] = {"4 layers, 128 wide": {}}
        if name == "lanes":
            curves["2 layers, 64 wide, T = 32, B = 8"] = {
                "n_layer": 2, "n_embd": 64, "n_head": 2, "block_size": 32, "batch_size": 8
            }  # fmt: skip
        for title, sizes in curves.items():
            rates = []
            for value in values:
                found = [steady(steps=30, **{**sizes, **settings(value)}) for _ in range(max(1, rounds // 3))]
                rates.append(statistics.median(sum(r["flops"] / r["ms"] / 1e6 for r in one) for one in found))
            axis.plot(values, rates, marker="o", label=title)
            row = ", ".join(f"{v}: {r:.0f}" for v, r in zip(values, rates, strict=True))
            rows.append(Row(f"GF/s of useful work against {label} ({title})", row, "", "", ""))
        axis.set(xlabel=label, ylabel="GF/s of useful work", xscale="log", xticks=values, xticklabels=values, ylim=0)
        axis.minorticks_off()
        axis.legend(fontsize=7)
    figure.savefig(HERE / "scaling.png", dpi=120)
    return rows


def append(rows: list[Row]) -> None:
    """Print the rows and add them to RESULTS.md under this machine and commit."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    lines = [
        f"\n## {time.strftime('%Y-%m-%d %H:%M')}, {(git_sha() or 'no commit')[:8]}\n",
        f"{cpu_name()}, {available_cores()} cores, Python {platform.python_version()}, torch "
        f"{this_machine().key['torch']}; load {load:.1f} when this was written.\n",
        "| what | initlab | nanoGPT | ratio | bar |\n|---|---|---|---|---|",
        *(f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio} | {row.bar} |" for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if not RESULTS.exists():
        RESULTS.write_text("# What `make bench` measured\n\nNewest last. Quote ratios: machines drift.\n")
    with RESULTS.open("a") as file:
        file.write(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkout", type=Path, nargs="?", help="nanoGPT's; without it only initlab is measured")
    parser.add_argument("--rounds", type=int, default=5, help="times the sides take turns (default: %(default)s)")
    parser.add_argument("--only", default="", help="some of throughput, bfloat16, compiled, sweep, probes, ...")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    rounds = options.rounds
    with tempfile.TemporaryDirectory() as scratch:
        parts: dict[str, Callable[[], list[Row]]] = {}
        if options.checkout is not None:
            nanogpt = NanoGPT(options.checkout, Path(scratch))
            parts |= {
                "throughput": lambda: throughput(nanogpt, rounds, "float32", "≥ 2.0×"),
                "bfloat16": lambda: throughput(nanogpt, rounds, "bfloat16", "≥ 2.8×"),
                "compiled": lambda: throughput(nanogpt, rounds, "float32", "", lanes=1, compile=True),
                "sweep": lambda: whole_sweep(nanogpt, max(1, rounds // 2)),
            }
        parts |= {
            "probes": lambda: probes(rounds),
            "init": lambda: init_only(rounds),
            "commands": lambda: commands(rounds),
            "plan": lambda: planning(rounds),
            "scaling": lambda: scaling(rounds),
        }
        rows = []
        for name, measure in parts.items():
            if not only or name in only:
                print(f"measuring {name}", file=sys.stderr)
                rows += measure()
    append(rows)


if __name__ == "__main__":
    main()
