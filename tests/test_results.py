"""What is kept under ``results/``: a baseline that gates can read, of the laws this code has; and small."""

import json
import random
import shutil
from pathlib import Path

import pytest

from initlab.planning.plan import make_plan
from initlab.results.reading import load_results
from initlab.spec.sweep import read_spec
from initlab.verdicts.gates import judge_gates, overall
from initlab.verdicts.statement import GatesFile, read_gates

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "results" / "ci-baseline"
CI = ROOT / "experiments" / "ci"

WORSE_NATS = 0.2
"""Six percent and more of every loss."""


def kept(folder: Path) -> list[Path]:
    """Return the files that git keeps of a stored sweep; others may lie beside them on a machine that ran it."""
    plan = [folder / name for name in ("sweep.json", "spec.toml", "spec.resolved.json")]
    return plan + [path for name in ("config.json", "summary.json") for path in sorted(folder.glob(f"runs/*/{name}"))]


def shifted(to: Path, *, nats: dict[str, float], noise: float) -> Path:
    """Return a copy whose losses are moved by ``nats``, by init, and by a relative ``noise`` of either sign."""
    signs = random.Random(0)
    shutil.copytree(BASELINE, to)
    for summary in to.glob("runs/*/summary.json"):
        numbers = json.loads(summary.read_text())
        init = json.loads((summary.parent / "config.json").read_text())["init"]
        for name in ("val_loss", "train_loss", "initial_loss"):
            numbers[name] = (numbers[name] + nats.get(init, 0.0)) * (1 + signs.choice([-1, 1]) * noise)
        summary.write_text(json.dumps(numbers))
    return to


def result(sweep: Path) -> str:
    """Return what the gates that look at the baseline say; the others want probes, which it does not keep."""
    gates, file = read_gates(CI)
    only = GatesFile(drift=gates.drift, gate=[gate for gate in gates.gate if gate.max_regression is not None])
    assert only.gate
    return overall(judge_gates(only, file, load_results(sweep), load_results(BASELINE)))


def test_every_run_of_the_baseline_has_a_result() -> None:
    baseline = load_results(BASELINE)
    assert sum(len(cell.runs) for cell in baseline.cells) == 30
    assert [cell.unfinished for cell in baseline.cells] == [[]] * 6
    assert sum(path.stat().st_size for path in kept(BASELINE)) < 200_000


def test_the_baselines_laws_are_those_of_this_code(tmp_path: Path) -> None:
    """An init that changes must come with a new baseline: said here in a second, and by the gate after training."""
    planned = make_plan(read_spec(CI), tmp_path / "ci", measure=False)
    laws = load_results(BASELINE).laws
    assert {run.blueprint.digest for run in planned.runs} == set(laws)
    assert all(laws[run.blueprint.digest] == run.blueprint.to_json() for run in planned.runs)


def test_another_machines_last_bits_turn_no_gate(tmp_path: Path) -> None:
    """float32 keeps seven digits, and a hundred steps of training lose some of them."""
    assert result(shifted(tmp_path / "same", nats={}, noise=0.0)) == "pass"
    assert result(shifted(tmp_path / "bits", nats={}, noise=1e-4)) == "pass"


@pytest.mark.parametrize("init", ["gpt2", "depth-scaled", "pytorch"])
def test_a_loss_that_is_clearly_worse_turns_one_red(init: str, tmp_path: Path) -> None:
    assert result(shifted(tmp_path / "worse", nats={init: WORSE_NATS}, noise=1e-4)) == "fail"
