"""A sweep's runs: the union of its grids, each run once, each with the id of its content."""

from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.planning.expand import PlannedRun, corpus_name, expand
from initlab.spec.run import RunSpec
from initlab.spec.sweep import Grid, SweepSpec

SMALL = {"model.n_layer": 1, "model.n_head": 2, "model.n_embd": 16, "model.block_size": 8}


def _runs(
    *axes: dict[str, list[object]], zips: tuple[tuple[str, ...], ...] = (), **fixed: object
) -> list[PlannedRun]:
    return expand(SweepSpec(fixed={**SMALL, **fixed}, grids=tuple(Grid(a, zips) for a in axes)))


def test_a_grid_is_the_product_of_its_axes() -> None:
    runs = _runs({"init": ["gpt2", "pytorch"], "seed": [0, 1, 2], "train.lr": [1e-3, 3e-3]})
    assert len(runs) == len({run.id for run in runs}) == 2 * 3 * 2
    assert {tuple(run.entry.cell.axes) for run in runs} == {("train.lr",)}


def test_zipped_axes_move_together() -> None:
    axes: dict[str, list[object]] = {"model.n_embd": [16, 32], "model.n_head": [2, 4], "seed": [0, 1]}
    runs = _runs(axes, zips=(("model.n_embd", "model.n_head"),))
    assert {(run.spec.model.n_embd, run.spec.model.n_head) for run in runs} == {(16, 2), (32, 4)}
    assert len(runs) == 4


def test_blocks_are_a_union_with_duplicates_once() -> None:
    runs = _runs({"init": ["gpt2"], "seed": [0, 1]}, {"init": ["gpt2", "pytorch"], "seed": [1]})
    assert [(run.spec.init, run.spec.seed) for run in runs] == [("gpt2", 0), ("gpt2", 1), ("pytorch", 1)]


def test_two_names_of_one_law_are_two_cells_that_share_their_runs() -> None:
    runs = _runs({"init": ["depth-scaled", "nanogpt", "depth-scaled:std=0.02", "depth-scaled:std=0.03"]})
    assert [run.entry.cell.init for run in runs][:2] == ["depth-scaled", "nanogpt"]
    ids = [run.id for run in runs]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_an_id_holds_what_can_change_a_number_and_nothing_else(tmp_path: Path) -> None:
    (base,) = _runs({"init": ["gpt2"]})
    (again,) = _runs({"init": ["gpt2"], "train.min_lr": [1e-4], "train.decay_steps": [300]})
    assert again.id == base.id, "defaults said aloud change nothing"
    for path, value in {
        "seed": 1,
        "activation": "relu",
        "train.lr": 2e-3,
        "train.eval_interval": 10,
        "model.bias": False,
        "data.seed": 5,
        "train.precision": "float64",
    }.items():
        (other,) = _runs({"init": ["gpt2"], path: [value]})
        assert other.id != base.id, path
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("the quick brown fox jumps over the lazy dog " * 20)
    (tmp_path / "c.txt").write_text("the quick brown fox jumps over the lazy cat " * 20)
    a, b, c = (_runs({"data.corpus": [str(tmp_path / name)]})[0].id for name in ("a.txt", "b.txt", "c.txt"))
    assert a == b != c, "content counts, paths do not"


def test_ids_are_the_same_in_every_process_and_on_every_machine() -> None:
    """A pin, so that a change of identity is noticed: it makes every stored result unknown."""
    (run,) = _runs({"init": ["gpt2"], "seed": [0]})
    assert run.id == "19400ff60f7e"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"init": ["gtp2"]}, "sweep.init: unknown init 'gtp2'; did you mean 'gpt2'"),
        ({"activation": ["rleu"]}, "sweep.activation: unknown activation 'rleu'; did you mean 'relu'"),
        ({"init": [3]}, "init: expected text, got 3"),
        ({"model.n_layer": [-1]}, "model.n_layer: expected a number greater than 0, got -1"),
        ({"model.n_layer": [2.5]}, "model.n_layer: expected a whole number, got 2.5"),
        ({"model.n_embd": [30], "model.n_head": [4]}, "n_head = 3 would be"),
        ({"model.vocab_size": [10]}, "vocab_size = 10"),
        ({"model.block_size": [10_000_000]}, "block_size"),
        ({"data.corpus": ["synthetik"]}, "data.corpus.*did you mean 'synthetic'"),
        ({"train.lr": [float("nan")]}, "train.lr: expected a finite number, got nan"),
        ({"train.betas": [1]}, "train.betas: unknown key; did you mean 'beta2'"),
        ({"seed": [-1]}, "sweep.seed: expected a number from 0, got -1"),
        (
            {"init": ["gpt2:sdt=0.1"]},
            "sweep.init: .* gpt2 has no parameter 'sdt'; did you mean 'std'",
        ),
        ({"init": ["normal:width=fanin"]}, "sweep.init: .* no width 'fanin'; did you mean 'fan-in'"),
        ({"init": ["deepnorm"], "model.norm_at": ["pre"]}, "sweep.init: init 'deepnorm' needs norm_at = \"post\""),
        ({"init": ["torchtitan"], "model.n_embd": [6]}, "sweep.init: rotary positions turn pairs .* = 3 of them"),
        ({"init": ["zero-residual"], "model.norm_at": ["sandwich"]}, 'sweep.init: norm_at = "sandwich" normalises'),
        ({"init": ["zero-residual"], "model.norm_at": ["branch-out"]}, 'sweep.init: norm_at = "branch-out"'),
        ({"init": ["looks-linear"], "activation": ["swiglu"]}, "sweep.init: looks-linear pairs hidden units"),
        ({"train.optimizer": ["adamv"]}, "^train.optimizer: unknown optimizer 'adamv'; did you mean 'adamw'"),
        ({"train.optimizer": ["sgd:nesterov=true"]}, "^train.optimizer: .* sgd has no parameter 'nesterov'"),
        ({"train.optimizer": [3]}, "train.optimizer: expected text, got 3"),
        ({"init": ["mup"], "train.optimizer": ["sgd"]}, "sweep.init: init 'mup' sets .* set optimizer = \"adamw\""),
    ],
)
def test_a_run_that_cannot_be_is_named(axes: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        _runs(axes)


@pytest.mark.parametrize("init", ["gpt2", "deepnorm", "wesar", "rezero"])
def test_sgd_trains_what_sets_no_rates(init: str) -> None:
    assert _runs({"init": [init], "train.optimizer": ["sgd"]})


def test_an_optimizer_has_one_text_in_a_run_and_its_id() -> None:
    plain, spelled = (_runs({"train.optimizer": [text]})[0] for text in ("adamw", " adamw "))
    assert (spelled.spec, spelled.id) == (plain.spec, plain.id)
    assert _runs({"train.optimizer": ["sgd"]})[0].id != plain.id


def test_sgd_trains_mup_at_its_base_where_all_its_factors_are_one() -> None:
    assert _runs({"init": ["mup"], "train.optimizer": ["sgd"], "model.base_n_embd": [16]})


def test_a_relative_corpus_is_looked_for_beside_the_spec_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "specs").mkdir()
    for folder in (tmp_path, tmp_path / "specs"):
        (folder / "text.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    spec = RunSpec.model_validate({"data": {"corpus": "text.txt"}})
    assert corpus_name(spec, tmp_path / "specs") == str(tmp_path / "specs" / "text.txt")
    assert corpus_name(spec, None) == str(tmp_path / "text.txt")
    (tmp_path / "synthetic").mkdir()
    assert corpus_name(RunSpec(), None) == "synthetic"
