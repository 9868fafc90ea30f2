"""Plug-ins for tests: packages as an installer leaves them, and a registry for them to register in."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.adapter import ADAPTERS
from initlab.data.corpora import CORPORA
from initlab.inits.catalogue import INITS, blueprint_for
from initlab.launchers.launcher import LAUNCHERS
from initlab.optimizers.rules import OPTIMIZERS
from initlab.plugins import loading as plugins
from initlab.plugins.registry import Registry
from initlab.probes.reductions import PROBES

Fruit = Callable[..., object]
FRUIT: Registry[Fruit] = Registry("fruit", code=lambda entry: entry, entry_points="tests.fruit")

FRUIT_MODULE = """
from tests.installing import FRUIT

@FRUIT.register({name!r})
def grow():
    return {value}
"""
INIT_FILE = """
from initlab.inits.compose import normal
from initlab.inits.strategy import Strategy, init

@init("{name}", source="a test")
def strategy(std: float = {std}) -> Strategy:
    \"\"\"Everything normal.\"\"\"
    return Strategy(normal(std))
"""
CORPUS_FILE = """
from initlab.data.corpora import corpus
from initlab.data.text import Piece, text_corpus

@corpus("{name}", summary="a test")
def load(tokenizer):
    return text_corpus("{name}", [Piece("{name}", b"{text}" * 99)], tokenizer)
"""
LAUNCHER_FILE = """
from initlab.launchers.launcher import Event, check_options, launcher
from initlab.launchers.train import train_task

@launcher("{name}", summary="one task after another, in the process that planned them")
class OneByOne:
    def __init__(self, context):
        check_options("{name}", context.options, ("note",))
        self.note = context.options.get("note")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return

    def run(self, tasks):
        for task in tasks:
            events = []
            train_task(task, lambda step, steps: events.append(Event(task, "step", step, steps)))
            yield from events
            if self.note:
                yield Event(task, "note", reason=self.note)
            yield Event(task, "done")
"""


def install(
    site: Path, package: str, points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str] | None = None
) -> None:
    """Lay a package into a folder of sys.path, with its metadata: ``points`` maps groups to names to modules."""
    info = site / f"{package}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    lines = [
        line
        for group, names in points.items()
        for line in (f"[{group}]", *(f"{name} = {module}" for name, module in names.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, source in (modules or {}).items():
        file = site / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    importlib.invalidate_caches()


def install_fruit(site: Path, package: str, modules: Mapping[str, str], names: Mapping[str, str]) -> None:
    install(site, package, {"tests.fruit": names}, modules)


@contextmanager
def undone() -> Iterator[None]:
    """Undo at the end whatever plug-ins did to this process."""
    modules, loaded = set(sys.modules), dict(plugins._loaded)
    with ExitStack() as stack:
        for registry in (FRUIT, INITS, ACTIVATIONS, PROBES, OPTIMIZERS, CORPORA, LAUNCHERS, ADAPTERS):
            stack.enter_context(registry.isolated())
            registry._complete = False
        try:
            yield
        finally:
            for name in set(sys.modules) - modules:
                if not name.startswith(("initlab", "torch", "numpy", "importlib")):
                    del sys.modules[name]
            plugins._loaded.clear()
            plugins._loaded.update(loaded)
            blueprint_for.cache_clear()
