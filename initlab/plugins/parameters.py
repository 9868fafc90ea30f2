"""Text that names a registered entry and sets its own parameters: ``name`` or ``name:key=value,key=value``.

Each parameter has a default, and the default's type is the type that a value must have.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING
from inspect import Parameter
from typing import Any

from initlab.errors import InitlabError, did_you_mean

TYPES = {float: "number", int: "whole number", bool: "bool", str: "text"}
"""The types that a default may have, as messages name them."""

_NUMBER = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?|[+-]?(inf|nan)")
"""As people write numbers; Python reads 1_0 as ten, and the digits of every script."""

NO_DEFAULT = (MISSING, Parameter.empty)
"""How dataclasses and signatures say that there is none."""


def split_name(text: str) -> tuple[str, str]:
    """Return the name and the text of the parameters, empty where there are none."""
    name, _, rest = text.partition(":")
    return name.strip(), rest


def check_defaults(where: str, defaults: Mapping[str, Any], hint: str = "") -> None:
    """Raise InitlabError where a parameter has no default, or one that no text can set; ``hint`` ends the message."""
    for key, default in defaults.items():
        if type(default) not in TYPES:
            got = "none" if any(default is none for none in NO_DEFAULT) else f"a {type(default).__name__}"
            raise InitlabError(f"{where}: expected a number, a bool or text as the default of {key}, got {got}{hint}")


def parse_parameters(
    kind: str,
    text: str,
    name: str,
    defaults: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """Return the parameters that ``text`` sets, by name, each of its default's type.

    ``kind`` and the registered ``name`` are for messages; ``choices`` are the legal values where there are a few.
    Raises InitlabError for an unknown key, a key given twice, or a value of the wrong type, with the nearest right
    thing.
    """
    given: dict[str, Any] = {}
    for item in (part.strip() for part in split_name(text)[1].split(",")) if ":" in text else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise InitlabError(f"{kind} {text!r}: expected key=value after the colon, got {item!r}")
        if key not in defaults:
            hint = did_you_mean(key, defaults) if defaults else "; it has none"
            raise InitlabError(f"{kind} {text!r}: {name} has no parameter {key!r}{hint}")
        if key in given:
            raise InitlabError(f"{kind} {text!r}: {key} is given twice")
        given[key] = _typed(f"{kind} {text!r}", key, value, type(defaults[key]), (choices or {}).get(key))
    return given


def canonical_text(name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return the one text of a name with parameters: those that differ from their defaults, sorted."""
    changed = sorted((key, value) for key, value in given.items() if value != defaults[key])
    return name + (":" + ",".join(f"{key}={value}" for key, value in changed) if changed else "")


def _typed(where: str, key: str, value: str, kind: type, choices: tuple[str, ...] | None) -> Any:
    if choices is not None and value not in choices:
        raise InitlabError(f"{where}: no {key} {value!r}{did_you_mean(value, choices)}")
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        if kind is not str and not _NUMBER.fullmatch(value):
            raise ValueError(value)
        typed = kind(value)
    except (ValueError, KeyError) as error:
        expected = "true or false" if kind is bool else f"a {TYPES[kind]}"
        raise InitlabError(f"{where}: expected {expected} as {key}, got {value!r}") from error
    if isinstance(typed, float | int) and not 0 <= typed <= sys.float_info.max:
        raise InitlabError(f"{where}: expected a finite number that is not negative as {key}, got {value!r}")
    return typed


def split_names(text: str) -> list[str]:
    """Split a list of names whose parameters hold commas too: ``a:x=1,y=2,b`` is ``a:x=1,y=2`` and ``b``."""
    names: list[str] = []
    for piece in (part.strip() for part in text.split(",")):
        if names and "=" in piece and ":" not in piece:
            names[-1] += f",{piece}"
        else:
            names.append(piece)
    return names
