"""How cells are named in tables, figures and messages: ``gpt2 · gelu · n_layer=4``."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SEPARATOR = " · "


def short(path: str) -> str:
    """Return a field's own name: ``n_layer`` of ``model.n_layer``."""
    return path.rpartition(".")[2]


def join_label(names: Iterable[str], fields: Mapping[str, Any]) -> str:
    """Return names and fields on one line: ``gpt2 · gelu · n_layer=4``."""
    return SEPARATOR.join([*names, *(f"{short(path)}={value}" for path, value in fields.items())])


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels, those that stand twice with their number: two fields may differ and read alike."""
    seen = Counter(labels)
    return [label if seen[label] == 1 else f"{label} (cell {index})" for index, label in enumerate(labels)]


def list_labels(labels: Sequence[str]) -> str:
    """Return the first three labels for a message, and how many more there are."""
    rest = len(labels) - 3
    return "; ".join(labels[:3]) + (f"; and {rest} more" if rest > 0 else "")
