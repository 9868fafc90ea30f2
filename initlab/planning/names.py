"""The names that a spec may hold: which there are of each kind, and how each is written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from initlab.activations.functions import ACTIVATIONS
from initlab.data.corpora import CORPORA
from initlab.data.text import TOKENIZERS
from initlab.inits.catalogue import INITS, resolve
from initlab.optimizers.rules import OPTIMIZERS
from initlab.optimizers.rules import resolve as resolve_optimizer
from initlab.spec.declaration import SpecField


@dataclass(frozen=True)
class Names:
    """One kind of names.

    ``known`` lists them, aliases too. ``check`` returns a name as a run has it, and raises InitlabError, with the
    nearest right one, for a name that there is not. ``parameters`` says whether ``name:key=value`` gives some.
    Kinds that are not ``closed`` have other values too, which who reads them checks: a corpus may be a path, and a
    plug-in's may know a tokenizer of its own.
    """

    known: Callable[[], list[str]]
    check: Callable[[str], str]
    parameters: bool = False
    closed: bool = True

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the names, with what is installed on this machine."""
        known = self.known()
        if not self.closed:
            return {"type": "string", "examples": known}
        if not self.parameters:
            return {"type": "string", "enum": known}
        written = "|".join(name.replace(".", r"\.") for name in known)
        return {"type": "string", "pattern": f"^({written})(:.*)?$", "examples": known}


def _init(text: str) -> str:
    """Inits stay as they were asked for: two names of one law are two cells."""
    resolve(text)
    return text


NAMES: dict[str, Names] = {
    "init": Names(INITS.names, _init, parameters=True),
    "activation": Names(ACTIVATIONS.names, ACTIVATIONS.canonical),
    "optimizer": Names(OPTIMIZERS.names, lambda text: resolve_optimizer(text).name, parameters=True),
    "corpus": Names(CORPORA.names, str, closed=False),
    "tokenizer": Names(lambda: [*TOKENIZERS], str, closed=False),
}


def names_of(field: SpecField) -> Names | None:
    """Return the names that are a field's values; None where its values are no names."""
    return NAMES.get(field.traits.names or "")
