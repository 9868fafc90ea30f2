"""How long, and in how much memory, each bad input of ``tests/cli/bad_inputs.py`` is refused by a process of its own.

    python benchmarks/bad_inputs.py [--seconds 5] [--megabytes 1000]

Prints the slowest and the largest, and ends with 1 where one took longer or more than is allowed, or ended otherwise
than the table says. Seconds are of the processor, so that other work on the machine does not count; one that waits
for something is killed after a minute, and has failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.cli.bad_inputs import TABLE, Bad, plant  # noqa: E402
from tests.verdicts.planted import Planted, store  # noqa: E402

COMMAND = [sys.executable, "-P", "-c", "from initlab.cli.main import run; run()"]
PATIENCE = 60.0


def measured(bad: Bad, folder: Path) -> tuple[float, float, float, str]:
    """Return seconds of the processor and of the clock, megabytes, and what is wrong, nothing where nothing is."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "400", "TERM": "dumb", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen([*COMMAND, *bad.arguments], cwd=folder, env=env, stdout=output, stderr=output)
        deadline = started + PATIENCE
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() > deadline:
                process.kill()
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        waited, seconds = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
        output.seek(0)
        said = " ".join(output.read().split())
    megabytes = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    wrong = process.returncode != bad.code or bad.message not in said or "Traceback" in said
    return seconds, waited, megabytes, f"exit {process.returncode}: {said[:200]}" if wrong else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=float, default=1000.0)
    allowed = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        plant(Path(name))
        work = Path(name) / "work"
        store(work / "stored", [Planted({0: 1.0, 1: 1.1}), Planted({0: 1.2, 1: 1.1}, init="xavier")])
        rows = [(*measured(bad, work), " ".join(bad.arguments)[:70]) for bad in TABLE]
    for key, unit in ((0, "s of the processor"), (1, "s of the clock"), (2, "MB")):
        worst = sorted(rows, key=lambda row: -float(row[key]))[:5]
        print(f"{len(rows)} inputs; most {unit}: " + "; ".join(f"{row[key]:.2f} {row[4]!r}" for row in worst))
    failed = [row for row in rows if row[3] or row[0] > allowed.seconds or row[2] > allowed.megabytes]
    for seconds, _, megabytes, wrong, typed in failed:
        print(f"FAILED {typed!r}: {seconds:.1f} s, {megabytes:.0f} MB {wrong}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
