"""One run, for people and as a document."""

from pathlib import Path

import pytest

from initlab.api.run_view import MOST_ROWS, show
from initlab.errors import InitlabError
from initlab.results.reading import load_results
from tests.reporting.stored import make_sweep
from tests.verdicts.planted import Planted, store


def test_config_law_curve_and_log(tmp_path: Path) -> None:
    results = store(tmp_path / "s", [Planted({0: 2.5}, lr=0.25)])
    view = show(results.runs[0].path)
    text = view.describe()
    assert "train.lr = 0.25" in text
    assert "law\n  " in text
    assert "std 0.02" in text, "gpt2's"
    assert text.rstrip().endswith("finished")
    document = view.to_json()
    assert (document["status"], document["id"], document["log"][-1].split()[-1]) == (
        "finished",
        results.runs[0].id,
        "finished",
    )
    assert document["summary"]["val_loss"] == 2.5


def test_a_long_curve_is_shown_from_its_first_step_to_its_last(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", ["gpt2"], ["gelu"], [0])
    run = load_results(folder.path).runs[0]
    view = show(run.path)
    _, _, curve = view.describe().partition("curve\n")
    lines = curve.partition("\n\n")[0].splitlines()
    assert len(lines) == MOST_ROWS + 1
    steps = [int(line.split()[0]) for line in lines[1:]]
    assert (steps[0], steps[-1]) == (run.metrics[0]["step"], run.metrics[-1]["step"])
    assert steps == sorted(set(steps))
    assert len(view.to_json()["metrics"]) == len(run.metrics) > MOST_ROWS


def test_laws_that_are_damaged_cost_the_laws_alone(tmp_path: Path) -> None:
    results = store(tmp_path / "s", [Planted({0: 2.5})])
    path = results.path / "spec.resolved.json"
    path.write_bytes(path.read_bytes()[:-9])
    text = show(results.runs[0].path).describe()
    assert "spec.resolved.json is damaged" in text
    assert "train.lr = " in text


def test_the_folder_that_names_no_sweep_is_a_users_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INITLAB_OUT", str(tmp_path))
    with pytest.raises(InitlabError, match="no run 'abc'"):
        show("abc")
