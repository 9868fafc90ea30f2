"""Golden values of the recipes for depth, at twelve layers; the number stands beside its formula."""

import math
from typing import Any

import pytest

from initlab.inits.catalogue import resolve
from initlab.inits.depth import token_correlations
from tests.inits.golden import (
    BLOCK,
    INTO_MLP,
    INV_ROOT_WIDTH,
    MLP,
    NO_BIASES,
    QKV,
    RHO,
    ROOT_WIDTH,
    TABLES,
    WRITERS,
    Golden,
    Place,
    Start,
    Value,
    alike,
    assert_golden,
    biases,
    by_fan_in,
    constant,
    dims,
    fixed,
    normal,
    uniform,
)

SQUARE, OBLONG = 1 / 768**0.5, (2 / 3840) ** 0.5  # Glorot of d × d, .0360844, and of d × 4d, .0228218
FUSED = (2 / (4 * 768)) ** 0.5  # Glorot of the fused 3d × d matrix, .0255155
OF_WIDTH = normal(1 / 768**0.5)
ALPHA, BETA = 24**0.25, 96**-0.25  # 2.213364, .3194716: (2L)^¼ and (8L)^-¼
GAMMA = math.sqrt(math.log(24))  # 1.782710
FAIRSEQ: dict[str, Value] = {
    "token_embedding": OF_WIDTH,
    "position_embedding": OF_WIDTH,
    "lm_head": OF_WIDTH,
    "embed_scale": fixed(ROOT_WIDTH),
}
SCALARS: dict[str, Value] = {
    **{f"scalar_bias of {role}": constant(0) for role in (*BLOCK, "lm_head")},
    "scalar_bias": constant(0),
    "branch_scale": constant(1),
}


def xavier(draw: Any, gain: float = 1.0) -> dict[str, Value]:
    """Glorot of every matrix, the value path's with a gain."""
    return {
        **alike(("query", "key"), draw(SQUARE)),
        **alike(("value", "attn_out"), draw(SQUARE * gain)),
        **alike(MLP, draw(OBLONG * gain)),
    }


def torch_linear(fan_in: int) -> Start:
    return uniform((3 * fan_in) ** -0.5)


def torch_times(gain: float) -> dict[str, Value]:
    """PyTorch's matrices and biases, those of the value path times a gain."""

    def kind(role: str) -> Start:
        fan_in = 3072 if role == "ffn_down" else 768
        return uniform((3 * fan_in) ** -0.5 * (1.0 if role in ("query", "key") else gain))

    return {name: kind(role) for role in BLOCK for name in (role, f"bias of {role}")}


TORCHSCALE_TABLES: dict[str, Value] = {
    "token_embedding": OF_WIDTH, "position_embedding": normal(1), "lm_head": OF_WIDTH,
}  # fmt: skip


def where_tied(start: Start) -> Value:
    return lambda place: start if place.tied else None


def correlated(beta2: float, start: float = 0.221) -> Value:
    """σ = r^(-1/4)/√d with r carried through the layers: two maps a layer, the second through ReLU's kernel."""

    def at(place: Place) -> Start:
        r = start
        for branch in range(2 * place.layer):
            arc = math.acos(r)
            out = 1.0 if branch % 2 == 0 else (math.sin(arc) + (math.pi - arc) * math.cos(arc)) / math.pi
            r = r - beta2 * r + beta2 * out
        return normal(1 / (r**0.25 * 768**0.5))

    return at


def deepscale(beta2: float) -> Golden:
    return Golden(
        {
            **alike(("query", "key", "lm_head"), OF_WIDTH),
            **alike(("value", "attn_out"), correlated(beta2)),
            **alike(MLP, normal(1 / (2**0.25 * 768**0.5))),  # .0303432 both ways
            **alike(TABLES, normal(0.5**0.5)),
            "skip_scale": fixed((1 - beta2) ** 0.5),
            "branch_scale": fixed(beta2**0.5),
            "logit_scale": where_tied(fixed((2 / 768) ** 0.5)),  # .0510310
        }
    )


def wesar(sigma: float) -> Golden:
    """At the default σ = .00632456 the scalars are 5.70544331, out 1.16461874, down (1/192)/σ = .823509807."""
    laws: dict[str, Value] = {
        **alike((*TABLES, *BLOCK, "lm_head"), normal(sigma)),
        **{f"matrix_scale of {role}": constant(768**-0.5 / sigma) for role in (*QKV, *INTO_MLP, "lm_head")},
        "matrix_scale of attn_out": constant((24 * 768) ** -0.5 / sigma),
        "matrix_scale of ffn_down": constant((2 / 24 / 3072) ** 0.5 / sigma),
    }
    return Golden(laws)


