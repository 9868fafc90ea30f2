"""Golden values of what labs start from; the number at GPT-2 small's sizes stands beside its formula."""

import pytest

from initlab.inits.catalogue import resolve
from tests.inits.golden import (
    BLOCK,
    INTO_MLP,
    INV_ROOT_WIDTH,
    NO_BIASES,
    QKV,
    RHO,
    ROOT_WIDTH,
    TABLES,
    WEIGHTS,
    WRITERS,
    Golden,
    Place,
    Start,
    Value,
    alike,
    assert_golden,
    by_fan_in,
    constant,
    cut,
    dims,
    fixed,
    normal,
)

SMALL = (2 / (5 * 768)) ** 0.5  # .0228218


def by_index(std: float) -> Value:
    """std/√(2(l+1)): at std = .02, .0141421 in the first layer and .00408248 in the last."""
    return lambda place: normal(std / (2 * (place.layer + 1)) ** 0.5)


def cut_by_index(std: float) -> Value:
    return lambda place: cut(std / (2 * (place.layer + 1)) ** 0.5, 3)


def fan_in_normal(fan_in: int) -> Start:
    return normal(fan_in**-0.5)


def where_tied(start: Start) -> Value:
    return lambda place: start if place.tied else None


def beside_a_gate(scaled: Value, plain: Start) -> Value:
    """w3, where there is a gate; without one the up projection is w1, which the activation reads."""

    def law(place: Place) -> Start | None:
        if not place.gated:
            return plain
        return scaled(place) if callable(scaled) else scaled

    return law


def olmo(scaled: Value) -> Golden:
    """Tokens N(1), whether or not they are the head too; w1 keeps .02, w3 is scaled with down and out."""
    laws: dict[str, Value] = {**alike((*QKV, "ffn_gate"), cut(0.02, 3)), **alike(WRITERS, scaled)}
    laws["ffn_up"] = beside_a_gate(scaled, cut(0.02, 3))
    return Golden({**laws, "token_embedding": normal(1), "lm_head": cut(768**-0.5, 3)}, tied=False)


def titan_table(place: Place) -> Start:
    return cut(768**-0.5, 3) if place.tied else normal(1)


GOLDEN = {
    "neox": Golden(
        {**alike(WEIGHTS, normal(SMALL)), **alike(WRITERS, normal(2 / 12 / 768**0.5))},  # .00601407, down too
        tied=False,
    ),
    "bloom": Golden(
        {
            **alike((*BLOCK, "token_embedding", "lm_head"), normal(SMALL)),
            **alike(WRITERS, normal(SMALL * RHO)),  # .00465847
        },
        {"embed_norm": True},
    ),
    "spike-no-more": Golden(
        {
            **alike((*BLOCK, "token_embedding", "lm_head"), normal(SMALL)),
            **alike(WRITERS, normal(SMALL * RHO)),
            "embed_scale": fixed(ROOT_WIDTH),  # tokens come out at √(2/5) = .632456
        }
    ),
    "mitchell": Golden(
        {
            **alike((*QKV, *INTO_MLP, *TABLES, "lm_head"), cut(768**-0.5, 3)),
            "attn_out": cut_by_index(768**-0.5),  # σ .0255155 … .00736570
            "ffn_down": cut_by_index(3072**-0.5),  # σ .0127578 … .00368285: its own fan-in
        },
        tied=False,
    ),
    "full-megatron": Golden(
        {
            **alike(WEIGHTS, cut(0.02, 3)),
            **alike(WRITERS, cut(0.02 * RHO, 3)),
            "lm_head": cut(768**-0.5, 3),
        },
        tied=False,
    ),
    "olmo-llama": olmo(cut(0.02 * RHO, 3)),
    "olmo-llama-depth": olmo(cut_by_index(0.02)),
    "torchtitan": Golden(
        {
            **alike(WRITERS, by_index(0.02)),
            "ffn_up": beside_a_gate(by_index(0.02), normal(0.02)),
            "token_embedding": titan_table,
            "lm_head": cut(768**-0.5, 3),
        },
        {"positions": "rotary"},
        tied=False,
    ),
    "llama2c": Golden(
        {"attn_out": normal(0.02 * RHO), "ffn_up": beside_a_gate(normal(0.02 * RHO), normal(0.02))},  # down is .02
        {"positions": "rotary"},
    ),
    "t5": Golden(
        {
            **by_fan_in(fan_in_normal),  # .0360844, down .0180422
            "query": normal((768 * 64) ** -0.5),  # .00451055
            "token_embedding": normal(1),
            "lm_head": normal(1),
            "relative_position_bias": normal(768**-0.5),
            "attn_scale": fixed(1),
            "logit_scale": where_tied(fixed(INV_ROOT_WIDTH)),
            **NO_BIASES,
        },
        {"norm": "rmsnorm", "positions": "relative"},
    ),
    "palm": Golden(
        {
            **by_fan_in(fan_in_normal),
            "token_embedding": normal(1),
            "lm_head": fan_in_normal(768),
            "logit_scale": where_tied(fixed(INV_ROOT_WIDTH)),  # .0360844
            **NO_BIASES,
        },
        {"parallel": True, "positions": "rotary"},
    ),
    "gemma": Golden(
        {"embed_scale": fixed(ROOT_WIDTH), "norm_gain": constant(0), **NO_BIASES},
        {"norm": "rmsnorm", "norm_gain": "one-plus", "positions": "rotary"},
    ),
    "spectral": Golden(
        {
            # (1/√fan_in)·min(1, √(fan_out/fan_in)): 1/√768 for d × d and for the way up
            **alike((*QKV, *INTO_MLP), normal(768**-0.5)),
            **alike((*WRITERS, "lm_head"), constant(0)),
            "token_embedding": normal(1),
            "norm_gain": None,
            **NO_BIASES,
        },
        {"norm": "rmsnorm", "embed_norm": True, "qk_norm": True, "positions": "rotary", "softcap": 15.0},
        tied=False,
    ),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


@pytest.mark.parametrize(
    ("init", "changes"),
    [
        (
            "bloom:fan=3",  # the released 176B model: √(1/(3d)) = 1/48 = .0208333
            {
                **alike((*BLOCK, "token_embedding", "lm_head"), normal(1 / 48)),
                **alike(WRITERS, normal(RHO / 48)),
            },
        ),
        (
            "spectral:zero=false",
            {
                "attn_out": normal(768**-0.5),
                "ffn_down": normal(768**0.5 / 3072),  # √(1/F)·√(d/F) = .00902110
                "lm_head": normal(768**-0.5),
            },
        ),
    ],
)
def test_golden_of_parameters(init: str, changes: dict[str, Value]) -> None:
    base = GOLDEN[init.partition(":")[0]]
    assert_golden(init, Golden({**base.laws, **changes}, base.topology, base.tied))


@pytest.mark.parametrize(
    ("init", "slot", "sigma"),
    # The numbers themselves, before any cut, as worked out by another hand.
    [
        ("neox", "attn_out", 0.0060140653),
        ("bloom", "query", 0.02282177323),
        ("mitchell", "ffn_down", 0.00368284782),
        ("torchtitan", "ffn_down", 0.00408248290),
        ("t5", "query", 0.00451054898),
    ],
)
def test_last_layers_number(init: str, slot: str, sigma: float) -> None:
    found = {s.name: law.dist for s, law in resolve(init).table(dims())}[f"blocks.11.{slot}.weight"]
    assert getattr(found, "sigma", found.std) == pytest.approx(sigma, rel=1e-8)
