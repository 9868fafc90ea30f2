"""The steady speed of initlab's training loop in one process, as a worker runs it: one JSON document on stdout.

    python benchmarks/steady.py --steps 40 --lanes 4 --precision float32

Milliseconds are those of one lane's share of a step, the median over the second half of the steps; the loss is the
lanes' mean over the last five of ``--steps``.
"""

import argparse
import itertools
import json
import statistics
import time

import torch

from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.machine.execution import Execution
from initlab.machine.profile import machine_profile
from initlab.planning.execution_plan import matmul_precision_of
from initlab.planning.expand import expand
from initlab.spec.sweep import Grid, SweepSpec


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (
        ("n-layer", 4), ("n-head", 4), ("n-embd", 128), ("block-size", 64), ("batch-size", 12),
        ("steps", 40), ("lanes", 4), ("together", 0), ("probe-interval", 10**9), ("threads", 1),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--until", type=float, default=0.0, help="go on at least so many seconds, for company")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = ("n_layer", "n_head", "n_embd", "block_size")
    fixed = {f"model.{size}": getattr(options, size) for size in sizes}
    train = {"steps": 10**6, "batch_size": options.batch_size, "eval_interval": 10**9, "eval_batches": 1}
    train |= {"probe_interval": options.probe_interval, "precision": options.precision}
    train |= {"decay_steps": options.steps}  # as nanoGPT's side: lr 1e-3, by a cosine to a tenth
    fixed |= {f"train.{name}": value for name, value in train.items()} | {"model.bias": False}  # nanoGPT's default
    runs = expand(SweepSpec(fixed=fixed, grids=(Grid({"seed": [*range(options.together or options.lanes)]}),)))
    precision = matmul_precision_of(runs[0], machine_profile(), "cpu")
    execution = Execution("cpu", precision, options.lanes, compiled=options.compile)
    group = Group([run.spec for run in runs], [load_corpus("synthetic")] * len(runs), execution)
    started, marks = time.perf_counter(), [time.perf_counter()]
    losses = []
    for record in group.run():
        if record.kind != "metrics":
            continue
        if options.steps - 5 <= record.row["step"] < options.steps:
            losses.append(record.row["train_loss"])
        if record.lane == len(runs) - 1:
            marks.append(time.perf_counter())
            if record.row["step"] >= options.steps and marks[-1] - started > options.until:
                break
    flops = runs[0].blueprint.network.matmul_flops_per_token
    spans = [b - a for a, b in itertools.pairwise(marks)]
    half = spans[len(spans) // 2 :]
    print(
        json.dumps(
            {
                "ms": 1e3 * statistics.median(half) / len(runs),
                "mean_ms": 1e3 * statistics.mean(half) / len(runs),
                "flops": 3 * flops * options.batch_size * options.block_size,
                "loss": statistics.mean(losses),
                "execution": execution.describe(),
            }
        )
    )


if __name__ == "__main__":
    main()
