"""A sweep is read once, and its cells are found by what they are."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.results.reading import load_results
from initlab.results.run_folder import mark_failed
from tests.reporting.stored import make_sweep
from tests.verdicts.planted import DIVERGED, FAILED, MISSING, Planted, store


def test_cells_are_selected_by_any_field(tmp_path: Path) -> None:
    cells = [
        Planted({0: 2.5, 1: FAILED}, init=init, axes={"model.n_layer": depth})
        for init in ("gpt2", "depth-scaled")
        for depth in (2, 4)
    ]
    sweep = store(tmp_path / "x", cells)
    assert len(sweep.select({})) == 4
    assert len(sweep.select({"init": "nanogpt"})) == 2, "by an alias too"
    assert len(sweep.select({"n_layer": 4, "init": ["gpt2", "depth-scaled"]})) == 2
    assert [cell.label for cell in sweep.select({"model.n_layer": 2, "init": "gpt2"})] == ["gpt2 · gelu · n_layer=2"]
    assert set(sweep.axes) == {"init", "model.n_layer"}
    assert sweep.cells[0].unfinished == ["seed 1 failed (planted failure)"]


def test_what_there_is_not(tmp_path: Path) -> None:
    sweep = store(tmp_path / "x", [Planted({0: 2.5})])
    with pytest.raises(InitlabError, match="did you mean 'activation'"):
        sweep.select({"activaton": "gelu"})
    with pytest.raises(InitlabError, match="did you mean 'gelu'"):
        sweep.select({"activation": "gellu"})
    with pytest.raises(InitlabError, match="no such folder"):
        load_results(tmp_path / "absent")


def test_a_path_that_holds_no_sweep_names_the_one_inside(tmp_path: Path) -> None:
    store(tmp_path / "x", [Planted({0: 2.5})])
    with pytest.raises(InitlabError, match=r"no readable sweep\.json.* did you mean .*x\?"):
        load_results(tmp_path)


def test_counts_are_over_planned_runs(tmp_path: Path) -> None:
    results = store(tmp_path / "x", [Planted({0: 2.5, 1: FAILED, 2: MISSING, 3: DIVERGED})])
    mark_failed(results.path / "runs" / "not-planned", "why")
    assert load_results(results.path).counts == {
        "finished": 1,
        "diverged": 1,
        "failed": 1,
        "interrupted": 0,
        "running": 0,
        "missing": 1,
    }


def test_what_was_read_stays_as_it_was(tmp_path: Path) -> None:
    """Whoever is handed a reading sees the same numbers as everybody else, whatever happens on disk meanwhile."""
    path = store(tmp_path / "x", [Planted({0: 2.5})]).path
    results = load_results(path)
    (run,) = results.runs
    assert (run.status, run.summary["val_loss"], len(run.layers)) == ("finished", 2.5, 2)
    shutil.rmtree(path)
    assert (run.status, run.summary["val_loss"], len(run.layers)) == ("finished", 2.5, 2)
    assert run.metrics == [], "this file was not asked for before"


def test_a_reading_that_is_not_thorough_goes_by_sizes_until_rows_are_asked_for(tmp_path: Path) -> None:
    path = store(tmp_path / "x", [Planted({0: 2.5})]).path
    (layers,) = path.glob("runs/*/layers.jsonl")
    content = layers.read_bytes()
    layers.write_bytes(content.replace(b"1.5", b"1.6"))
    quick = load_results(path, thorough=False)
    assert quick.counts["finished"] == 1
    with pytest.raises(InitlabError, match=r"layers\.jsonl is damaged"):
        _ = quick.runs[0].layers
    assert load_results(path).counts["damaged"] == 1
    layers.write_bytes(content + b"{")
    assert load_results(path, thorough=False).counts["damaged"] == 1, "its size is not what was stored"


READ = """
import json, sys, traceback
from collections import Counter
from pathlib import Path

FILES = ("summary.json", "status.json", "metrics.jsonl", "layers.jsonl")
path, loads = Path(sys.argv[1]), int(sys.argv[2])
opened, readers = Counter(), set()

def hook(event, arguments):
    if event != "open" or not isinstance(arguments[0], str):
        return
    file = Path(arguments[0])
    if file.name in FILES and file.parent.parent == path / "runs":
        opened[f"{file.parent.name}/{file.name}"] += 1
        frames = [frame.filename for frame in traceback.extract_stack() if "initlab" in frame.filename]
        callers = [name for name in frames if "initlab/files/" not in name.replace("\\\\", "/")]
        readers.add(Path(callers[-1]).parent.name)

sys.addaudithook(hook)

from initlab.cli.sweep_text import print_table
from initlab.cli.console import print_json, stderr
from initlab.reporting.analysis import analyse
from initlab.reporting.render.publish import write_report
from initlab.results.document import sweep_document
from initlab.results.reading import load_results
from initlab.verdicts.claims import judge_claims
from initlab.verdicts.gates import judge_gates
from initlab.verdicts.statement import GatesFile, read_claims, read_gates

for _ in range(loads):
    results = load_results(path)
    analysis = analyse(results)
    write_report(analysis)
    print_table(stderr(), analysis)
    assert [verdict.verdict for verdict in judge_claims(*read_claims(path), results)] == ["SUPPORTED", "SUPPORTED"]
    gates, file = read_gates(path)
    assert [verdict.verdict for verdict in judge_gates(gates, file, results, results)][-1] == "pass"
    document = sweep_document(results)
    assert {run["status"] for run in document["runs"]} == set(results.counts) - {"running", "interrupted"}
    assert len(results.counts) == 6

print(json.dumps({"opened": opened, "readers": sorted(readers)}))
"""
CLAIMS = """
[[claim]]
id = "loss"
metric = "final_loss"
where = { init = "depth-scaled" }
max = 9.0

[[claim]]
id = "stream"
metric = "residual_ms.last"
where = { init = "depth-scaled" }
min = 0.0
"""
GATES = """
[drift]
laws = false

[[gate]]
id = "loss"
metric = "final_loss"
where = { init = "depth-scaled" }
max_regression = "10%"
"""


@pytest.mark.parametrize("loads", [1, 2])
def test_from_folder_to_report_each_file_of_a_run_is_opened_once_a_reading(loads: int, tmp_path: Path) -> None:
    """Two readings open everything twice: that is what the count would look like if a second one hid somewhere."""
    ends = {("gpt2", 0): "failed", ("gpt2", 1): "diverged", ("gpt2", 2): "missing"}
    make_sweep(tmp_path / "s", seeds=range(4), outcome=lambda i, a, seed: ends.get((i, seed), "finished"))
    (tmp_path / "s" / "claims.toml").write_text(CLAIMS)
    (tmp_path / "s" / "gates.toml").write_text(GATES)
    command = [sys.executable, "-c", READ, str(tmp_path / "s"), str(loads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert set(seen["opened"].values()) == {loads}
    assert len(seen["opened"]) == 4 * 16, "four files of each run, looked for once also where there is none"
    assert seen["readers"] == ["store"], "nobody else reads a run"
