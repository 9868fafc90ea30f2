"""The words inits are written in: law functions from distributions, and functions that change a law function."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from initlab.inits.strategy import LawFunction
from initlab.network.laws import ONES, ZEROS, Constant, Dist, Law, Normal, scale
from initlab.network.slots import BIAS, NORM_BIAS, NORM_GAIN, RELATIVE_POSITION_BIAS, Slot

Rule: TypeAlias = "Law | Dist | Callable[[Slot], Law | Dist | None] | None"
"""What a role starts as: a law, a distribution of an otherwise plain law, None (it does not exist), or a function of
the slot that returns one."""
Rules: TypeAlias = "dict[str, Rule]"
"""A rule for every role that is not like the rest."""
Where: TypeAlias = Callable[[Slot], bool]
Factor: TypeAlias = Callable[[Slot], float]


def weights(dist: Callable[[Slot], Dist], *, biases: Callable[[Slot], Dist] = lambda slot: ZEROS) -> LawFunction:
    """Return the law that gives weights and embeddings ``dist(slot)``, linear biases ``biases(slot)``.

    Norms start as the identity: gains 1, biases 0. Multipliers and scalar biases do not exist.
    """

    def law(slot: Slot) -> Law | None:
        if slot.is_extra:
            return None
        if slot.is_weight or slot.role == RELATIVE_POSITION_BIAS:
            return Law(dist=dist(slot))
        if slot.role == BIAS:
            return Law(dist=biases(slot))
        return Law(dist=ONES if slot.role == NORM_GAIN else ZEROS)

    return law


def normal(std: float) -> LawFunction:
    """Return the law of GPT-2's code: every weight N(0, std²), every bias zero."""
    return weights(lambda slot: Normal(std))


def override(base: LawFunction, rules: Mapping[str, Rule]) -> LawFunction:
    """Return ``base`` with some roles' rules replaced. A tied tensor follows its first role, token_embedding."""

    def law(slot: Slot) -> Law | None:
        if slot.role not in rules:
            return base(slot)
        rule = rules[slot.role]
        outcome = rule(slot) if callable(rule) else rule
        return outcome if outcome is None or isinstance(outcome, Law) else Law(dist=outcome)

    return law


def for_each(roles: Iterable[str], rule: Rule) -> Rules:
    """Return one rule for each of these roles, to be given to :func:`override` or unpacked among others."""
    return dict.fromkeys(roles, rule)


def fixed(value: float) -> Law:
    """Return the law of a multiplier that never moves."""
    return Law(dist=Constant(value), train=False)


def trained(value: float) -> Law:
    """Return the law of a multiplier that is learnt from a starting value."""
    return Law(dist=Constant(value))


def scaled(base: LawFunction, where: Where, factor: Factor) -> LawFunction:
    """Return ``base`` with the draws of the slots ``where`` holds multiplied by ``factor(slot)``."""

    def change(slot: Slot, law: Law) -> Law:
        return replace(law, dist=scale(law.dist, factor(slot)))

    return changed(base, where, change)


def changed(base: LawFunction, where: Where, change: Callable[[Slot, Law], Law]) -> LawFunction:
    """Return ``base`` with the laws of the slots ``where`` holds passed through ``change(slot, law)``."""

    def law(slot: Slot) -> Law | None:
        unchanged = base(slot)
        return unchanged if unchanged is None or not where(slot) else change(slot, unchanged)

    return law


def without_biases(base: LawFunction) -> LawFunction:
    """Return ``base`` for networks in which no matrix and no norm has a bias."""
    return override(base, {BIAS: None, NORM_BIAS: None})


def role_in(*roles: str) -> Where:
    """Return whether a slot has one of these roles."""
    return lambda slot: slot.role in roles


def writes_residual(slot: Slot) -> bool:
    return slot.writes_residual


def inv_sqrt_2l(slot: Slot) -> float:
    """1/√(2L): one over the root of the number of residual branches."""
    return 1 / math.sqrt(2 * slot.dims.n_layer)


def inv_sqrt_layer(slot: Slot) -> float:
    """1/√(2(l+1)): one over the root of the number of residual branches up to and with this layer."""
    if slot.layer is None:
        raise ValueError(f"{slot.name} is in no layer")
    return 1 / math.sqrt(2 * (slot.layer + 1))


def inv_sqrt_fan_in(slot: Slot) -> float:
    return 1 / math.sqrt(slot.fan_in)


def inv_sqrt_width(slot: Slot) -> float:
    return 1 / math.sqrt(slot.dims.n_embd)


def root_width(slot: Slot) -> Law:
    """A fixed multiplier of √width."""
    return fixed(math.sqrt(slot.dims.n_embd))
