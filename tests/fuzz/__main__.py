"""``python -m tests.fuzz [--examples 50000] [--seed N]``: the properties of this folder for as many inputs as asked.

Prints how many inputs each reader read and refused, and every distinct failure with its input; ends with 1 where
there is one.
"""

import argparse
import sys
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.readers import outcome
from tests.fuzz.strategies import inputs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    counted: Counter[tuple[str, str]] = Counter()
    failures: dict[str, tuple[str, bytes, str]] = {}
    slowest = (0.0, "", b"")

    @seed(asked.seed)
    @settings(
        max_examples=asked.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(given_input=inputs())
    def attack(given_input: tuple[str, bytes]) -> None:
        nonlocal slowest
        started = time.perf_counter()
        try:
            counted[given_input[0], outcome(*given_input)] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            counted[given_input[0], "failed"] += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {last.filename}:{last.lineno}"
            failures.setdefault(place, (*given_input, f"{place}: {error}"[:300]))
        slowest = max(slowest, (time.perf_counter() - started, *given_input))

    started = time.perf_counter()
    attack()
    print(f"{counted.total():,} inputs in {time.perf_counter() - started:.0f} s, seed {asked.seed}")
    for name in sorted({name for name, _ in counted}):
        print(f"  {name:<10}" + ", ".join(f"{counted[name, how]:>6,} {how}" for how in ("read", "refused", "failed")))
    print(f"slowest: {slowest[0]:.2f} s, {slowest[1]} {slowest[2][:60]!r}")
    for name, content, what in failures.values():
        print(f"FAILED {name} {content!r}: {what}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
