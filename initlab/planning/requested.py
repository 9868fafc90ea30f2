"""The sweep that a command, or a call from Python, asks for: a spec file, fields beside it, or the quickstart."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import initlab
from initlab.spec.sweep import SweepSpec, check_name, override, read_spec

DEFAULT_SEEDS = (0, 1, 2)
"""Seeds of a sweep that no spec file describes."""


def requested_spec(
    path: Path | None = None, axes: Mapping[str, list[Any]] | None = None, name: str | None = None
) -> SweepSpec:
    """Return the spec at ``path`` with the ``axes`` given beside it, by path of the field, in place of its own.

    Axes alone are a sweep over three seeds; nothing at all is the built-in quickstart. Raises InitlabError for a spec
    that cannot be read, or a name that is none for a folder.
    """
    check_name(name, "--name")
    fields = dict(axes or {})
    if path is not None:
        spec = read_spec(path)
    elif fields:
        spec = SweepSpec()
        fields.setdefault("seed", list(DEFAULT_SEEDS))
    else:
        spec = read_spec(quickstart())
    spec = override(spec, fields)
    return spec if name is None else replace(spec, name=name, overridden=True)


def quickstart() -> Path:
    """Return the built-in sweep: packaged with initlab, or beside it in a checkout."""
    package = Path(initlab.__file__).parent
    packaged = package / "quickstart.toml"
    return packaged if packaged.exists() else package.parent / "experiments" / "quickstart" / "sweep.toml"
