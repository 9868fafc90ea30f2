"""How much may be read or asked for at once, so that a slip of a zero, or a hostile file, meets a sentence before
it meets the end of memory. Bounds of a field of a spec stand with the field; these are of whole files and sweeps.

Each is raised by an environment variable of its own, which the message names: ``INITLAB_MAX_RUNS=1000000``.
"""

import os
from dataclasses import dataclass, replace

from initlab.errors import InitlabError


@dataclass(frozen=True)
class Limit:
    """At most ``most`` of ``unit``, unless the environment's ``INITLAB_<name>`` says another number."""

    name: str
    most: int
    unit: str

    @property
    def variable(self) -> str:
        return f"INITLAB_{self.name}"

    @property
    def allowed(self) -> int:
        """The limit that holds here; raises InitlabError where the variable is no whole number from 1."""
        text = os.environ.get(self.variable, "")
        if not text:
            return self.most
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0):
            raise InitlabError(f"{self.variable}={text[:40]}: expected a whole number from 1")
        return int(text)

    def of(self, most: int) -> "Limit":
        """Return this limit with another default, such as what this computer has."""
        return replace(self, most=most)

    def check(self, number: float, where: str) -> None:
        """Raise InitlabError, naming ``where``, for more than is allowed, with how to raise the limit."""
        if number > self.allowed:
            shown = f"{number:,}" if number < 10**15 else "10^15 and more"
            raise InitlabError(
                f"{where}: {shown} {self.unit} are more than the {self.allowed:,} that are allowed; "
                f"{self.variable} raises the limit"
            )


RUNS = Limit("MAX_RUNS", 100_000, "runs")
"""Of a sweep. A run costs a millisecond to plan and is a folder of its own."""

SIZES = Limit("MAX_SIZES", 1_000, "sizes")
"""Of ``predict --over``, times the inits: each is a prediction."""

DOCUMENT_BYTES = Limit("MAX_DOCUMENT_BYTES", 1_000_000, "bytes")
"""Of a file that somebody writes: a spec, gates, claims."""

CORPUS_BYTES = Limit("MAX_CORPUS_BYTES", 2**30, "bytes")
"""Of a text, which is held in memory; nanoGPT's .bin files are mapped, and have no limit."""

CORPUS_FILES = Limit("MAX_CORPUS_FILES", 100_000, "files and folders")
"""Below a folder of texts: whoever names ``/`` does not wait for all of the disk."""

PICKLE_BYTES = Limit("MAX_PICKLE_BYTES", 2**24, "bytes")
"""Of nanoGPT's meta.pkl, which lists a vocabulary."""

MEMORY = Limit("MAX_MEMORY", 8 * 2**30, "bytes of memory")
"""Of one run or checkpoint; by default what this computer has."""
