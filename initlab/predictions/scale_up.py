"""What a small proxy hides: an init's growth here against its growth at the sizes the proxy stands for.

A fixed std gives a narrow network matrices with less gain than a wide one has (gain = width · std²), so its branches
are quiet and every init looks alike.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from initlab.errors import InitlabError
from initlab.inits.catalogue import Init, blueprint_for, resolve
from initlab.network.blueprint import Blueprint
from initlab.predictions.inputs import Case
from initlab.spec.run import ModelSpec, resized
from initlab.theory.from_laws import Unpredictable
from initlab.theory.prediction import Prediction

WIDE = 768
"""Width that a hint compares with where no target is named: GPT-2's smallest."""

NARROW = 256
"""Widths from here on get no hint."""

WORTH_A_WORD = 1.5
"""Least factor between the growths, here and there, that a hint is printed for."""


@dataclass(frozen=True)
class Outlook:
    """One init and activation: ``here`` and ``there`` are growths and the layers' last branch moments.

    ``offer`` names an init that gives a proxy's matrices the gains they have at the target, with the flags it needs,
    and ``offered`` its growth here; both are None where the init's laws follow the width by themselves.
    """

    init: str
    activation: str
    here: "Size"
    there: "Size"
    offer: str | None = None
    offered: "Size | None" = None

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Outlook":
        """Return the outlook that ``to_json`` made a document of."""
        sizes = {name: Size(**stored[name]) for name in ("here", "there", "offered") if stored[name] is not None}
        return cls(**{**stored, **sizes})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Size:
    """Sizes in words, growth, and what the last layer's attention and MLP add (second moments)."""

    sizes: str
    growth: float
    attn_ms: float
    mlp_ms: float


def at_target(model: ModelSpec, target: dict[str, int]) -> ModelSpec:
    """Return the model at the target's sizes; heads keep their width where the target does not count them.

    Raises InitlabError for a target that is no model.
    """
    sizes = dict(target)
    if "n_embd" in sizes and "n_head" not in sizes:
        sizes["n_head"] = _heads(sizes["n_embd"], model.n_embd // model.n_head)
    return resized(model, sizes, "--target")


def outlook(case: Case, model: ModelSpec, target: dict[str, int]) -> Outlook | None:
    """Return what the case's init would do at the target; None of what theory cannot predict."""
    found = resolve(case.blueprint.init)
    larger = at_target(model, target)
    vocab = case.blueprint.dims.vocab_size
    try:
        here = _size(case, model)
        there = _size(_with(case, blueprint_for(larger, found.name, case.activation, vocab)), larger)
        if larger.n_embd == model.n_embd or follows_width(case.blueprint, model, found.name, case.activation):
            return Outlook(found.name, case.activation, here, there)
        offer = _corrected(found, larger.n_embd / model.n_embd)
        if offer is None:
            return Outlook(found.name, case.activation, here, there)
        fixed = _with(case, blueprint_for(model, offer, case.activation, vocab))
        return Outlook(found.name, case.activation, here, there, offer, _size(fixed, model))
    except Unpredictable:
        return None


def follows_width(blueprint: Blueprint, model: ModelSpec, init: str, activation: str) -> bool:
    """Whether the init's laws know the width: the first MLP matrix has another std in a network twice as wide."""
    double = {"n_embd": 2 * model.n_embd}
    wider = blueprint_for(resized(model, double, "twice the width"), init, activation, blueprint.dims.vocab_size)
    return not math.isclose(_up_std(wider), _up_std(blueprint), rel_tol=1e-6)


def words(one: Outlook) -> str:
    """Return what a person should know, in a line."""
    said = (
        f"{one.init} · {one.activation}: growth ×{one.here.growth:.3g} at {one.here.sizes}, "
        f"×{one.there.growth:.3g} at {one.there.sizes}; the last MLP adds {one.here.mlp_ms:.2g} here, "
        f"{one.there.mlp_ms:.2g} there."
    )
    if one.offer is None or one.offered is None:
        return said
    return (
        f"{said} With its std carried over: {one.offer} (growth ×{one.offered.growth:.3g}, the last MLP adds "
        f"{one.offered.mlp_ms:.2g})."
    )


def hint(case: Case, model: ModelSpec) -> str | None:
    """Return one line for a narrow proxy of an init whose std does not follow the width, None where there is no
    need of one."""
    if model.n_embd >= NARROW:
        return None
    try:
        found = outlook(case, model, {"n_embd": WIDE})
    except InitlabError:
        return None
    if found is None or found.offer is None:
        return None
    factor = found.there.growth / found.here.growth
    if max(factor, 1 / factor) < WORTH_A_WORD:
        return None
    return (
        f"{found.init} grows ×{found.here.growth:.3g} at width {model.n_embd}, ×{found.there.growth:.3g} at width "
        f"{WIDE}: its std does not follow the width (--target n_embd={WIDE} says more)"
    )


def _corrected(found: Init, ratio: float) -> str | None:
    """Return the init with its std times √(target width / width), None where it has no std of its own."""
    std = found.parameters.get("std")
    if not isinstance(std, float) or std == 0:
        return None
    name, given = found.entry, {**found.parameters, "std": float(f"{std * math.sqrt(ratio):.4g}")}
    changed = {key: value for key, value in given.items() if value != name.parameters[key]}
    return found.name.partition(":")[0] + ":" + ",".join(f"{key}={value}" for key, value in sorted(changed.items()))


def _size(case: Case, model: ModelSpec) -> Size:
    expected: Prediction = case.predict("closed form")
    return Size(_sizes(model), expected.growth, expected.attn_ms[-1], expected.mlp_ms[-1])


def _sizes(model: ModelSpec) -> str:
    return f"{model.n_layer} × {model.n_embd}"


def _with(case: Case, blueprint: Blueprint) -> Case:
    return replace(case, blueprint=blueprint)


def _up_std(blueprint: Blueprint) -> float:
    return next(law.mult * law.dist.std for slot, law in blueprint.laws if slot.role == "ffn_up")


def _heads(width: int, head_size: int) -> int:
    """Return the number of heads nearest to that of heads of this size that divides the width."""
    wanted = width / head_size
    return min((n for n in range(1, width + 1) if width % n == 0), key=lambda n: abs(n - wanted))
