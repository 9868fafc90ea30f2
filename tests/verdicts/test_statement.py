"""Claims and gates as people write them: what is read, and what is refused."""

import math
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.verdicts.statement import Gate, read_claims, read_gates

GATE = '[[gate]]\nid = "loss"\nmetric = "final_loss"\n'
CLAIM = '[[claim]]\nid = "grows"\n'


def test_a_file_or_the_folder_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(GATE + "max = 3.0\n")
    assert read_gates(tmp_path)[0] == read_gates(tmp_path / "gates.toml")[0]
    with pytest.raises(InitlabError, match=r"claims\.toml"):
        read_claims(tmp_path)


@pytest.mark.parametrize(("text", "share"), [('"1%"', 0.01), ('" 2.5 % "', 0.025), ("0.3", 0.3)])
def test_a_share_is_a_percentage_or_a_number(tmp_path: Path, text: str, share: float) -> None:
    (tmp_path / "gates.toml").write_text(f"{GATE}max_regression = {text}\n")
    gates, _ = read_gates(tmp_path)
    assert gates.gate[0].max_regression == pytest.approx(share)
    assert gates.needs_baseline


def test_a_side_without_a_bound_is_unbounded() -> None:
    assert Gate(id="x", metric="final_loss", max=3.0).bounds == (-math.inf, 3.0)
    assert Gate(id="x", metric="final_loss", min=1.0).bounds == (1.0, math.inf)
    assert not Gate(id="x", metric="final_loss", max=3.0).compare


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected either min or max, or max_regression, in a gate"),
        ("min = 3\nmax = 2\n", "min = 3 is above max = 2"),
        ('max = 3\nover = "train.lr"\n', "over and reduce go together"),
        ('max_regression = "x"\n', 'expected a share such as "1%"'),
        ('max_regression = "1%"\nseeds = "every"\n', "max_regression is of a metric's mean"),
        ("max = 3\n" + GATE + "max = 4\n", "id 'loss' is used twice"),
    ],
)
def test_a_gate_that_says_nothing_clear_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gates.toml").write_text(GATE + text)
    with pytest.raises(InitlabError, match=message):
        read_gates(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected one of metric, \[\[claim\.law\]\] and default in a claim"),
        ('metric = "final_loss"\n', "expected min or max in a claim about a metric"),
        ('[[claim.law]]\ninit = "gpt2"\nroles = ["query"]\n', "expected one of equals, .* it has none"),
    ],
)
def test_a_claim_that_states_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "claims.toml").write_text(CLAIM + text)
    with pytest.raises(InitlabError, match=message):
        read_claims(tmp_path)
