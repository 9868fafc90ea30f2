"""``--plugin``, for every command that names what plug-ins may add, and the warning about broken ones."""

from typing import Annotated, Any, TypeAlias

import typer

from initlab.cli.console import stderr
from initlab.plugins.loading import PLUGIN_KINDS, load_plugin
from initlab.plugins.registry import Registry

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


def load_plugins(plugins: list[str] | None) -> None:
    """Load what ``--plugin`` named; raises InitlabError for one that cannot be."""
    for plugin in plugins or []:
        load_plugin(plugin)


def name_broken(registry: Registry[Any]) -> None:
    """Say on stderr which installed plug-ins are skipped, and why."""
    registry.items()
    for reason in registry.broken.values():
        stderr().print(f"[yellow]skipped:[/] {_plain(reason)}", soft_wrap=True)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
