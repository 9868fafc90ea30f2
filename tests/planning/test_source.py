"""Spec files: every wrong key is named with its line and the nearest right one; flags win over the file."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.planning.source import Block, SweepSource, field_path, key_line, override, read_spec, to_toml

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
    assert source.blocks == (
        Block(
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
        ("model = 3\n", r"line 1: model: wants a table"),
        ("name = 3\n", r"line 1: name: wants a string"),
        ("name = '../up'\n", r"cannot name a folder"),
        ("[sweep]\nseed = [0]\nzip = [['seed', 'init']]\n", r"zip: 'init' is no axis of this block"),
        ("[sweep]\nseed = [0, 1]\ninit = ['gpt2']\nzip = [['seed', 'init']]\n", r"equally many values"),
        ("[[sweep]]\n[sweep.train]\nstep = 0\n", r"line 3: sweep\.train\.step.*did you mean 'steps'"),
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


def test_fields_are_found_with_and_without_their_table() -> None:
    assert field_path("n_layer") == field_path("model.n_layer") == "model.n_layer"
    assert field_path("seed") == "seed"
    assert field_path("data.seed") == "data.seed"
    with pytest.raises(InitlabError, match="did you mean 'model'"):
        field_path("modle.n_layer")


def test_lines_of_keys_are_found_under_their_own_table() -> None:
    text = '[train]\nlr = 1\n[model]\n# lr = 2\n"lr" = 3\n[[sweep]]\n"train.lr" = [1]\n'
    assert key_line(text, "train.lr") == 2
    assert key_line(text, "model.lr") == 5
    assert key_line(text, "sweep.train.lr") == 7
    assert key_line(text, "absent") is None


def test_flags_win_and_a_block_that_only_probes_stays_so() -> None:
    trained = Block({"init": ["gpt2"], "model.n_layer": [2, 4], "seed": [0]})
    probed = Block({"init": ["gpt2"], "train.steps": [0]})
    changed = override(SweepSource(blocks=(trained, probed)), {"train.steps": [50], "model.n_layer": [8]})
    assert changed.blocks[0].axes == {"init": ["gpt2"], "seed": [0], "train.steps": [50], "model.n_layer": [8]}
    assert changed.blocks[1].axes == {"init": ["gpt2"], "train.steps": [0], "model.n_layer": [8]}


def test_a_changed_spec_is_written_so_that_it_reads_back_equal(tmp_path: Path) -> None:
    source = override(read_spec(_spec(tmp_path, GOOD)), {"seed": [0, 1], "data.corpus": ['a "b" \\ c.txt']})
    again = read_spec(_spec(tmp_path, to_toml(source)))
    assert (again.name, again.fixed, again.blocks) == (source.name, source.fixed, source.blocks)


def test_an_unchanged_spec_is_kept_to_the_letter(tmp_path: Path) -> None:
    assert to_toml(read_spec(_spec(tmp_path, GOOD))) == GOOD
