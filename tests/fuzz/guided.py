"""``python -m tests.fuzz.guided [--inputs 1000000] [--seed N] [LOADER ...]``: bytes that grow by the code they reach.

Each loader of bytes is attacked in a process of its own by atheris (libFuzzer for Python), which keeps and mutates
whatever reaches a line that nothing reached before. Prints how many inputs each had, how many counters of code they
touched, and every distinct failure with its input; ends with 1 where there is one.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

LONGEST_SECONDS, LARGEST_MEGABYTES, LONGEST_BYTES = 60, 1000, 4096  # of the clock: a machine may be busy
SHARES = {"ids": 6, "spec": 6, "claims": 12, "gates": 12, "document": 20, "rows": 13, "meta.pkl": 20, "machine": 10}
"""Of a hundred inputs, about; the quick loaders have the most, and what is not named has one."""
INSTRUMENTED = ["initlab", "tomllib", "json", "pickletools"]


def attack(name: str, inputs: int, seed: int) -> None:
    """Attack one loader in this process, which libFuzzer ends; failures are told on stdout, each once."""
    import atheris  # of the extra [fuzz]

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.readers import outcome
        from tests.fuzz.strategies import beginnings, dictionary
    told: set[str] = set()

    def one(content: bytes) -> None:
        try:
            outcome(name, content)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {last.filename}:{last.lineno}"
            if place not in told:
                told.add(place)
                print(f"FAILED {name} {content!r}: {place}: {error}"[:2000], flush=True)

    folder = Path(tempfile.mkdtemp(prefix="initlab-fuzz-"))
    (folder / "inputs").mkdir()
    for number, content in enumerate(beginnings(name)):
        (folder / "inputs" / str(number)).write_bytes(content)
    (folder / "words").write_text(dictionary(), encoding="ascii")
    limits = [f"-timeout={LONGEST_SECONDS}", f"-rss_limit_mb={LARGEST_MEGABYTES}", f"-max_len={LONGEST_BYTES}"]
    places = [f"-dict={folder / 'words'}", f"-artifact_prefix={folder}/", str(folder / "inputs")]
    atheris.Setup([sys.argv[0], f"-runs={inputs}", f"-seed={seed}", *limits, *places], one)
    atheris.Fuzz()


def attacked(name: str, inputs: int, seed: int) -> list[str]:
    """Attack one loader in a process of its own; print what came of it, and return its failures."""
    command = [sys.executable, "-m", "tests.fuzz.guided", "--inside", "--inputs", str(inputs), "--seed", str(seed)]
    done = subprocess.run([*command, name], capture_output=True, text=True, errors="replace", check=False)
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    count, counters = re.search(r"Done (\d+) runs", done.stderr), re.findall(r"cov: (\d+)", done.stderr)
    if count is None or done.returncode:
        failures.append(f"FAILED {name}: exit {done.returncode}: {done.stderr[-1500:]}")
    done_inputs, reached = int(count[1]) if count else 0, counters[-1] if counters else 0
    print(f"  {name:<10} {done_inputs:>9,} inputs, {reached:>5} counters", flush=True)
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loaders", nargs="*", metavar="LOADER", help="by default every one of tests/fuzz/readers.py")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all loaders together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.inside:
        attack(asked.loaders[0], asked.inputs, asked.seed)  # which does not return
    from tests.fuzz.readers import BYTES  # not before an attack: what is imported then is not watched

    loaders = asked.loaders or [*BYTES]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    whole = sum(SHARES.get(name, 1) for name in loaders)
    counts = {name: -(-asked.inputs * SHARES.get(name, 1) // whole) for name in loaders}
    failures = [failure for name, count in counts.items() for failure in attacked(name, count, asked.seed)]
    print(f"{sum(counts.values()):,} inputs in {time.perf_counter() - started:.0f} s, seed {asked.seed}")
    print("\n".join(failures))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
