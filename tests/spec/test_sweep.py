"""Spec files: every wrong key is named with its line and the nearest right one; flags win over the file."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.spec.sweep import Grid, SweepSpec, override, read_spec, to_toml

GOOD = """\
name = "x"
[model]
n_layer = 4
[sweep]
init = ["gpt2", "depth-scaled"]
"model.n_embd" = [64, 128]
"model.n_head" = [2, 4]
zip = [["model.n_embd", "n_head"]]
"""


def _spec(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


def test_a_spec_is_read_from_its_file_or_its_folder(tmp_path: Path) -> None:
    source = read_spec(_spec(tmp_path, GOOD))
    assert source == read_spec(tmp_path)
    assert source.fixed == {"model.n_layer": 4}
    assert source.grids == (
        Grid(
            {"init": ["gpt2", "depth-scaled"], "model.n_embd": [64, 128], "model.n_head": [2, 4]},
            (("model.n_embd", "model.n_head"),),
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'\n[model]\nn_layr = 3\n", r"line 3: model\.n_layr.*did you mean 'n_layer'"),
        ("[train]\nsteps = 1\n[sweeep]\n", r"line 3: sweeep.*did you mean 'sweep'"),
        ("[sweep]\n'model.n_layr' = [1]\n", r"line 2: sweep\.model\.n_layr.*did you mean 'n_layer'"),
        ("[sweep]\ninits = ['gpt2']\n", r"line 2: sweep\.inits.*did you mean 'init'"),
        ("init = 'gpt2'\n", r"line 1: init.*put it under \[sweep\]"),
        ("[model]\nn_layer = [2, 4]\n", r"line 2: model\.n_layer.*list is an axis"),
        ("[sweep]\ninit = []\n", r"line 2: sweep\.init.*at least one value"),
        ("model = 3\n", r"line 1: model: expected a table, got 3"),
        ("name = 3\n", r"line 1: name: expected text, got 3"),
        ("sweep = 3\n", r"line 1: sweep: expected a table of axes, got 3"),
        ("[sweep]\nzip = ['seed']\n", r"line 2: sweep\.zip: expected lists of axes"),
        ("name = '../up'\n", r"cannot name a folder"),
        ("[sweep]\nseed = [0]\nzip = [['seed', 'init']]\n", r"zip: 'init' is no axis of this table"),
        ("[sweep]\nseed = [0, 1]\ninit = ['gpt2']\nzip = [['seed', 'init']]\n", r"equally many values"),
        ("[[sweep]]\n[sweep.train]\nstep = 0\n", r"line 3: sweep\.0\.train\.step.*did you mean 'steps'"),
        ("a = = 3", r"not TOML.*line 1"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        read_spec(_spec(tmp_path, text))


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="no such spec file"):
        read_spec(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InitlabError, match="cannot be read as text"):
        read_spec(tmp_path / "binary.toml")


TWO_GRIDS = """\
[train]
lr = 1e-3
[[sweep]]
init = ["gpt2"]
"train.lr" = [1e-2]
[[sweep]]
train.lr = [3e-3, 1e-3]
"""


def test_a_setting_is_named_where_the_run_that_has_it_got_it(tmp_path: Path) -> None:
    spec = read_spec(_spec(tmp_path, TWO_GRIDS))
    first, second = spec.grids
    assert spec.where("train.lr", first).endswith("line 5: sweep.0.train.lr")
    assert spec.where("train.lr", second).endswith("line 7: sweep.1.train.lr")
    assert spec.where("train.lr").endswith("line 2: train.lr")
    assert spec.where("init", first).endswith("line 4: sweep.0.init")
    assert spec.where("init", second) == "sweep.init", "a default stands in no line"
    by_flag = override(spec, {"train.lr": [0.0]})
    assert by_flag.where("train.lr", by_flag.grids[0]) == "train.lr", "and neither does a flag"


def test_a_table_under_sweep_may_hold_axes(tmp_path: Path) -> None:
    assert read_spec(_spec(tmp_path, TWO_GRIDS)).grids[1].axes == {"train.lr": [3e-3, 1e-3]}
    nested = read_spec(_spec(tmp_path, "[sweep.model]\nn_layer = [2, 4]\nn_embd = 64\n"))
    assert nested.grids == (Grid({"model.n_layer": [2, 4], "model.n_embd": [64]}),)


def test_flags_win_and_a_block_that_only_probes_stays_so() -> None:
    trained = Grid({"init": ["gpt2"], "model.n_layer": [2, 4], "seed": [0]})
    probed = Grid({"init": ["gpt2"], "train.steps": [0]})
    changed = override(SweepSpec(grids=(trained, probed)), {"train.steps": [50], "model.n_layer": [8]})
    assert changed.grids[0].axes == {"init": ["gpt2"], "seed": [0], "train.steps": [50], "model.n_layer": [8]}
    assert changed.grids[1].axes == {"init": ["gpt2"], "train.steps": [0], "model.n_layer": [8]}


def test_a_changed_spec_is_written_so_that_it_reads_back_equal(tmp_path: Path) -> None:
    source = override(read_spec(_spec(tmp_path, GOOD)), {"seed": [0, 1], "data.corpus": ['a "b" \\ c.txt']})
    again = read_spec(_spec(tmp_path, to_toml(source)))
    assert (again.name, again.fixed, again.grids) == (source.name, source.fixed, source.grids)


def test_an_unchanged_spec_is_kept_to_the_letter(tmp_path: Path) -> None:
    assert to_toml(read_spec(_spec(tmp_path, GOOD))) == GOOD
