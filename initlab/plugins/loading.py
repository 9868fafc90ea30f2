"""Code of the user's own, named on the command line: ``--plugin path/to/file.py:obj`` or ``--plugin pkg.mod:obj``.

Importing it registers what it holds; ``obj`` says what it is expected to hold. Nothing but ``--plugin`` runs code
from a path: a spec file names what is registered.
"""

import importlib
import sys
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from initlab.errors import InitlabError, did_you_mean
from initlab.plugins.registry import Registry, importing, registries

PLUGIN_KINDS = ("init", "activation", "optimizer", "probe", "corpus", "launcher", "adapter")
"""What a plug-in may register: kinds of registries that have entry points, each with a decorator of its name."""

_loaded: dict[str, ModuleType] = {}


class _FreshLoader(SourceFileLoader):
    """Always compiles: cached bytecode would hide a change within one second, and litter the user's folder."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("no cache")


def load_plugin(text: str) -> str:
    """Import a plug-in and return its text as another process can load it, with an absolute path.

    Loading it again does nothing. Raises InitlabError naming it where there is no such file, module or attribute,
    where importing it raises, and where the attribute is nothing that was registered.
    """
    target, colon, name = text.rpartition(":")
    if not (colon and target and name):
        raise InitlabError(f"--plugin {text}: expected path/to/file.py:name or package.module:name")
    by_path = target.endswith(".py") or "/" in target
    if by_path:
        try:
            target = str(Path(target).expanduser().resolve())
        except (OSError, ValueError, RuntimeError) as error:  # NUL, too long, a loop of links, a user that is none
            raise InitlabError(f"--plugin {text}: {error}") from error
    canonical = f"{target}:{name}"
    if canonical not in _loaded:
        with importing(f"--plugin {text} cannot be loaded"):
            module = _file_module(Path(target)) if by_path else importlib.import_module(target)
        _check_registered(module, name, text)
        _loaded[canonical] = module
    return canonical


def load_plugins(texts: Iterable[str]) -> None:
    """Import plug-ins in turn, or the one that a text names; raises InitlabError for the first that cannot be."""
    for text in [texts] if isinstance(texts, str) else texts:
        load_plugin(text)


def loaded_plugins() -> tuple[str, ...]:
    """Return what ``load_plugin`` has loaded into this process, for another one to load."""
    return tuple(_loaded)


def _file_module(path: Path) -> ModuleType:
    """Import a file as a module named by its path, so that two files of one name are two modules."""
    name = str(path)
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise InitlabError(f"no such file: {path}")
    spec = spec_from_file_location(name, path, loader=_FreshLoader(name, name))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _check_registered(module: ModuleType, name: str, text: str) -> None:
    registered = [key for key, value in vars(module).items() if _registered(value)]
    if not hasattr(module, name):
        raise InitlabError(f"--plugin {text}: {module.__name__} has no attribute {name!r}{_hint(name, registered)}")
    entry = _registered(getattr(module, name))
    if entry is None:
        *most, last = (f"@{kind}" for kind in PLUGIN_KINDS)
        raise InitlabError(
            f"--plugin {text}: {name} is registered as nothing; decorate it with {', '.join(most)} or {last}"
            f"{_hint(name, registered)}"
        )
    registry, registered_name = entry
    registry.check_unique(registered_name)


def _hint(name: str, registered: list[str]) -> str:
    return did_you_mean(name, registered) if registered else "; it registers nothing"


def _registered(value: object) -> tuple[Registry[Any], str] | None:
    """Return the registry that holds a value, and under which name."""
    names = ((registry, registry.name_of(value)) for registry in registries())
    return next(((registry, name) for registry, name in names if name is not None), None)
