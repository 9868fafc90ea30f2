"""Lanes of every topology and of inits with multipliers: a lane's numbers never depend on its neighbours'."""

from collections.abc import Sequence
from typing import Any

import pytest

from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.inits.catalogue import blueprint_for
from initlab.inits.compose import fixed, normal, override, trained
from initlab.inits.strategy import INITS, InitEntry, Strategy
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec

SIZES: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 24}
PLAIN = ("gpt2", "depth-scaled", "pytorch", "gpt2:std=0.2")

TOPOLOGIES: list[dict[str, Any]] = [
    {"norm_at": "post"},
    {"norm_at": "sandwich"},
    {"norm_at": "branch-out"},
    {"norm_at": "none"},
    {"norm": "rmsnorm", "bias": False},
    {"embed_norm": True, "sub_norm": True, "qk_norm": True},
    {"embed_norm": True, "sub_norm": True, "qk_norm": True, "norm": "rmsnorm", "tied": False},
    {"positions": "sinusoidal"},
    {"positions": "sinusoidal-fairseq"},
    {"positions": "alibi"},
    {"positions": "rotary", "rotary_fraction": 0.5, "parallel": True, "parallel_norms": True, "gainless": True},
    {"positions": "rotary"},
    {"positions": "relative"},
    {"positions": "none"},
    {"parallel": True, "softcap": 5.0},
]
FAMILIES: list[tuple[str, ...]] = [
    ("skipinit:alpha=0.1", "skipinit", "skipinit:alpha=0.7"),
    ("rezero", "rezero"),
    ("layerscale:epsilon=0.5", "layerscale", "layerscale:epsilon=0.01"),
    ("wesar", "wesar:std=0.02"),
    ("fixup", "fixup"),
    ("fixup-transformer", "fixup-transformer"),
    ("admin", "admin"),
    ("lsuv", "lsuv"),
    ("mimetic", "looks-linear", "gpt2"),
    ("mup", "megatron-mup", "mup:std=0.1"),
    ("completep", "depth-mup", "completep:alpha=0.7"),
    ("u-mup", "u-mup"),
    ("deepnorm-torchscale:embed_scale=true", "admin-torch"),
    ("deepscale-lm", "deepscale-lm:beta2=0.1"),
    ("layernorm-scaling", "layernorm-scaling:std=0.1"),
    ("t5", "t5"),
    ("palm", "palm"),
    ("gemma", "gemma:std=0.1"),
    ("spectral:zero=false", "spectral"),
    ("bloom", "bloom:fan=3"),
]
"""Inits whose slots are the same, so that they train together."""


def specs(inits: Sequence[str], activation: str = "gelu", **model: Any) -> list[RunSpec]:
    train = TrainSpec(steps=6, batch_size=4, lr=1e-2, eval_batches=1, eval_interval=3)
    sizes = ModelSpec(**{**SIZES, **model})
    return [
        RunSpec(model=sizes, train=train, init=init, activation=activation, seed=seed)
        for seed, init in enumerate(inits)
    ]


def records(chosen: Sequence[RunSpec]) -> dict[int, list[tuple[str, str]]]:
    """Return every record of every lane by seed; rows as text: NaN equals NaN, and nothing else is forgiven."""
    corpus = load_corpus("synthetic")
    found: dict[int, list[tuple[str, str]]] = {spec.seed: [] for spec in chosen}
    for record in Group(chosen, [corpus] * len(chosen)).run():
        found[chosen[record.lane].seed].append((record.kind, repr(record.row)))
    return found


def assert_lanes_ignore_each_other(chosen: Sequence[RunSpec]) -> None:
    together = records(chosen)
    assert records(chosen[::-1]) == together
    for spec in chosen[:2]:
        assert records([spec])[spec.seed] == together[spec.seed], spec.init
    assert len({str(rows) for rows in together.values()}) == len(chosen)


@pytest.mark.parametrize("model", TOPOLOGIES, ids=str)
def test_in_every_topology(model: dict[str, Any]) -> None:
    assert_lanes_ignore_each_other(specs(PLAIN, **model))


@pytest.mark.parametrize("inits", FAMILIES, ids=" ".join)
def test_with_every_kind_of_multiplier(inits: tuple[str, ...]) -> None:
    assert len({blueprint_for(spec.model, spec.init, "gelu", 64).shape for spec in specs(inits)}) == 1
    assert_lanes_ignore_each_other(specs(inits))


def test_gated_lanes() -> None:
    assert_lanes_ignore_each_other(specs(PLAIN, "swiglu", norm="rmsnorm"))
    assert_lanes_ignore_each_other(specs(("u-mup", "u-mup"), "swiglu"))


def test_a_multiplier_may_be_fixed_in_one_lane_and_trained_in_another() -> None:
    """The slot then has a gradient in every lane; where it is fixed it neither moves nor counts."""

    def strategy(train: bool) -> InitEntry:
        law = trained(0.7) if train else fixed(0.7)
        law_function = override(normal(0.02), {"branch_scale": law})
        return InitEntry(lambda: Strategy(law_function), "this test")

    with INITS.temporarily("test-fixed", strategy(False)), INITS.temporarily("test-trained", strategy(True)):
        assert_lanes_ignore_each_other(specs(("test-fixed", "test-trained")))
        ends = [records(specs((init,)))[0][-1] for init in ("test-fixed", "test-trained")]
        assert ends[0] != ends[1]


@pytest.mark.parametrize(
    ("inits", "model"),
    [
        (("gpt2", "skipinit"), {}),
        (("u-mup", "mup"), {}),
        (("mup", "completep"), {"tied": False}),
        (("rezero", "skipinit"), {}),
        (("deepnorm", "admin-torch"), {}),
        (("gpt2", "layerscale"), {}),
    ],
)
def test_other_slots_are_another_shape(inits: tuple[str, str], model: dict[str, Any]) -> None:
    """Different multipliers, or different networks around them, cannot share a batched model."""
    shapes = [blueprint_for(spec.model, spec.init, "gelu", 64).shape for spec in specs(inits, **model)]
    assert shapes[0] != shapes[1]


def test_the_comparison_sees_a_multiplier_off_by_one_part_in_ten_million() -> None:
    (spec,) = specs(("skipinit:alpha=0.1",))
    nudged = spec.model_copy(update={"init": "skipinit:alpha=0.10000001"})
    assert records([spec]) != records([nudged])
