"""What an init promises, in the units in which it can be worked out by hand.

A golden value is an independent formula: nothing here reads a law, a blueprint or the slot table of initlab.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import pytest
from scipy.stats import truncnorm

from initlab.inits.catalogue import blueprint_for, resolve
from initlab.network.laws import Dist, Law
from initlab.network.topology import Dims
from initlab.spec.run import ModelSpec

GPT2_SMALL = {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257, "block_size": 1024, "ffn_hidden": 3072}
MATRICES = ("query", "key", "value", "attn_out", "ffn_up", "ffn_down")

LAYERS, WIDTH, HIDDEN, HEADS, HEAD, VOCABULARY, CONTEXT = 12, 768, 3072, 12, 64, 50304, 1024
RHO = 24**-0.5
"""1/√(2L)."""
INV_ROOT_WIDTH, ROOT_WIDTH, INV_ROOT_HIDDEN = 768**-0.5, 768**0.5, 3072**-0.5

QKV = ("query", "key", "value")
WRITERS = ("attn_out", "ffn_down")
MLP = ("ffn_gate", "ffn_up", "ffn_down")
INTO_MLP = ("ffn_gate", "ffn_up")
BLOCK = (*QKV, "attn_out", *MLP)
TABLES = ("token_embedding", "position_embedding")
WEIGHTS = (*TABLES, *BLOCK, "lm_head")


def dims(**changes: Any) -> Dims:
    """Return GPT-2 small's sizes (L = 12, d = 768, ffn 3072), with changes."""
    return Dims(**{**GPT2_SMALL, **changes})


def promised(init: str, sizes: Dims) -> dict[str, Dist]:
    """Return the distribution of every kind of slot, which must be the same in every layer.

    Keys are roles; a linear bias is ``bias of <role>``.
    """
    found: dict[str, Dist] = {}
    for slot, law in resolve(init).table(sizes):
        assert (law.mult, law.lr, law.wd, law.eps, law.train) == (1, 1, 1, 1, True), slot.name
        key = f"bias of {slot.of}" if slot.of else slot.role
        assert found.setdefault(key, law.dist) == law.dist, f"{key} differs between layers"
    return found


def stds(init: str, sizes: Dims, *, family: str | None = None) -> dict[str, float]:
    """Return the std of every random kind of slot; with ``family``, of those drawn from it."""
    found = promised(init, sizes)
    return {key: dist.std for key, dist in found.items() if dist.std and family in (None, dist.name)}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A law in numbers; ``std`` is that of the entries as drawn."""

    dist: str
    mean: float = 0.0
    std: float = 0.0
    mult: float = 1.0
    lr: float = 1.0
    wd: float = 1.0
    eps: float = 1.0
    train: bool = True
    joint: bool = False
    calibrated: bool = False

    @classmethod
    def of(cls, law: Law) -> "Start":
        dist = law.dist
        rest = {name: getattr(law, name) for name in ("mult", "lr", "wd", "eps", "train", "joint", "calibrated")}
        return cls(dist=dist.name, mean=dist.mean, std=dist.std, **rest)


def normal(std: float, **law: Any) -> Start:
    return Start(dist="normal", std=std, **law)


def uniform(std: float, **law: Any) -> Start:
    return Start(dist="uniform", std=std, **law)


def cut(sigma: float, at: float) -> Start:
    """A normal cut at ±``at`` sigmas; scipy knows what is left of its std."""
    return Start(dist="trunc-normal", std=sigma * float(truncnorm(-at, at).std()))


def orthogonal(std: float, **law: Any) -> Start:
    return Start(dist="orthogonal", std=std, **law)


def constant(mean: float, **law: Any) -> Start:
    return Start(dist="constant", mean=mean, **law)


def fixed(value: float) -> Start:
    return constant(value, train=False)


class Place(NamedTuple):
    """Where a slot is, and in which of the forms that every init is tried in."""

    layer: int = -1
    branch: int = -1
    tied: bool = True
    gated: bool = False

    @property
    def in_block(self) -> bool:
        return self.layer >= 0


Value: TypeAlias = "Start | Callable[[Place], Start | None] | None"


@dataclass(frozen=True)
class Golden:
    """What an init promises at 12 layers and width 768: kinds of slots that differ from GPT-2's, and the topology.

    Kinds are roles; what belongs to a matrix is ``bias of <role>``, ``matrix_scale of <role>``, ``scalar_bias of
    <role>``, and ``scalar_bias`` alone is the one before the activation. None: it does not exist.
    """

    laws: Mapping[str, Value] = field(default_factory=dict)
    topology: Mapping[str, Any] = field(default_factory=dict)
    tied: bool = True
    gated: bool = True
    """Whether it can be had with a gated MLP."""


def alike(kinds: Iterable[str], value: Value) -> dict[str, Value]:
    return dict.fromkeys(kinds, value)


def by_fan_in(rule: Callable[[int], Start]) -> dict[str, Value]:
    """Return every block's matrices by a rule of their fan-in: the MLP's hidden width for the way down."""
    return {role: rule(HIDDEN if role == "ffn_down" else WIDTH) for role in BLOCK}


def biases(rule: Callable[[int], Start]) -> dict[str, Value]:
    return {f"bias of {role}": value for role, value in by_fan_in(rule).items()}


NO_BIASES: dict[str, Value] = {"norm_bias": None, **{f"bias of {role}": None for role in BLOCK}}


def _default(kind: str) -> Start | None:
    """GPT-2's: weights N(.02), gains one, biases zero, no multiplier anywhere."""
    if kind in WEIGHTS or kind == "relative_position_bias":
        return normal(0.02)
    if kind == "norm_gain":
        return constant(1)
    return constant(0) if kind == "norm_bias" or kind.startswith("bias of") else None