GOLDEN = {
    "deepnorm": Golden(
        {**xavier(normal, BETA), "skip_scale": fixed(ALPHA)},  # v and out .0115279, MLP .00729091
        {"norm_at": "post"},
    ),
    "deepnorm-torchscale": Golden(
        {
            **torch_times(BETA),  # v, out and up .00665566, down .00332783
            **TORCHSCALE_TABLES,
            "skip_scale": fixed(ALPHA),
        },
        {"norm_at": "post"},
    ),
    "sub-ln": Golden(
        alike(("value", "attn_out", *MLP), normal(0.02 * GAMMA)),  # .0356542
        {"sub_norm": True},
    ),
    "t-fixup": Golden(
        {
            **FAIRSEQ,
            **xavier(uniform, 108**-0.25),  # (9L)^-¼ = .310202: v and out .0111934, MLP .00707935
            **alike(("query", "key"), uniform(FUSED)),
            "token_embedding": normal(768**-0.5 * 108**-0.25),  # .0111934
            **{f"bias of {role}": torch_linear(768) for role in QKV},
        },
        {"norm_at": "none", "positions": "sinusoidal-fairseq"},
    ),
    "fixup": Golden(
        {
            **alike((*QKV, *INTO_MLP), normal((2 / 768) ** 0.5 * RHO)),  # He · (2L)^-½ = .0104167
            **alike((*WRITERS, "lm_head"), constant(0)),
            **SCALARS,
            **NO_BIASES,
        },
        {"norm_at": "none"},
        tied=False,
    ),
    "fixup-transformer": Golden(
        {
            **alike(QKV, uniform(FUSED * 24 ** (-1 / 6))),  # .0150234
            **alike(INTO_MLP, uniform(OBLONG * RHO)),  # .00465847
            **alike((*WRITERS, "lm_head"), constant(0)),
            "token_embedding": OF_WIDTH,
            "embed_scale": fixed(ROOT_WIDTH),
            **SCALARS,
            "scalar_bias of attn_out": None,
            **NO_BIASES,
        },
        {"norm_at": "none", "positions": "sinusoidal-fairseq"},
        tied=False,
    ),
    "rezero": Golden(
        {
            **by_fan_in(torch_linear),  # out .0208333, down .0104167
            **alike(QKV, uniform(FUSED)),
            **biases(torch_linear),
            **{f"bias of {role}": constant(0) for role in (*QKV, "attn_out")},
            "branch_scale": constant(0),
        },
        {"norm_at": "none", "shared_scales": True},
    ),
    "skipinit": Golden(
        {
            **by_fan_in(lambda fan_in: normal(fan_in**-0.5)),
            **alike(INTO_MLP, normal((2 / 768) ** 0.5)),
            "ffn_down": normal((2 / 3072) ** 0.5),
            "branch_scale": constant(0),
        },
        {"norm_at": "none"},
    ),
    "layerscale": Golden({"branch_scale": constant(0.1)}, {"channel_scales": True}),
    "admin": Golden(
        {**FAIRSEQ, **xavier(uniform), "skip_scale": constant(1, calibrated=True)},
        {"norm_at": "post", "channel_scales": True},
    ),
    "admin-torch": Golden(
        {**FAIRSEQ, **xavier(uniform), "skip_scale": fixed((25 / math.log(25) - 1) ** 0.5)},  # 2.60128558
        {"norm_at": "post"},
    ),
    "deepscale-lm": deepscale(0.005),
    "layernorm-scaling": Golden({"norm_scale": lambda place: fixed((place.layer + 1) ** -0.5)}),  # 1, .7071, … .2887
    "wesar": wesar(4e-5**0.5),
}


@pytest.mark.parametrize("init", GOLDEN)
def test_golden(init: str) -> None:
    assert_golden(init, GOLDEN[init])


def variant(base: str, laws: dict[str, Value]) -> Golden:
    return Golden({**GOLDEN[base].laws, **laws}, GOLDEN[base].topology, GOLDEN[base].tied)


@pytest.mark.parametrize(
    ("init", "golden"),
    [
        (
            "deepnorm-torchscale:embed_scale=true",
            variant("deepnorm-torchscale", {"embed_scale": fixed(ROOT_WIDTH)}),
        ),
        # γ on Xavier as in the paper's figure: v and out .0643280, MLP .0406846; on torch's own as in the code.
        ("sub-ln:base=xavier", Golden(xavier(normal, GAMMA), {"sub_norm": True})),
        ("sub-ln:base=torch", Golden({**torch_times(GAMMA), **TORCHSCALE_TABLES}, {"sub_norm": True})),
        ("skipinit:alpha=0.2", variant("skipinit", {"branch_scale": constant(0.2)})),
        ("layerscale:epsilon=1e-4", variant("layerscale", {"branch_scale": constant(1e-4)})),
        ("deepscale-lm:beta2=0.1", deepscale(0.1)),
        ("deepscale-lm:per_depth=1", deepscale(1 / 12)),
        ("deepscale-lm:per_depth=2", deepscale(2 / 12)),
        (
            "deepscale-lm:correlation=0.5",
            variant("deepscale-lm", alike(("value", "attn_out"), correlated(0.005, 0.5))),
        ),
        ("wesar:std=0.01", wesar(0.01)),
    ],
)
def test_golden_of_parameters(init: str, golden: Golden) -> None:
    assert_golden(init, golden)


