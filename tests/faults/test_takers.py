"""Of processes that take one lock at once exactly one wins, whatever lay there; `make torture` has 100,000 rounds."""

from pathlib import Path

from tests.faults.takers import race

ROUNDS = 200


def test_one_winner_in_every_round(tmp_path: Path) -> None:
    assert dict(race(ROUNDS, tmp_path)) == {"1 winners": ROUNDS, "left behind": 0}
