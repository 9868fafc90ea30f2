"""``--plugin``, for every command that names what plug-ins may add, and the warning about broken ones."""

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer
from rich.markup import escape

from initlab.api.listing import PLUGIN_KINDS
from initlab.cli.console import stderr

Plugins: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py:NAME",
        help=f"your own {', '.join(PLUGIN_KINDS[:-1])} or {PLUGIN_KINDS[-1]}, from a file or as package.module:NAME; "
        "may be repeated",
        show_default=False,
    ),
]


def say_skipped(reasons: Iterable[str]) -> None:
    """Say on stderr which installed plug-ins cannot be used, and why."""
    for reason in reasons:
        stderr().print(f"[yellow]skipped:[/] {escape(reason)}", soft_wrap=True)