@pytest.mark.parametrize(
    ("n_layer", "epsilon"),
    # Touvron et al., section 2: .1 up to 18 layers, 1e-5 for 24, 1e-6 beyond.
    [(1, 0.1), (18, 0.1), (19, 1e-5), (24, 1e-5), (25, 1e-6), (48, 1e-6)],
)
def test_layerscale_starts_smaller_in_deeper_networks(n_layer: int, epsilon: float) -> None:
    found = [law for slot, law in resolve("layerscale").table(dims(n_layer=n_layer)) if slot.role == "branch_scale"]
    assert len(found) == 2 * n_layer
    assert {law.dist.mean for law in found} == {epsilon}
    assert all(law.train for law in found)


@pytest.mark.parametrize(
    ("n_layer", "n_embd", "epsilon"),
    # deit cait_models.py: XXS24 and XXS36 (192 wide), XS24 (288), S24 (384) 1e-5; S36, M36 and M48 (768) 1e-6.
    [
        *((n_layer, 192, 1e-5) for n_layer in (24, 36)),
        *((24, n_embd, 1e-5) for n_embd in (288, 384)),
        *((n_layer, 768, 1e-6) for n_layer in (36, 48)),
        (36, 384, 1e-6),
    ],
)
def test_layerscale_as_the_released_models_have_it(n_layer: int, n_embd: int, epsilon: float) -> None:
    sizes = dims(n_layer=n_layer, n_embd=n_embd, n_head=4)
    released, paper = (
        {law.dist.mean for slot, law in resolve(init).table(sizes) if slot.role == "branch_scale"}
        for init in ("layerscale:rule=deit", "layerscale")
    )
    assert released == {epsilon}
    assert (released == paper) is ((n_layer, n_embd) != (36, 192))  # where the paper's rule by depth is another


@pytest.mark.parametrize(
    ("beta2", "expected"),
    # Two of the recursion's runs, worked out by another hand: r entering the layers 1, 2, 3 and 12.
    [
        (0.005, [0.221, 0.225964733, 0.230894095, 0.273713865]),
        (1 / 12, [0.221, 0.301621091, 0.373089125, 0.751912494]),
    ],
)
def test_correlation_of_tokens(beta2: float, expected: list[float]) -> None:
    found = token_correlations(12, beta2, 0.221)
    assert [*found[:3], found[11]] == pytest.approx(expected, rel=2e-9)
    assert found == sorted(found)
    assert token_correlations(3, beta2, 1.0) == [1.0, 1.0, 1.0]  # equal tokens stay equal
    assert token_correlations(3, 0.0, 0.4) == [0.4, 0.4, 0.4]  # where nothing is added nothing changes


def test_wesar_reaches_its_targets_whatever_it_draws_with() -> None:
    for std in (1e-3, 0.5):
        laws = {slot.name: law.dist for slot, law in resolve(f"wesar:std={std}").table(dims())}
        for role, target in (("query", INV_ROOT_WIDTH), ("attn_out", RHO * INV_ROOT_WIDTH), ("ffn_down", 1 / 192)):
            name = f"blocks.5.{role}"
            reached = laws[f"{name}.weight"].std * laws[f"{name}.scale"].mean
            assert reached == pytest.approx(target, rel=1e-14)


@pytest.mark.parametrize(
    ("init", "slot", "value"),
    # As worked out by another hand.
    [
        ("deepnorm", "blocks.3.attn.skip_scale.weight", 2.213363839),
        ("admin-torch", "blocks.3.ffn.skip_scale.weight", 2.601285583),
        ("deepscale-lm", "logit_scale.weight", 0.05103103631),
        ("wesar", "blocks.0.query.scale", 5.705443307),
        ("layernorm-scaling", "blocks.6.attn.norm_scale.weight", 0.3779644730),
    ],
)
def test_numbers(init: str, slot: str, value: float) -> None:
    found = {s.name: law.dist.mean for s, law in resolve(init).table(dims())}
    assert found[slot] == pytest.approx(value, rel=1e-9)