def _matrix(name: str, role: str, place: Place, bias: bool) -> Iterator[tuple[str, str, Place]]:
    yield f"{name}.weight", role, place
    yield f"{name}.scale", f"matrix_scale of {role}", place
    if role not in TABLES:
        yield f"{name}.shift", f"scalar_bias of {role}", place
    if bias:
        yield f"{name}.bias", f"bias of {role}", place


def _possible(topology: Mapping[str, Any], bias: bool, form: Place) -> Iterator[tuple[str, str, Place]]:
    """Yield (name, kind, place) of everything that could exist."""
    norm_at, shifted = topology.get("norm_at", "pre"), bias and topology.get("norm") != "rmsnorm"
    parallel = topology.get("parallel", False)

    def norm(name: str, place: Place, wanted: bool) -> Iterator[tuple[str, str, Place]]:
        if wanted:
            yield f"{name}.weight", "norm_gain", place
        if wanted and shifted:
            yield f"{name}.bias", "norm_bias", place

    yield from _matrix("token_embedding", "token_embedding", form, False)
    positions = topology.get("positions", "learned")
    if positions == "learned":
        yield from _matrix("position_embedding", "position_embedding", form, False)
    if positions == "relative":
        yield "relative_position_bias.weight", "relative_position_bias", form
    if not form.tied:
        yield from _matrix("lm_head", "lm_head", form, False)
    yield "embed_scale.weight", "embed_scale", form
    yield "logit_scale.weight", "logit_scale", form
    yield from norm("embed_norm", form, topology.get("embed_norm", False))
    yield from norm("final_norm", form, norm_at not in ("post", "none"))
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        for half, side in enumerate(("attn", "ffn")):
            place = form._replace(layer=layer, branch=2 * layer + half)
            reads = not (parallel and side == "ffn")
            yield from norm(f"{block}.{side}.norm", place, norm_at == "pre" and reads)
            yield from norm(f"{block}.{side}.post_norm", place, norm_at == "post")
            yield from norm(f"{block}.{side}_sub_norm", place, topology.get("sub_norm", False))
            if reads:
                yield f"{block}.{side}.norm_scale.weight", "norm_scale", place
            yield f"{block}.{side}.skip_scale.weight", "skip_scale", place
            if not topology.get("shared_scales"):
                yield f"{block}.{side}.branch_scale.weight", "branch_scale", place
            for role in (*QKV, "attn_out") if side == "attn" else MLP:
                if form.gated or role != "ffn_gate":
                    yield from _matrix(f"{block}.{role}", role, place, bias)
            if side == "ffn":
                yield f"{block}.ffn_shift.weight", "scalar_bias", place
                continue
            yield f"{block}.attn_scale.weight", "attn_scale", place
            if topology.get("shared_scales"):
                yield f"{block}.branch_scale.weight", "branch_scale", place
            for which in ("query", "key"):
                yield from norm(f"{block}.{which}_norm", place, topology.get("qk_norm", False))


def expected(golden: Golden, *, tied: bool, gated: bool, bias: bool) -> dict[str, Start]:
    """Return every slot that exists, by name."""
    found = {}
    for name, kind, place in _possible(golden.topology, bias, Place(tied=tied, gated=gated)):
        rule = golden.laws[kind] if kind in golden.laws else _default(kind)
        start = rule(place) if callable(rule) else rule
        if start is not None:
            found[name] = start
    return found


def assert_golden(init: str, golden: Golden) -> None:
    """An init keeps its golden promises tied and untied, gated and not, with biases and without."""
    for tied, gated, bias in product((None, True, False), (False, True) if golden.gated else (False,), (True, False)):
        model = ModelSpec(n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, block_size=CONTEXT, tied=tied, bias=bias)
        blueprint = blueprint_for(model, init, "swiglu" if gated else "gelu", VOCABULARY)
        asked = golden.tied if tied is None else tied
        assert blueprint.dims.tied == asked
        plain = ModelSpec(n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH)
        gpt2 = blueprint_for(plain, "gpt2", "gelu", VOCABULARY).topology
        changed = {k: v for k, v in asdict(blueprint.topology).items() if v != asdict(gpt2)[k]}
        assert changed == golden.topology
        promised = expected(golden, tied=asked, gated=gated, bias=bias)
        found = {slot.name: Start.of(law) for slot, law in blueprint.laws}
        assert sorted(found) == sorted(promised)
        wrong = {name: (found[name], promised[name]) for name in found if not _close(found[name], promised[name])}
        assert not wrong, next(iter(wrong.items()))
        channels = (WIDTH,) if golden.topology.get("channel_scales") else ()
        for slot, _ in blueprint.laws:
            if slot.is_extra:
                assert slot.shape == (channels if slot.role in ("skip_scale", "branch_scale") else ()), slot.name


def _close(found: Start, promised: Start) -> bool:
    """Equal, numbers up to a few roundings of float64."""
    return asdict(found) == {
        key: value if isinstance(value, bool | str) else pytest.approx(value, rel=1e-12, abs=0)
        for key, value in asdict(promised).items()
    }
