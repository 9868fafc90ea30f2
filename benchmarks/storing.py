"""What it costs that nothing is lost: the price of locks, checksums and syncs, and a soak of thousands of runs.

    python benchmarks/storing.py price BEFORE AFTER    # two checkouts by turns: a sweep, planning 10,000 runs
    python benchmarks/storing.py stored                # milliseconds to plan one of 10,000 runs that are stored
    python benchmarks/storing.py soak --runs 5000      # memory, files and threads of the parent from run to run

Seconds of the processor are those of a process and all its children, which other work on the machine disturbs least.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CI_SWEEP = [
    *("--init", "gpt2,depth-scaled", "--activation", "gelu,relu", "--seeds", "6", "--steps", "200", "--no-bias"),
    *("--n-layer", "2", "--n-head", "4", "--n-embd", "64", "--block-size", "64", "--batch-size", "16"),
]
TINY = [
    *("--init", "gpt2", "--activation", "gelu", "--n-layer", "1", "--n-head", "1", "--n-embd", "4"),
    *("--block-size", "4", "--batch-size", "1", "--steps", "1", "--eval-batches", "1", "--lanes", "10"),
]
RUN = "from initlab.cli.main import run; run()"
PLAN = """
import sys, time
from pathlib import Path
from initlab.planning.plan import make_plan
from initlab.spec.sweep import Grid, SweepSpec
spec = SweepSpec(fixed={"model.n_layer": 1, "model.n_embd": 16, "model.n_head": 2},
                 grids=(Grid({"seed": list(range(10_000))}),))
began = time.process_time()
plan = make_plan(spec, Path(sys.argv[1]), measure=False)
print(time.process_time() - began, len(plan.missing))
"""
MOMENTS = (500, 1000, 2000, 3000, 4000, 5000)


def timed(checkout: Path, code: str, *arguments: str) -> tuple[float, float, str]:
    """Run Python code with a checkout's initlab; return its seconds, those of the processor, and what it printed."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "CI": "1", "OMP_NUM_THREADS": "1"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-P", "-c", code, *arguments], env=env, capture_output=True, text=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def price(before: Path, after: Path, rounds: int) -> None:
    """Print what the CI sweep and planning cost with either checkout, by turns, and the ratio's median."""
    walls: dict[Path, list[float]] = {before: [], after: []}
    cores: dict[Path, list[float]] = {before: [], after: []}
    plans: dict[Path, list[float]] = {before: [], after: []}
    for number in range(rounds):
        for checkout in (before, after) if number % 2 else (after, before):
            with tempfile.TemporaryDirectory() as folder:
                seconds, cpu, _ = timed(checkout, RUN, "sweep", *CI_SWEEP, "-o", f"{folder}/x")
                planned = float(timed(checkout, PLAN, f"{folder}/plan")[2].split()[0])
            walls[checkout].append(seconds)
            cores[checkout].append(cpu)
            plans[checkout].append(planned)
            print(
                f"{checkout.name}: {seconds:.1f} s, {cpu:.1f} s of the processor, planned in {planned:.2f} s",
                flush=True,
            )
    for what, found in (("sweep, s", walls), ("sweep, s of the processor", cores), ("planning, s", plans)):
        ratios = [b / a for a, b in zip(found[before], found[after], strict=True)]
        medians = [statistics.median(found[side]) for side in (before, after)]
        ratio = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        print(f"{what}: {medians[0]:.2f} before, {medians[1]:.2f} after; ratio {ratio}")


def stored(runs: int, rounds: int) -> None:
    """Print how long it takes to see where each of so many stored runs stands."""
    from initlab.results.run_folder import RunDirectory, RunWriter

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, "runs", f"{number:012x}") for number in range(runs)]
        for path in paths:
            writer = RunWriter.open(path, {"id": path.name}, {})
            assert writer is not None
            writer.metrics({"step": 0, "train_loss": 1.0})
            writer.layers({"step": 0, "residual_ms": [1.0] * 25})
            writer.finish({"id": path.name, "diverged": False, "residual_ms": [1.0] * 25})
        for _ in range(rounds):
            began, cpu = time.perf_counter(), time.process_time()
            assert all(RunDirectory(path).state().status == "finished" for path in paths)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(
                f"{1e3 * seconds / runs:.3f} ms a stored run, {1e3 * cpu / runs:.3f} ms of the processor", flush=True
            )


def soak(runs: int) -> None:
    """Print the parent's memory, files and threads as a sweep of so many tiny runs goes on."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-c", RUN, "sweep", *TINY, "--seeds", str(runs), "-o", f"{folder}/x"]
        env = {**os.environ, "CI": "1"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env)
        assert process.stderr is not None
        seen: dict[int, tuple[float, int, int]] = {}
        done, began = 0, time.monotonic()
        for line in process.stderr:
            if not (found := re.search(r"group (\d+) of (\d+)", line)):
                print(line.rstrip()[:200], flush=True)
                continue
            done = runs * int(found[1]) // int(found[2])
            moment = next((moment for moment in MOMENTS if moment <= done and moment not in seen), None)
            if moment is not None:
                seen[moment] = standing(process.pid)
                memory, files, threads = seen[moment]
                print(f"run {done}: {memory:.1f} MB, {files} files, {threads} threads, "
                      f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        print(f"exit {process.wait()}, {done} runs in {time.monotonic() - began:.0f} s")
        first, last = seen[min(seen)], seen[max(seen)]
        print(f"memory {last[0] / first[0]:.3f} of what it was, files {first[1]} and {last[1]}, "
              f"threads {first[2]} and {last[2]}")  # fmt: skip


def standing(pid: int) -> tuple[float, int, int]:
    """Return a process's memory in MB, its open files and its threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1e3  # type: ignore[index]
    return memory, len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("price", "stored", "soak"))
    parser.add_argument("checkouts", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int)
    asked = parser.parse_args()
    if asked.what == "price":
        before, after = asked.checkouts
        price(before.resolve(), after.resolve(), asked.rounds)
    elif asked.what == "stored":
        stored(asked.runs or 10_000, asked.rounds)
    else:
        soak(asked.runs or 5000)


if __name__ == "__main__":
    main()
