"""Claims: three verdicts, with numbers; the note's fourteen statements against the laws."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.reading import Results
from initlab.verdicts.claims import (
    WEAK,
    JudgedClaims,
    judge_claims,
    known_family,
    measured_claims,
    stored_claims,
)
from initlab.verdicts.statement import read_claims
from initlab.verdicts.verdict import Verdict
from tests.verdicts.planted import DIVERGED, MISSING, Planted, around, store

NOTE = Path(__file__).parents[2] / "experiments" / "nanogpt-note"
NOISE = (0.0, 0.01, -0.01)


def _judge(tmp_path: Path, text: str, sweep: Results) -> list[Verdict]:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    return judge_claims(*read_claims(path), sweep)


def _claim(**keys: str) -> str:
    return "[[claim]]\n" + "".join(
        f"{key} = {value}\n" for key, value in {"id": '"x"', "metric": '"final_loss"', **keys}.items()
    )


def _two(tmp_path: Path, gap: float, noise: tuple[float, ...] = NOISE) -> Results:
    return store(tmp_path / "x", [Planted(around(2.5, NOISE)), Planted(around(2.5 + gap, noise), activation="relu")])


COMPARE = '{ axis = "activation", of = "relu", against = "gelu" }'


@pytest.mark.parametrize(
    ("gap", "noise", "minimum", "verdict"),
    [
        (0.2, (0.0, 0.012, -0.01), "0.1", "SUPPORTED"),
        (0.02, (0.0, 0.012, -0.01), "0.1", "REFUTED"),
        (0.2, (0.0, 0.2, -0.2), "0.1", "UNDECIDED"),
    ],
)
def test_three_verdicts(tmp_path: Path, gap: float, noise: tuple[float, ...], minimum: str, verdict: str) -> None:
    (found,) = _judge(tmp_path, _claim(compare=COMPARE, min=minimum), _two(tmp_path, gap, noise))
    assert found.verdict == verdict
    assert found.n == 3
    assert found.ci is not None
    assert found.limit == 0.1
    assert "over 3 seeds" in found.reason
    if verdict == "UNDECIDED":
        assert "seeds would decide it" in found.reason


def test_a_claim_about_several_cells_holds_in_all_or_not_at_all(tmp_path: Path) -> None:
    sweep = _two(tmp_path, 1.0)
    (found,) = _judge(tmp_path, _claim(max="3.0"), sweep)
    assert found.verdict == "REFUTED"
    assert [part.verdict for part in found.parts] == ["SUPPORTED", "REFUTED"]
    assert "1 supported, 1 refuted; gpt2 · relu" in found.reason
    assert found.value == pytest.approx(3.5)
    (held,) = _judge(tmp_path, _claim(max="4.0"), sweep)
    assert held.verdict == "SUPPORTED"
    assert held.value == pytest.approx(3.5), "shown is the cell with the least room"


def test_a_tie_is_a_claim_like_any_other(tmp_path: Path) -> None:
    sweep = _two(tmp_path, 0.0, (0.001, 0.01, -0.011))
    (found,) = _judge(tmp_path, _claim(compare=COMPARE, min="-0.01", max="0.01"), sweep)
    assert found.verdict == "SUPPORTED"
    assert found.limit == [-0.01, 0.01]


def test_missing_runs_leave_a_claim_undecided(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5, 1: MISSING})])
    (found,) = _judge(tmp_path, _claim(max="3.0"), sweep)
    assert (found.verdict, found.complete) == ("UNDECIDED", False)
    assert "seed 1 missing" in found.reason


def test_one_seed_is_undecided_and_divergence_counts_seed_by_seed(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5}), Planted({0: DIVERGED}, init="pytorch")])
    text = _claim(max="3.0", where='{ init = "gpt2" }') + _claim(
        id='"y"', metric='"diverged"', seeds='"every"', max="0"
    )
    one, diverged = _judge(tmp_path, text, sweep)
    assert one.verdict == "UNDECIDED"
    assert diverged.verdict == "REFUTED"


def test_a_bad_claim_is_named_with_its_line(tmp_path: Path) -> None:
    sweep = _two(tmp_path, 0.0)
    with pytest.raises(InitlabError, match=r"line 5: claim\.1: .*did you mean 'gelu'"):
        _judge(tmp_path, _claim(max="3.0") + _claim(id='"y"', max="1", where='{ activation = "glu" }'), sweep)
    with pytest.raises(InitlabError, match="expected min or max"):
        _judge(tmp_path, _claim(), sweep)
    with pytest.raises(InitlabError, match=r"line 2: claim\.0\.law\.0\.rols: unknown key; did you mean 'roles'"):
        _judge(tmp_path, '[[claim]]\nlaw = [{ rols = [], init = "gpt2", equals = 1 }]\nid = "x"\n', sweep)


def test_the_note_against_the_laws_agrees_with_nanogpts_code(tmp_path: Path) -> None:
    """What model.py of nanoGPT does was read there; the claims must come to the same by the laws alone."""
    claims, file = read_claims(NOTE)
    facts = claims.model_copy(update={"claim": [claim for claim in claims.claim if claim.metric is None]})
    sweep = store(tmp_path / "x", [Planted({0: 2.5})])
    found = {verdict.id: verdict for verdict in judge_claims(facts, file, sweep)}
    assert {name: verdict.verdict for name, verdict in found.items()} == {
        "01-gelu": "SUPPORTED",
        "02-embeddings": "SUPPORTED",
        "03-ffn-default": "REFUTED",
        "04-ffn-std": "REFUTED",
        "05-inv-sqrt-width": "REFUTED",
        "06-tied-head": "SUPPORTED",
        "07-layernorm": "SUPPORTED",
        "08-scaled-in-place": "REFUTED",
        "09-qkv": "SUPPORTED",
        "10-out-projection": "REFUTED",
        "11-residual-std": "SUPPORTED",
        "13-no-bias": "REFUTED",
        "13-no-bias-as-trained": "SUPPORTED",
    }
    assert found["11-residual-std"].value == pytest.approx(0.02 / 24**0.5)
    assert found["04-ffn-std"].value == pytest.approx(0.02 / 24**0.5)
    assert all(verdict.reason and verdict.n for verdict in found.values())


def test_all_fourteen_statements_have_a_claim() -> None:
    claims, _ = read_claims(NOTE)
    assert {claim.id[:2] for claim in claims.claim} == {f"{number:02d}" for number in range(1, 15)}
    assert all(claim.text and claim.source for claim in claims.claim)


def test_a_sweeps_own_claims_are_what_its_report_shows(tmp_path: Path) -> None:
    sweep = _two(tmp_path, 1.0)
    assert stored_claims(sweep) == JudgedClaims()
    (sweep.path / "claims.toml").write_text(_claim(max="3.0"))
    assert [verdict.verdict for verdict in stored_claims(sweep).verdicts] == ["REFUTED"]
    (sweep.path / "claims.toml").write_text(_claim(max="3.0", where='{ init = "pytorch" }'))
    problem = stored_claims(sweep).problem
    assert problem is not None
    assert problem.startswith("claims.toml, line 1: claim.0: no cell")


def _many(tmp_path: Path, head: str = "") -> tuple[str, Results]:
    """Twelve claims, of which one is contradicted well enough to be refuted by itself, and not among twelve."""
    sweep = _two(tmp_path, 0.1, (0.0, 0.03, -0.012))
    claims = [_claim(id=f'"{number}"', compare=COMPARE, min="-5.0") for number in range(11)]
    return head + "".join([*claims, _claim(id='"weak"', compare=COMPARE, min="0.14")]), sweep


def test_errors_may_be_controlled_over_the_whole_file(tmp_path: Path) -> None:
    text, sweep = _many(tmp_path)
    assert _judge(tmp_path, text, sweep)[-1].verdict == "REFUTED"
    by_file = _judge(tmp_path, 'family = "file"\n' + text, sweep)[-1]
    assert by_file.verdict == "UNDECIDED"
    path = tmp_path / "claims.toml"
    assert judge_claims(*read_claims(path), sweep, "claim")[-1].verdict == "REFUTED", "the caller's word counts"
    alone = judge_claims(*read_claims(path), sweep)[0]
    assert alone.verdict == "SUPPORTED", "by far"


def test_what_does_not_stand_after_the_correction_says_so(tmp_path: Path) -> None:
    text, sweep = _many(tmp_path, 'family = "file"\n')
    near = _judge(tmp_path, text.replace("min = -5.0", "min = 0.03").replace("0.14", "0.03"), sweep)[-1]
    assert (near.verdict, near.reason.endswith(WEAK)) == ("UNDECIDED", True)
    assert near.ci is not None
    assert near.ci.low > 0.03


def test_a_family_that_there_is_not(tmp_path: Path) -> None:
    assert known_family(None) is None
    assert known_family("file") == "file"
    with pytest.raises(InitlabError, match="did you mean 'file'"):
        known_family("fil")
    with pytest.raises(InitlabError, match=r"line 1: family"):
        _judge(tmp_path, 'family = "fil"\n' + _claim(max="3.0"), _two(tmp_path, 0.0))


def test_claims_about_code_and_of_every_run_are_no_tests() -> None:
    claims, _ = read_claims(NOTE)
    measured = [claim for claim in claims.claim if claim.metric is not None]
    assert len(measured) == 12
    assert measured_claims(claims) == 12 - sum(claim.seeds == "every" for claim in measured)


def test_a_bound_has_no_value_in_the_document(tmp_path: Path) -> None:
    losses = {1e-4: (2.0, 2.1, 2.05), 1e-3: (2.2, 2.3, 2.4), 1e-2: (3.0, 3.1, 3.05)}
    cells = [Planted(around(0.0, values), axes={"train.lr": lr}) for lr, values in losses.items()]
    text = _claim(over='"lr"', reduce='"optimum"', max="1e-5")
    (found,) = _judge(tmp_path, text, store(tmp_path / "x", cells))
    stored = found.to_json()
    assert (stored["value"], stored["ci"][0], stored["sides"]) == (None, None, "at most")
    assert stored["ci"][1] > 1e-3
    assert "at most" in found.reason
