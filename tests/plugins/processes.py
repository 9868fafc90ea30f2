"""What another process would have loaded."""

import sys
from pathlib import Path

from initlab.inits.catalogue import blueprint_for
from initlab.plugins import loading
from initlab.plugins.registry import registries


def forget(file: Path) -> None:
    """Make this process one that has not loaded the plug-in file."""
    loading._loaded.clear()
    sys.modules.pop(str(file), None)
    for registry in registries():
        registry.forget_failed()
    blueprint_for.cache_clear()
