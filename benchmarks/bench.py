"""Measures what docs/performance.md promises, side by side with nanoGPT's own loop, and keeps every result.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/bench.py nanoGPT            # all of it, about a quarter of an hour on an idle machine
    python benchmarks/bench.py nanoGPT --only throughput,probes --rounds 5
    python benchmarks/bench.py                    # what needs no nanoGPT

Two sides of a comparison take turns, ``--rounds`` times; medians and their ratio count, since machines drift. A row a
figure is appended to RESULTS.md; plots of the scaling go beside it.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import alone
from scaling import scaling
from sides import HERE, SIZES, NanoGPT, Row, best_rate, flags, initlab, steady

from initlab.machine.environment import available_cores, cpu_name, git_sha
from initlab.machine.profile import machine_profile

RESULTS = HERE / "RESULTS.md"
LOSSES_AGREE = 0.1
"""nats: both sides learn the same text for as many steps, from another draw of weights and batches. From equal ones
they agree to 1e-4 (nanogpt_parity.py)."""


def throughput(nanogpt: NanoGPT, rounds: int, precision: str, bar: str, **settings: Any) -> list[Row]:
    """Steady steps a second of all cores, each a worker, against nanoGPT's loop with its default threads."""
    cores, steps = available_cores(), 60
    ours, theirs, losses, execution = [], [], [], ""
    for _ in range(rounds):
        _, ms, their_losses = nanogpt.run(steps, dict(SIZES))
        theirs.append(1e3 / ms)
        found = steady(cores, precision=precision, steps=steps, until=10.0, **settings)
        ours.append(sum(1e3 / one["ms"] for one in found))
        losses.append(abs(statistics.mean(their_losses[-6:-1]) - statistics.mean(one["loss"] for one in found)))
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
    assert max(losses) < LOSSES_AGREE, f"the two sides do not train the same model: losses differ by {losses} nats"
    rows.append(Row(f"loss after {steps} steps, {label}: largest difference in nats", f"{max(losses):.3f}", "", "",
                    f"< {LOSSES_AGREE}"))  # fmt: skip
    return rows


def whole_sweep(nanogpt: NanoGPT, rounds: int) -> list[Row]:
    """24 runs × 200 steps at 2 layers, 64 wide, B = 16: from the command to the report, against 24 processes.

    Four of those run in a round, two before ours and two after: the 24 are alike.
    """
    sizes = {"n-layer": 2, "n-head": 4, "n-embd": 64, "block-size": 64, "batch-size": 16}
    ours, theirs = [], []
    for _ in range(rounds):
        before = [nanogpt.run(200, sizes)[0] for _ in range(2)]
        with tempfile.TemporaryDirectory() as folder:
            ours.append(initlab("sweep", "--init", "gpt2,depth-scaled", "--activation", "gelu,relu", "--seeds", "6",
                                "--steps", "200", "--no-bias", "-o", f"{folder}/x", *flags(sizes)))  # fmt: skip
        theirs.append(24 * statistics.mean(before + [nanogpt.run(200, sizes)[0] for _ in range(2)]))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return [Row("a CI sweep, 24 runs × 200 steps, start to report, s", f"{statistics.median(ours):.0f}",
                f"{statistics.median(theirs):.0f} (24 × the mean of 4)", f"{ratio:.1f}×", "≥ 4×")]  # fmt: skip


def append(rows: list[Row]) -> None:
    """Print the rows and add them to RESULTS.md under this machine and commit."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    lines = [
        f"\n## {time.strftime('%Y-%m-%d %H:%M')}, {(git_sha() or 'no commit')[:8]}\n",
        f"{cpu_name()}, {available_cores()} cores, Python {platform.python_version()}, torch "
        f"{machine_profile().key['torch']}; load {load:.1f} when this was written.\n",
        "| what | initlab | nanoGPT | ratio | bar |\n|---|---|---|---|---|",
        *(f"| {row.what} | {row.ours} | {row.theirs} | {row.ratio} | {row.bar} |" for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if not RESULTS.exists():
        RESULTS.write_text("# What `make bench` measured\n\nNewest last. Quote ratios: machines drift.\n")
    with RESULTS.open("a") as file:
        file.write(text)


def parts_of(nanogpt: NanoGPT | None, rounds: int) -> dict[str, Callable[[], list[Row]]]:
    """Return what can be measured by name; without nanoGPT, initlab alone."""
    against: dict[str, Callable[[NanoGPT], list[Row]]] = {
        "throughput": lambda theirs: throughput(theirs, rounds, "float32", "≥ 2.0×"),
        "bfloat16": lambda theirs: throughput(theirs, rounds, "bfloat16", "≥ 2.8×"),
        "compiled": lambda theirs: [
            *throughput(theirs, rounds, "float32", "≥ 2.0×", compile=True),
            *throughput(theirs, rounds, "bfloat16", "≥ 2.8×", compile=True),
        ],
        "sweep": lambda theirs: whole_sweep(theirs, rounds),
    }
    alone_: dict[str, Callable[[], list[Row]]] = {
        "probes": lambda: alone.probes(rounds),
        "init": lambda: alone.init_only(rounds),
        "commands": lambda: alone.commands(rounds),
        "plan": alone.planning,
        "report": alone.report,
        "scaling": lambda: scaling(rounds),
        "gpu": lambda: alone.gpu(rounds),
    }
    if nanogpt is None:
        return alone_
    return {name: partial(measure, nanogpt) for name, measure in against.items()} | alone_


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("checkout", type=Path, nargs="?", help="nanoGPT's; without it only initlab is measured")
    parser.add_argument("--rounds", type=int, default=5, help="times the sides take turns (default: %(default)s)")
    parser.add_argument("--only", default="", help="some of the parts, with commas, such as throughput,probes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        nanogpt = None if options.checkout is None else NanoGPT(options.checkout, Path(scratch))
        parts = parts_of(nanogpt, options.rounds)
        only = [name for name in options.only.split(",") if name] or list(parts)
        if unknown := set(only) - set(parts):
            parser.error(f"--only: no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        rows = []
        for name in only:
            print(f"measuring {name}", file=sys.stderr)
            rows += parts[name]()
    append(rows)


if __name__ == "__main__":
    main()
