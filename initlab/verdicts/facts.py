"""Claims that need no training: what an init's laws say, and what holds where nobody says otherwise.

Laws are looked at for two real sizes, so that a number that happens to fit one of them is not taken for a rule.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from initlab.errors import InitlabError, did_you_mean
from initlab.inits.as_source import sourced
from initlab.inits.catalogue import blueprint_for
from initlab.network.blueprint import Blueprint
from initlab.network.laws import Law
from initlab.network.slots import LM_HEAD, Role, Slot
from initlab.network.topology import GPT2_VOCABULARY, Dims
from initlab.results.reading import Scalar
from initlab.spec.run import ModelSpec, RunSpec
from initlab.verdicts.statement import DefaultFact, LawFact, SizeFactor

SIZES: tuple[dict[str, Scalar], ...] = (
    {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024},
    {"n_layer": 24, "n_head": 16, "n_embd": 1024, "block_size": 1024},
)
"""GPT-2 small and medium (Radford et al. 2019, table 2)."""

FACTORS: dict[SizeFactor, Callable[[Dims], float]] = {
    "1/sqrt(2*n_layer)": lambda dims: 1 / math.sqrt(2 * dims.n_layer),
    "1/sqrt(n_layer)": lambda dims: 1 / math.sqrt(dims.n_layer),
    "sqrt(2/n_layer)": lambda dims: math.sqrt(2 / dims.n_layer),
    "1/sqrt(n_embd)": lambda dims: 1 / math.sqrt(dims.n_embd),
}


@dataclass(frozen=True)
class Fact:
    """Whether it holds, the measured value and the expected one (of the first slot that decides), and how many slots
    were looked at."""

    holds: bool
    value: Any
    expected: Any
    looked_at: int
    description: str


def law_fact(statement: LawFact) -> Fact:
    """Look at the laws. Raises InitlabError for an init or role that does not exist, or sizes that cannot be."""
    for role in statement.roles:
        if role not in get_args(Role):
            raise InitlabError(f"no role {role!r}{did_you_mean(role, get_args(Role))}")
    tables = [_blueprint(statement.init, {**size, **statement.model}) for size in SIZES]
    slots = [(slot, law) for table in tables for slot, law in table.laws if slot.role in statement.roles]
    if statement.exists is not None:
        return _existence(statement, slots, sum(len(table.laws) for table in tables))
    if not slots:
        raise InitlabError(f"{statement.init} has no slot of role {' or '.join(statement.roles)}")
    if statement.same_as is not None:
        return _likeness(statement, slots)
    return _rule(statement, slots)


def default_fact(statement: DefaultFact) -> Fact:
    """Look at a default. Raises InitlabError for a field that does not exist."""
    value: Any = RunSpec()
    for part in statement.field.split("."):
        known = set(type(value).model_fields) if isinstance(value, BaseModel) else set()
        if part not in known:
            raise InitlabError(f"no field {statement.field!r}{did_you_mean(part, known)}")
        value = getattr(value, part)
    description = f"{statement.field} is {value!r} where nobody says otherwise"
    return Fact(value == statement.equals, _plain(value), statement.equals, 1, description)


def _blueprint(init: str, model: dict[str, Scalar]) -> Blueprint:
    try:
        asked, activation = sourced(ModelSpec.model_validate(model), init)
        return blueprint_for(asked, init, activation, GPT2_VOCABULARY)
    except ValueError as error:
        raise InitlabError(f"model = {model}: {error}") from error


def _existence(statement: LawFact, slots: list[tuple[Slot, Law]], total: int) -> Fact:
    description = f"{len(slots)} of {total} slots are {' or '.join(statement.roles)}, at {_sizes()}"
    return Fact(bool(slots) == statement.exists, float(len(slots)), statement.exists, total, description)


def _likeness(statement: LawFact, slots: list[tuple[Slot, Law]]) -> Fact:
    """Whether all slots have the laws that one of several inits gives them."""
    differing = []
    for name in statement.same_as or ():
        theirs = {
            (s.name, s.dims): law for size in SIZES for s, law in _blueprint(name, {**size, **statement.model}).laws
        }
        wrong = [(slot, law, theirs.get((slot.name, slot.dims))) for slot, law in slots]
        wrong = [(slot, law, other) for slot, law, other in wrong if law != other]
        if not wrong:
            return Fact(
                True, _value(*slots[0], "std"), None, len(slots), f"the same laws as {name} in {len(slots)} slots"
            )
        differing.append((name, *wrong[0]))
    name, slot, law, other = differing[0]
    description = "; ".join(
        f"{s.name} {_describe_law(mine)}, in {n} {_describe_law(their)}" for n, s, mine, their in differing
    )
    return Fact(
        False, law.dist.std, other.dist.std if other else None, len(slots), f"{description} (at {_sizes(slot.dims)})"
    )


def _rule(statement: LawFact, slots: list[tuple[Slot, Law]]) -> Fact:
    """Whether a field of every slot is what a rule says."""
    entries = [(slot, _value(slot, law, statement.field), _expected(statement, slot.dims)) for slot, law in slots]
    wrong = [entry for entry in entries if not _fits(entry[1], entry[2])]
    slot, value, expected = (wrong or entries)[0]
    stated = " to ".join(map(_text, expected)) if isinstance(expected, list) else _text(expected)
    description = f"{statement.field} of {slot.name} is {_text(value)} at {_sizes(slot.dims)}, stated {stated}"
    description += (
        f"; wrong in {len(wrong)} of {len(entries)} slots" if wrong else f"; right in all {len(entries)} slots"
    )
    return Fact(not wrong, _plain(value), expected, len(entries), description)


def _value(slot: Slot, law: Law, field: str) -> Any:
    if field == "tied":
        return LM_HEAD in slot.aliases
    return law.to_json()[field]


def _expected(statement: LawFact, dims: Dims) -> Any:
    if statement.between is not None:
        return statement.between
    if statement.times is None or isinstance(statement.equals, bool | str) or statement.equals is None:
        return statement.equals
    return statement.equals * FACTORS[statement.times](dims)


def _fits(value: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return value is not None and expected[0] <= value <= expected[1]
    if isinstance(expected, float | int) and not isinstance(expected, bool) and value is not None:
        return math.isclose(value, expected, rel_tol=1e-12)
    return bool(value == expected)


def _describe_law(law: Law | None) -> str:
    return "no such slot" if law is None else f"{law.dist.name} std {law.dist.std:.6g}"


def _sizes(dims: Dims | None = None) -> str:
    """Return the size that a number is of, or all that were looked at."""
    if dims is not None:
        return f"{dims.n_layer} layers of {dims.n_embd}"
    return " and ".join(_names(SIZES))


def _names(sizes: Iterable[dict[str, Scalar]]) -> list[str]:
    return [f"{size['n_layer']} layers of {size['n_embd']}" for size in sizes]


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)
