"""What a small proxy hides: an init's growth at its sizes against its growth at those the proxy stands for.

A fixed std gives a narrow network matrices with less gain than a wide one has (gain = width · std²), so its branches
are quiet and every init looks alike.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from initlab.inits.catalogue import Init, blueprint_for, resolve
from initlab.network.blueprint import Blueprint
from initlab.network.slots import FFN_UP
from initlab.predictions.inputs import PredictionInput
from initlab.spec.run import ModelSpec, nearest_divisor, with_sizes
from initlab.theory.from_laws import Unpredictable

WIDE = 768
"""Width that a hint compares with where no target is named: GPT-2's smallest."""

NARROW = 256
"""Widths from here on get no hint."""

NOTICEABLE = 1.5
"""Least factor between the growths of proxy and target that a hint is printed for."""


@dataclass(frozen=True)
class SizePrediction:
    """What theory expects at some sizes: growth, and what the last layer's attention and MLP add (second moments).

    ``sizes`` names them for people: ``4 × 128`` is four layers, 128 wide.
    """

    sizes: str
    growth: float
    attn_ms: float
    mlp_ms: float


@dataclass(frozen=True)
class ScaleUp:
    """One init and activation at the sizes of a proxy and at those of its target.

    ``offer`` names an init that gives the proxy's matrices the gains they have at the target, with the parameters it
    needs, and ``offered`` what theory expects of it at the proxy's sizes; both are None where the init's laws follow
    the width by themselves.
    """

    init: str
    activation: str
    proxy: SizePrediction
    target: SizePrediction
    offer: str | None = None
    offered: SizePrediction | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the stored document; proxy and target are ``here`` and ``there`` in it."""
        return {
            "init": self.init,
            "activation": self.activation,
            "here": asdict(self.proxy),
            "there": asdict(self.target),
            "offer": self.offer,
            "offered": None if self.offered is None else asdict(self.offered),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ScaleUp":
        """Return the value that ``to_json`` made a document of."""
        return cls(
            document["init"],
            document["activation"],
            SizePrediction(**document["here"]),
            SizePrediction(**document["there"]),
            document["offer"],
            None if document["offered"] is None else SizePrediction(**document["offered"]),
        )

    def describe(self) -> str:
        """Return what a person should know, in a line."""
        growths = (
            f"{self.init} · {self.activation}: growth ×{self.proxy.growth:.3g} at {self.proxy.sizes}, "
            f"×{self.target.growth:.3g} at {self.target.sizes}; the last MLP adds {self.proxy.mlp_ms:.2g} here, "
            f"{self.target.mlp_ms:.2g} there."
        )
        if self.offer is None or self.offered is None:
            return growths
        return (
            f"{growths} With its std carried over: {self.offer} (growth ×{self.offered.growth:.3g}, "
            f"the last MLP adds {self.offered.mlp_ms:.2g})."
        )


def at_target(model: ModelSpec, target: Mapping[str, int]) -> ModelSpec:
    """Return the model at the target's sizes; heads keep their width where the target does not count them.

    Raises InitlabError for a target that is no model.
    """
    sizes = dict(target)
    if "n_embd" in sizes and "n_head" not in sizes:
        sizes["n_head"] = _heads(sizes["n_embd"], model.n_embd // model.n_head)
    return with_sizes(model, sizes, "--target")


def scale_up(case: PredictionInput, model: ModelSpec, target: Mapping[str, int]) -> ScaleUp | None:
    """Return what the case's init would do at the target; None of what theory cannot predict.

    Raises InitlabError for a target that is no model, or that the init cannot be applied to.
    """
    init = resolve(case.blueprint.init)
    larger = at_target(model, target)
    vocab = case.blueprint.dims.vocab_size
    try:
        at_larger = replace(case, blueprint=blueprint_for(larger, init.name, case.activation, vocab))
        plain = ScaleUp(init.name, case.activation, _at_size(case, model), _at_size(at_larger, larger))
        if larger.n_embd == model.n_embd or follows_width(case.blueprint, model, init.name, case.activation):
            return plain
        offer = _corrected(init, larger.n_embd / model.n_embd)
        if offer is None:
            return plain
        corrected = replace(case, blueprint=blueprint_for(model, offer, case.activation, vocab))
        return replace(plain, offer=offer, offered=_at_size(corrected, model))
    except (Unpredictable, ArithmeticError, ValueError):  # or numbers that a float does not hold
        return None


def follows_width(blueprint: Blueprint, model: ModelSpec, init: str, activation: str) -> bool:
    """Whether the init's laws know the width: the first MLP matrix has another std in a network twice as wide."""
    double = {"n_embd": 2 * model.n_embd}
    wider = blueprint_for(with_sizes(model, double, "twice the width"), init, activation, blueprint.dims.vocab_size)
    return not math.isclose(_up_std(wider), _up_std(blueprint), rel_tol=1e-6)


def hint(case: PredictionInput, model: ModelSpec) -> str | None:
    """Return one line for a narrow proxy of an init whose std does not follow the width, None where there is no
    need of one."""
    if model.n_embd >= NARROW:
        return None
    try:
        wide = scale_up(case, model, {"n_embd": WIDE})
    except Exception:  # a width that this init cannot have, or theory's own failure: a sweep needs its runs, no hint
        return None
    if wide is None or wide.offer is None:
        return None
    factor = wide.target.growth / wide.proxy.growth
    if max(factor, 1 / factor) < NOTICEABLE:
        return None
    return (
        f"{wide.init} grows ×{wide.proxy.growth:.3g} at width {model.n_embd}, ×{wide.target.growth:.3g} at width "
        f"{WIDE}: its std does not follow the width (--target n_embd={WIDE} says more)"
    )


def _corrected(init: Init, ratio: float) -> str | None:
    """Return the init with its std times √(target width / width), None where it has no std of its own."""
    std = init.parameters.get("std")
    if not isinstance(std, float) or std == 0:
        return None
    parameters = {**init.parameters, "std": float(f"{std * math.sqrt(ratio):.4g}")}
    changed = {key: value for key, value in parameters.items() if value != init.entry.parameters[key]}
    return init.name.partition(":")[0] + ":" + ",".join(f"{key}={value}" for key, value in sorted(changed.items()))


def _at_size(case: PredictionInput, model: ModelSpec) -> SizePrediction:
    prediction = case.predict("closed form")
    sizes = f"{model.n_layer} × {model.n_embd}"
    return SizePrediction(sizes, prediction.growth, prediction.attn_ms[-1], prediction.mlp_ms[-1])


def _up_std(blueprint: Blueprint) -> float:
    return next(law.mult * law.dist.std for slot, law in blueprint.laws if slot.role == FFN_UP)


def _heads(width: int, head_size: int) -> int:
    """Return the number of heads nearest to that of heads of this size that divides the width."""
    return nearest_divisor(width, width / head_size)
