"""The sides of a comparison: initlab's loop in processes of one thread, its commands, and nanoGPT's own loop."""

import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from initlab.data.corpora import load_corpus
from initlab.machine.environment import ONE_THREAD, worker_environment

HERE = Path(__file__).parent
SIZES = {"n-layer": 4, "n-head": 4, "n-embd": 128, "block-size": 64, "batch-size": 12}
"""nanoGPT's README, "I only have a macbook": its CPU configuration."""
ENV = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}


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
    env = {**worker_environment(), **ENV, **ONE_THREAD}
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


def initlab(*arguments: str) -> float:
    """Run a command and return its seconds."""
    command = [sys.executable, "-P", "-c", "from initlab.cli.main import run; run()", *arguments]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**ENV, "CI": "1"})
    return time.perf_counter() - started


def best_rate() -> float:
    """Return the best float32 rate of one core, GF/s, measured now."""
    code = "import torch;from initlab.engine import benchmark as m;torch.set_num_threads(1)\n"
    code += "d=torch.device('cpu');print(max(m.measure_matmul(p,d)['gflops'] for p in ('highest','medium')))"
    env = {**ENV, "OMP_NUM_THREADS": "1"}
    return max(
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
        )
        for _ in range(3)
    )
