"""The note's readings: golden values worked out by hand, as in ``test_gpt``. What is open follows gpt2."""

import pytest

from initlab.network.laws import ONES, ZEROS
from tests.inits.golden import (
    BLOCK,
    MATRICES,
    TABLES,
    WEIGHTS,
    WRITERS,
    Golden,
    Place,
    Start,
    alike,
    assert_golden,
    biases,
    by_fan_in,
    dims,
    normal,
    promised,
    stds,
    uniform,
)

NORMAL_NOTES = ("note-proj-0.02", "note-inv-sqrt-depth", "note-sqrt-2-over-depth", "note-inv-sqrt-width")


def torch_linear(fan_in: int) -> Start:
    return uniform((3 * fan_in) ** -0.5)


def shrunk_where_tied(place: Place) -> Start:
    return normal(0.02 * (2 / 12) ** 0.5 if place.tied else 0.02)


GOLDEN = {
    "note-proj-0.02": Golden(alike(WRITERS, normal(0.0004))),  # .02·.02
    "note-inv-sqrt-depth": Golden(alike(WRITERS, normal(0.02 / 12**0.5))),  # .0057735
    "note-sqrt-2-over-depth": Golden(
        # .02·√(2/12) = .00816497 for every matrix that multiplies, a shared table among them
        {**alike((*BLOCK, "lm_head"), normal(0.02 / 6**0.5)), "token_embedding": shrunk_where_tied}
    ),
    "note-inv-sqrt-width": Golden(alike(WEIGHTS, normal(0.02 / 768**0.5))),  # .000721688
    "note-default-scaled": Golden(
        {
            **by_fan_in(torch_linear),
            **biases(torch_linear),
            "lm_head": torch_linear(768),
            "attn_out": uniform((3 * 768 * 24) ** -0.5),  # .00425259
            "ffn_down": uniform((3 * 3072 * 24) ** -0.5),  # .00212629
        }
    ),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def gpt2_but(tied: bool, **changed: float) -> dict[str, float]:
    """Return gpt2's stds, .02 everywhere, with these roles changed."""
    kinds = {*TABLES, *MATRICES} | (set() if tied else {"lm_head"})
    return dict.fromkeys(kinds, 0.02) | changed


@pytest.mark.parametrize("init", NORMAL_NOTES)
def test_what_the_note_leaves_open_follows_gpt2(init: str) -> None:
    found = promised(init, dims())
    assert {found[f"bias of {role}"] for role in MATRICES} == {ZEROS}
    assert (found["norm_gain"], found["norm_bias"]) == (ONES, ZEROS)
    assert {dist.name for key, dist in found.items() if dist.std} == {"normal"}


@pytest.mark.parametrize("tied", [True, False])
def test_proj(tied: bool) -> None:
    found = stds("note-proj-0.02", dims(tied=tied))
    assert found == pytest.approx(gpt2_but(tied, attn_out=0.0004, ffn_down=0.0004), rel=1e-15)  # .02·.02
    assert stds("note-proj-0.02:factor=0.5", dims())["attn_out"] == 0.01  # .02·.5
    assert stds("note-proj-0.02", dims(n_layer=3)) == stds("note-proj-0.02", dims())  # no L in it


@pytest.mark.parametrize(
    ("n_layer", "residual"),
    [(1, 0.02), (4, 0.01), (12, 0.0057735026918962576), (25, 0.004)],  # .02/√L; at L = 12, .01/√3
)
@pytest.mark.parametrize("tied", [True, False])
def test_inv_sqrt_depth(n_layer: int, residual: float, tied: bool) -> None:
    found = stds("note-inv-sqrt-depth", dims(n_layer=n_layer, tied=tied))
    assert found == pytest.approx(gpt2_but(tied, attn_out=residual, ffn_down=residual), rel=1e-15)


@pytest.mark.parametrize(
    ("n_layer", "linear"),
    [
        (1, 0.028284271247461901),  # .02·√2
        (2, 0.02),  # .02·√1
        (8, 0.01),  # .02·√(1/4)
        (12, 0.0081649658092772603),  # .02·√(1/6) = .02/√6
    ],
)
def test_sqrt_2_over_depth(n_layer: int, linear: float) -> None:
    scaled = dict.fromkeys(MATRICES, linear)
    tied = stds("note-sqrt-2-over-depth", dims(n_layer=n_layer, tied=True))
    assert tied == pytest.approx(gpt2_but(True, **scaled, token_embedding=linear), rel=1e-15)
    untied = stds("note-sqrt-2-over-depth", dims(n_layer=n_layer, tied=False))
    assert untied == pytest.approx(gpt2_but(False, **scaled, lm_head=linear), rel=1e-15)
    assert untied["token_embedding"] == untied["position_embedding"] == tied["position_embedding"] == 0.02


@pytest.mark.parametrize(
    ("n_embd", "heads", "std"),
    [
        (16, 2, 0.005),  # .02/√16
        (64, 4, 0.0025),  # .02/√64
        (256, 4, 0.00125),  # .02/√256
        (768, 12, 0.00072168783648703221),  # .02/√768 = .02/(16√3) = .00125/√3
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_inv_sqrt_width(n_embd: int, heads: int, std: float, tied: bool) -> None:
    found = stds("note-inv-sqrt-width", dims(n_embd=n_embd, n_head=heads, ffn_hidden=4 * n_embd, tied=tied))
    expected = dict.fromkeys(gpt2_but(tied), std)  # ffn_down too: by n_embd, not by its fan-in
    assert found == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("n_layer", "attn_out", "ffn_down"),
    [
        (2, 0.010416666666666667, 0.0052083333333333333),  # (1/48)/√4 = 1/96; (1/96)/√4 = 1/192
        (12, 0.0042525863589985731, 0.0021262931794992866),  # 1/(48·√24) = 1/(96√6); 1/(96·√24) = 1/(192√6)
    ],
)
@pytest.mark.parametrize("tied", [True, False])
def test_default_scaled(n_layer: int, attn_out: float, ffn_down: float, tied: bool) -> None:
    sizes = dims(n_layer=n_layer, tied=tied)
    assert stds("note-default-scaled", sizes, family="normal") == dict.fromkeys(TABLES, 0.02)
    by_width, by_hidden = 1 / 48, 1 / 96  # 1/√(3·768), 1/√(3·3072)
    uniform = dict.fromkeys(MATRICES, by_width) | {"attn_out": attn_out, "ffn_down": ffn_down}
    uniform |= {f"bias of {role}": by_width for role in MATRICES} | {"bias of ffn_down": by_hidden}
    uniform |= {} if tied else {"lm_head": by_width}
    assert stds("note-default-scaled", sizes, family="uniform") == pytest.approx(uniform, rel=1e-15)


@pytest.mark.parametrize("init", [*NORMAL_NOTES, "note-default-scaled"])
def test_no_reading_is_nanogpts_own(init: str) -> None:
    # Negative twin of all of the above: at twelve layers every reading promises something else than nanoGPT does.
    found, true = stds(init, dims()), stds("depth-scaled", dims())
    assert any(found.get(key) != pytest.approx(std, rel=0.01) for key, std in true.items())
