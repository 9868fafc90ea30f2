"""Gates: what turns red, what does not, and the exit code."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from initlab.errors import InitlabError
from initlab.results.reading import Results
from initlab.verdicts.check import Check, decide
from initlab.verdicts.evidence import SeedValues, compared
from initlab.verdicts.gates import baseline_path, exit_code, judge_gates, overall
from initlab.verdicts.statement import read_gates
from initlab.verdicts.verdict import Verdict
from tests.verdicts.planted import DIVERGED, MISSING, Planted, around, store

NOISE = (0.0, 0.01, -0.01)
LOSS = '[[gate]]\nid = "loss"\nmetric = "final_loss"\nmax_regression = "1%"\nfloor = 0.01\n'


def _judge(tmp_path: Path, text: str, here: Results, there: Results | None = None) -> list[Verdict]:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    return judge_gates(*read_gates(path), here, there)


def _sweeps(tmp_path: Path, change: float, noise: tuple[float, ...] = NOISE) -> tuple[Results, Results]:
    there = store(tmp_path / "base", [Planted(around(2.5, NOISE))])
    return store(tmp_path / "here", [Planted(around(2.5 + change, noise))]), there


@pytest.mark.parametrize(
    ("change", "noise", "verdict"),
    [
        (0.0, NOISE, "pass"),  # the same numbers
        (0.0, (0.002, 0.008, -0.009), "pass"),
        (0.02, (0.001, 0.01, -0.011), "pass"),  # worse, by less than 1% of 2.5
        (0.6, (0.001, 0.02, -0.011), "fail"),
        (-0.6, (0.001, 0.02, -0.011), "pass"),
        (0.03, (0.1, -0.1, 0.0), "inconclusive"),
    ],
)
def test_a_regression(tmp_path: Path, change: float, noise: tuple[float, ...], verdict: str) -> None:
    (found,) = _judge(tmp_path, LOSS, *_sweeps(tmp_path, change, noise))
    assert found.verdict == verdict
    assert found.limit == pytest.approx(0.025)
    assert found.value == pytest.approx(change + float(np.mean(noise)), abs=1e-9)
    assert "paired by seed" in found.reason or "same numbers" in found.reason


def test_the_larger_of_share_and_floor_is_the_limit(tmp_path: Path) -> None:
    (found,) = _judge(tmp_path, LOSS.replace("0.01", "0.7"), *_sweeps(tmp_path, 0.6))
    assert (found.verdict, found.limit) == ("pass", 0.7)


def test_lower_can_be_worse(tmp_path: Path) -> None:
    (found,) = _judge(tmp_path, LOSS + 'worse = "lower"\n', *_sweeps(tmp_path, -0.6))
    assert (found.verdict, found.limit) == ("fail", pytest.approx(-0.025))


def test_new_seeds_are_compared_unpaired(tmp_path: Path) -> None:
    there = store(tmp_path / "base", [Planted(around(2.5, NOISE))])
    here = store(tmp_path / "here", [Planted(around(2.501, NOISE, first_seed=10))])
    (found,) = _judge(tmp_path, LOSS, here, there)
    assert "Welch" in found.reason
    assert found.verdict in ("pass", "inconclusive")


def test_a_sweep_that_all_diverged_is_a_regression(tmp_path: Path) -> None:
    there = store(tmp_path / "base", [Planted(around(2.5, NOISE))])
    here = store(tmp_path / "here", [Planted({0: DIVERGED, 1: DIVERGED, 2: DIVERGED})])
    (found,) = _judge(tmp_path, LOSS, here, there)
    assert found.verdict == "fail"


def test_one_verdict_a_gate_and_cell(tmp_path: Path) -> None:
    cells = [Planted(around(2.5, NOISE), init=name) for name in ("gpt2", "depth-scaled", "pytorch")]
    here, there = store(tmp_path / "x", cells), store(tmp_path / "y", cells)
    text = LOSS + '[[gate]]\nid = "growth"\nmetric = "growth"\nwhere = { init = "gpt2" }\nmax = 3\nseeds = "every"\n'
    found = _judge(tmp_path, text, here, there)
    assert [(one.id, one.about) for one in found] == [
        ("loss", "gpt2 · gelu"),
        ("loss", "depth-scaled · gelu"),
        ("loss", "pytorch · gelu"),
        ("growth", "gpt2 · gelu"),
    ]


def test_drift_gates_come_first_and_need_no_statistics(tmp_path: Path) -> None:
    there = store(tmp_path / "base", [Planted(around(2.5, NOISE), init="depth-scaled")])
    here = store(tmp_path / "here", [Planted(around(2.5, NOISE), init="depth-scaled", laws="gpt2", lr=0.03)])
    laws, config, loss = _judge(tmp_path, "[drift]\n" + LOSS, here, there)
    assert (laws.id, laws.verdict, config.id, config.verdict, loss.verdict) == (
        *("law-drift", "fail", "config-drift", "fail"),
        "pass",
    )
    assert "ffn_down.weight std 0.01 -> 0.02" in laws.reason
    assert "train.lr 0.001 -> 0.03" in config.reason
    only = _judge(tmp_path, "[drift]\nlaws = false\nignore = ['train.lr']\n", here, there)
    assert [(one.id, one.verdict) for one in only] == [("config-drift", "pass")]


def test_missing_runs_leave_no_verdict(tmp_path: Path) -> None:
    whole, torn = Planted(around(2.5, NOISE)), Planted({0: 2.5, 1: MISSING})
    for here, there in ((torn, whole), (whole, torn)):
        (found,) = _judge(tmp_path, LOSS, store(tmp_path / "x", [here]), store(tmp_path / "y", [there]))
        assert (found.verdict, found.complete) == ("error", False)
        assert "seed 1 missing" in found.reason


def test_exit_codes() -> None:
    def codes(*words: str) -> tuple[int, int]:
        result = overall(Verdict("x", "", word, "") for word in words)
        return exit_code(result, strict=False), exit_code(result, strict=True)

    assert codes("pass", "pass") == (0, 0)
    assert codes() == (0, 0)
    assert codes("pass", "inconclusive") == (0, 4)
    assert codes("inconclusive", "fail") == (1, 1)
    assert codes("fail", "error") == (3, 3), "with runs missing nothing is decided"


@pytest.mark.parametrize("shared", [True, False])
def test_with_nothing_changed_a_gate_is_red_in_at_most_one_percent_of_reruns(shared: bool) -> None:
    """2,000 files of six cells, five seeds a side, a limit of zero, through what judges stored sweeps."""
    blank = Check("cell", "final_loss", (-np.inf, 0.0))
    generator, red = np.random.default_rng(8), 0
    for losses in 2.5 + 0.01 * generator.standard_t(3, (2000, 6, 2, 5)):
        family = []
        for here, there in losses:
            seeds = range(5) if shared else range(5, 10)
            of, against = (
                dict(zip(range(5), here.tolist(), strict=True)),
                dict(zip(seeds, there.tolist(), strict=True)),
            )
            family.append(compared(blank, SeedValues("", of), SeedValues("", against), 0.95))
        red += "fails" in decide(family, 0.005)
    assert red / 2000 <= 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOSS.replace("metric", "metrc"), r"line 3: gate\.0\.metrc: unknown key; did you mean 'metric'"),
        (LOSS.replace("final_loss", "final_los"), r"line 3: gate\.0\.metric: .*did you mean 'final_loss'"),
        (LOSS.replace("1%", "one"), r"line 4: gate\.0\.max_regression: expected a share such as \"1%\""),
        (LOSS + "max = 3\n", r"line 1: gate\.0: expected either min or max, or max_regression"),
        (LOSS + LOSS, r"id 'loss' is used twice"),
        ("confidence = 0.9\n", "nothing to check"),
        (
            LOSS + '[[gate]]\nid = "b"\nmetric = "growth"\nmax = 1\nwhere = { init = "gtp2" }\n',
            r"line 6: gate\.1: .*'gpt2'",
        ),
        ('[[gate]]\nid = "b"\nmetric = "growth"\nmax = 1\nover = "lr"\n', "over and reduce go together"),
        ('[[gate]]\nid = "b"\nmetric = "growth"\nmax = 1\nover = "lr"\nreduce = "slop"\n', "did you mean 'slope'"),
        ("[drft]\n", r"line 1: drft: unknown key; did you mean 'drift'"),
    ],
)
def test_a_bad_file_names_key_line_and_nearest_spelling(tmp_path: Path, text: str, message: str) -> None:
    sweeps = _sweeps(tmp_path, 0.0)
    with pytest.raises(InitlabError, match=message):
        _judge(tmp_path, text, *sweeps)


def test_a_baseline_that_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, _ = _sweeps(tmp_path, 0.0)
    with pytest.raises(InitlabError, match="--baseline DIR"):
        _judge(tmp_path, LOSS, here)
    path = tmp_path / "gates.toml"
    path.write_text('baseline = "../base"\n' + LOSS)
    gates, file = read_gates(path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InitlabError, match=r"is in neither; name it on the command line: --baseline"):
        baseline_path(gates, file, None)
    monkeypatch.chdir(tmp_path.parent)
    assert baseline_path(gates, file, None) == tmp_path / "../base"
    assert baseline_path(gates, file, Path("given")) == Path("given")


def test_a_baseline_without_a_cell_in_common(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(around(2.5, NOISE), activation="relu")])
    arguments: list[Any] = [store(tmp_path / "x", [Planted(around(2.5, NOISE))]), there]
    with pytest.raises(InitlabError, match="no cell like those"):
        _judge(tmp_path, LOSS, *arguments)
    found = _judge(tmp_path, "[drift]\n" + LOSS, *arguments)
    assert [verdict.verdict for verdict in found] == ["inconclusive", "fail", "inconclusive"], "drift says it already"


def test_a_swept_learning_rate_that_changed_is_red_by_its_cells(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(around(2.5, NOISE), axes={"train.lr": lr}) for lr in (1e-3, 3e-3)])
    here = store(tmp_path / "x", [Planted(around(2.5, NOISE), axes={"train.lr": lr}) for lr in (1e-3, 3e-2)])
    laws, config, *losses = _judge(tmp_path, "[drift]\n" + LOSS, here, there)
    assert (laws.verdict, config.verdict) == ("pass", "fail")
    assert "lr=0.003: not in this sweep" in config.reason
    assert [loss.verdict for loss in losses] == ["pass", "inconclusive"]
    assert losses[1].reason == "the baseline has no such cell"


def test_a_loss_that_is_not_finite_is_worse_than_any(tmp_path: Path) -> None:
    text = '[[gate]]\nid = "x"\nmetric = "residual_ms.last"\nmax_regression = "5%"\n'
    good, bad = Planted(around(2.5, NOISE)), Planted(around(2.5, NOISE), residual=(1.0, 2.0, np.inf))
    here, there = store(tmp_path / "x", [good]), store(tmp_path / "y", [bad])
    assert _judge(tmp_path, text, there, here)[0].verdict == "fail"
    assert _judge(tmp_path, text, here, there)[0].verdict == "error"


JUDGE_ALONE = """
import sys
from pathlib import Path
from initlab.verdicts.gates import judge_gates
from initlab.results.reading import load_results
from initlab.verdicts.statement import read_gates
gates, sweep = map(Path, sys.argv[1:])
print([verdict.verdict for verdict in judge_gates(*read_gates(gates), load_results(sweep), None)])
"""


@pytest.mark.parametrize(("name", "verdict"), [("gpt2", "pass"), ("nanogpt", "pass"), ("nanogptt", None)])
def test_a_gate_knows_an_alias_before_anything_else_is_imported(
    tmp_path: Path, name: str, verdict: str | None
) -> None:
    """The cells were stored under the init's own name, and a process that only judges has no catalogue yet."""
    stored = "gpt2" if name == "gpt2" else "depth-scaled"
    sweep = store(tmp_path / "sweep", [Planted(around(2.5, NOISE), init=stored)])
    gates = tmp_path / "gates.toml"
    gates.write_text(f'[[gate]]\nid = "loss"\nmetric = "final_loss"\nmax = 3.0\nwhere = {{ init = "{name}" }}\n')
    done = subprocess.run(
        [sys.executable, "-c", JUDGE_ALONE, str(gates), str(sweep.path)], capture_output=True, text=True, check=False
    )
    if verdict is None:
        assert f"no cell of sweep has init = '{name}'" in done.stderr
    else:
        assert (done.stdout.strip(), done.stderr) == (f"['{verdict}']", "")
