"""initlab: a wind tunnel for transformer initialisation.

>>> import initlab
>>> results = initlab.sweep(init=["gpt2", "depth-scaled"], n_layer=[2, 4], n_embd=32, n_head=2, block_size=16,
...                         steps=0, seeds=2, out="results/first", jobs=1, progress=False)
>>> growth = results.to_frame().groupby("init")["growth"].mean()
>>> bool(growth["gpt2"] > growth["depth-scaled"] > 1)
True

Every command of ``initlab`` is a function here, under its name. Each returns a value with ``to_json()`` (the document
that ``--json`` prints), ``to_frame()`` where it is a table, and a notebook's display; a mistake of the user's raises
:class:`InitlabError` with the message that the command prints. Importing this imports nothing else: what a verb needs
(torch, pandas, matplotlib) is imported when it is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initlab.api.checkup import doctor
    from initlab.api.explanation import explain
    from initlab.api.forecast import predict
    from initlab.api.initial_weights import weights
    from initlab.api.judging import claims, gate
    from initlab.api.listing import (
        list_activations,
        list_adapters,
        list_corpora,
        list_inits,
        list_launchers,
        list_optimizers,
        list_probes,
    )
    from initlab.api.prune_verb import prune
    from initlab.api.run_view import show
    from initlab.api.schemas import schema
    from initlab.api.sweeping import load, report, status, sweep
    from initlab.errors import InitlabError

__all__ = [
    "InitlabError",
    "claims",
    "doctor",
    "explain",
    "gate",
    "list_activations",
    "list_adapters",
    "list_corpora",
    "list_inits",
    "list_launchers",
    "list_optimizers",
    "list_probes",
    "load",
    "predict",
    "prune",
    "report",
    "schema",
    "show",
    "status",
    "sweep",
    "weights",
]

_HOMES = {
    "InitlabError": "errors",
    "claims": "api.judging",
    "doctor": "api.checkup",
    "explain": "api.explanation",
    "gate": "api.judging",
    **dict.fromkeys((name for name in __all__ if name.startswith("list_")), "api.listing"),
    "load": "api.sweeping",
    "predict": "api.forecast",
    "prune": "api.prune_verb",
    "report": "api.sweeping",
    "show": "api.run_view",
    "schema": "api.schemas",
    "status": "api.sweeping",
    "sweep": "api.sweeping",
    "weights": "api.initial_weights",
}
"""Where each public name is defined, below initlab."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name == "__version__":
        from importlib import metadata  # most of what importing this module would cost

        return metadata.version("initlab")
    if name not in _HOMES:
        raise AttributeError(f"module 'initlab' has no attribute {name!r}")
    value = getattr(import_module(f"initlab.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
