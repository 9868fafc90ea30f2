"""Golden values of the classics; formulas with the number they come to at GPT-2 small's sizes beside them."""

import math

import pytest

from initlab.inits.catalogue import resolve
from initlab.network.laws import Normal, Orthogonal
from tests.inits.golden import (
    BLOCK,
    INTO_MLP,
    QKV,
    ROOT_WIDTH,
    TABLES,
    WRITERS,
    Golden,
    Start,
    alike,
    assert_golden,
    by_fan_in,
    cut,
    dims,
    fixed,
    normal,
    orthogonal,
    uniform,
)

SQUARE = (2 / (768 + 768)) ** 0.5  # Glorot of d × d: .0360844
OBLONG = (2 / (768 + 3072)) ** 0.5  # Glorot of d × 4d, = √(2/(5d)): .0228218
OF_WIDTH = normal(1 / 768**0.5)  # N(0, 1/d)


def orthonormal(fan_in: int) -> Start:
    return orthogonal(1 / max(fan_in, 768) ** 0.5)


GOLDEN = {
    "xavier": Golden(
        {
            **alike((*QKV, "attn_out"), uniform(SQUARE)),
            **alike((*INTO_MLP, "ffn_down"), uniform(OBLONG)),
            **alike(TABLES, OF_WIDTH),
            "lm_head": uniform((2 / (768 + 50304)) ** 0.5),
        }
    ),
    "kaiming": Golden(
        {
            **by_fan_in(lambda fan_in: normal(1 / fan_in**0.5)),
            **alike(INTO_MLP, normal((2 / 768) ** 0.5)),  # .0510310
            "ffn_down": normal((2 / 3072) ** 0.5),  # .0255155
        }
    ),
    "lecun": Golden(
        {
            **by_fan_in(lambda fan_in: cut(fan_in**-0.5, 3)),  # realised .0356001, down .0178000
            "lm_head": cut(768**-0.5, 3),
            "token_embedding": normal(1),
        },
        tied=False,
    ),
    "orthogonal": Golden(
        {
            **alike((*QKV, "attn_out"), orthonormal(768)),  # .0360844
            **alike((*INTO_MLP, "ffn_down"), orthonormal(3072)),  # .0180422: the longer side, whichever way
        }
    ),
    "fairseq": Golden(
        {
            **alike(QKV, uniform((2 / (4 * 768)) ** 0.5)),  # of the fused 3d × d matrix: .0255155
            "attn_out": uniform(SQUARE),
            **alike((*INTO_MLP, "ffn_down"), uniform(OBLONG)),
            "token_embedding": OF_WIDTH,
            "lm_head": OF_WIDTH,
            "embed_scale": fixed(ROOT_WIDTH),  # 27.7128
            # Its reset forgets them: torch.nn.Linear's U(±1/√d), std .0208333.
            **{f"bias of {role}": uniform((3 * 768) ** -0.5) for role in QKV},
        },
        {"norm_at": "post", "positions": "sinusoidal-fairseq"},
    ),
    "small-init": Golden(
        {
            **alike(BLOCK, normal((2 / (5 * 768)) ** 0.5)),
            "token_embedding": OF_WIDTH,
            "embed_scale": fixed(ROOT_WIDTH),
        },
        {"positions": "sinusoidal"},
    ),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def changed(base: str, **kinds: Start) -> Golden:
    return Golden({**GOLDEN[base].laws, **kinds}, GOLDEN[base].topology, GOLDEN[base].tied)


@pytest.mark.parametrize(
    ("init", "golden"),
    [
        (
            "xavier:dist=normal",
            Golden(
                {
                    **alike((*QKV, "attn_out"), normal(SQUARE)),
                    **alike((*INTO_MLP, "ffn_down"), normal(OBLONG)),
                    **alike(TABLES, OF_WIDTH),
                    "lm_head": normal((2 / (768 + 50304)) ** 0.5),
                }
            ),
        ),
        # The gain of what consumes an activation's output, and of nothing else: He et al., section 2.2.
        ("kaiming:consumer_only=true", changed("kaiming", ffn_gate=normal(768**-0.5), ffn_up=normal(768**-0.5))),
        (
            "kaiming:gain=1",
            changed("kaiming", ffn_gate=normal(768**-0.5), ffn_up=normal(768**-0.5), ffn_down=normal(3072**-0.5)),
        ),
        # √(2/12) on both residual projections: .0147314, .00736570.
        (
            "orthogonal:scaled=true",
            changed(
                "orthogonal",
                attn_out=orthogonal((2 / 12 / 768) ** 0.5),
                ffn_down=orthogonal((2 / 12 / 3072) ** 0.5),
            ),
        ),
    ],
)
def test_golden_of_parameters(init: str, golden: Golden) -> None:
    assert_golden(init, golden)


def test_small_init_is_xavier_of_the_mlp_only_where_that_is_four_times_as_wide() -> None:
    # Attention has √(2/(5d)) whatever the MLP's width; the MLP its own √(2/(d + F)).
    found = {slot.role: law.dist for slot, law in resolve("small-init").table(dims(ffn_hidden=768))}
    assert found["query"] == Normal(math.sqrt(2 / 3840))
    assert found["ffn_up"] == found["ffn_down"] == Normal(math.sqrt(2 / 1536))


@pytest.mark.parametrize(("gain", "scaled"), [(1.0, False), (1.0, True), (3.0, False)])
def test_orthogonal_promises_gains_and_not_stds(gain: float, scaled: bool) -> None:
    # std·√max(shape) is the singular value.
    for slot, law in resolve(f"orthogonal:gain={gain},scaled={scaled}").table(dims()):
        if slot.is_hidden:
            residual = math.sqrt(2 / 12) if scaled and slot.role in WRITERS else 1.0
            assert isinstance(law.dist, Orthogonal)
            assert law.dist.std * math.sqrt(max(slot.shape)) == pytest.approx(gain * residual, rel=1e-15)
