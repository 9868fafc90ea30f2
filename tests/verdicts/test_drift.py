"""Drift is found exactly, and named."""

from pathlib import Path

from initlab.verdicts.drift import config_drift, law_drift
from tests.verdicts.planted import MISSING, Planted, around, store

LOSSES = around(2.5, (0.0, 0.01))


def test_nothing_changed(tmp_path: Path) -> None:
    cells = [Planted(LOSSES), Planted(LOSSES, init="depth-scaled")]
    here, there = store(tmp_path / "x", cells), store(tmp_path / "y", cells)
    for found in (law_drift(here, there), config_drift(here, there)):
        assert (found.differences, found.compared, found.problem) == ([], 2, None)


def test_other_seeds_are_no_drift(tmp_path: Path) -> None:
    here = store(tmp_path / "x", [Planted(around(2.5, (0.0, 0.01), first_seed=7))])
    assert config_drift(here, store(tmp_path / "y", [Planted(LOSSES)])).differences == []


def test_a_lost_residual_scaling_is_named(tmp_path: Path) -> None:
    # 0.02/√(2·2) = 0.01 at two layers, beside 0.02 flat
    there = store(tmp_path / "y", [Planted(LOSSES, init="depth-scaled")])
    here = store(tmp_path / "x", [Planted(LOSSES, init="depth-scaled", laws="gpt2")])
    assert law_drift(here, there).differences == [
        "depth-scaled · gelu: blocks.0-1.attn_out.weight std 0.01 -> 0.02",
        "depth-scaled · gelu: blocks.0-1.ffn_down.weight std 0.01 -> 0.02",
    ]


def test_a_changed_std_is_named_in_every_slot(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES)])
    found = law_drift(store(tmp_path / "x", [Planted(LOSSES, laws="gpt2:std=0.025")]), there)
    assert "gpt2 · gelu: token_embedding.weight std 0.02 -> 0.025" in found.differences
    assert len(found.differences) == 8, "two embeddings and six matrices of a block"
    assert config_drift(store(tmp_path / "x", [Planted(LOSSES, laws="gpt2:std=0.025")]), there).differences == []


def test_the_words_name_the_cells_once(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES), Planted(LOSSES, init="pytorch")])
    changed = [Planted(LOSSES, laws="gpt2:std=0.025"), Planted(LOSSES, init="pytorch")]
    words = law_drift(store(tmp_path / "x", changed), there).describe()
    assert words.startswith("gpt2 · gelu: token_embedding.weight std 0.02 -> 0.025, position_embedding.weight std")
    assert words.count("gpt2 · gelu") == 1
    assert words.count("0.02 -> 0.025") == 8
    assert "pytorch" not in words


def test_the_last_bit_counts(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES)])
    found = law_drift(store(tmp_path / "x", [Planted(LOSSES, laws="gpt2:std=0.020000000000000004")]), there)
    assert "std 0.02 -> 0.020000000000000004" in found.describe()


def test_slots_topology_and_hooks(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES)])
    words = "; ".join(law_drift(store(tmp_path / "x", [Planted(LOSSES, laws="deepnorm")]), there).differences)
    assert "topology norm_at pre -> post" in words
    assert "skip_scale.weight is new" in words
    assert "final_norm.weight is gone" in words
    hooked = law_drift(store(tmp_path / "x", [Planted(LOSSES, laws="lsuv")]), there)
    assert any("hook none -> lsuv" in line for line in hooked.differences)


def test_a_changed_field_is_named_once_for_all_cells(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES), Planted(LOSSES, init="pytorch")])
    here = store(tmp_path / "x", [Planted(LOSSES, lr=3e-2), Planted(LOSSES, init="pytorch", lr=3e-2)])
    assert config_drift(here, there).differences == ["every cell: train.lr 0.001 -> 0.03"]
    assert config_drift(here, there, ignore=["train.lr"]).differences == []
    one = store(tmp_path / "z", [Planted(LOSSES), Planted(LOSSES, init="pytorch", lr=3e-2)])
    assert config_drift(one, there).differences == ["pytorch · gelu: train.lr 0.001 -> 0.03"]


def test_cells_that_came_or_went(tmp_path: Path) -> None:
    both, one = [Planted(LOSSES), Planted(LOSSES, init="pytorch")], [Planted(LOSSES)]
    assert config_drift(store(tmp_path / "x", one), store(tmp_path / "y", both)).differences == [
        "pytorch · gelu: not in this sweep"
    ]
    assert config_drift(store(tmp_path / "x", both), store(tmp_path / "y", one)).differences == [
        "pytorch · gelu: not in the baseline"
    ]


def test_no_laws_no_answer(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES)])
    assert law_drift(store(tmp_path / "x", [Planted({0: MISSING})]), there).problem is not None
    other = law_drift(store(tmp_path / "z", [Planted(LOSSES, activation="relu")]), there)
    assert (other.compared, other.problem) == (0, None)


def test_an_alias_is_the_same_init(tmp_path: Path) -> None:
    here = store(tmp_path / "x", [Planted(LOSSES, init="nanogpt")])
    assert config_drift(here, store(tmp_path / "y", [Planted(LOSSES, init="depth-scaled")])).differences == []


def test_a_field_that_the_baseline_did_not_know_is_compared_with_its_default(tmp_path: Path) -> None:
    there = store(tmp_path / "y", [Planted(LOSSES)])
    same, other = (store(tmp_path / str(eps), [Planted(LOSSES, eps=eps)]) for eps in (1e-8, 1e-6))
    assert config_drift(same, there).differences == []
    assert config_drift(other, there).differences == ["gpt2 · gelu: train.eps 1e-08 -> 1e-06"]
