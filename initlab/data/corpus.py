"""A corpus: token ids to train on, ids to validate on, and what is known about them.

Nothing here knows where the ids come from, and ``sha256`` names their content alone: the same text in two files is
one corpus.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from initlab.errors import InitlabError

Tokens: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
"""Token ids, one-dimensional; possibly a memory map of a file larger than memory."""

_CHUNK = 1 << 24


@dataclass(frozen=True, eq=False)
class Corpus:
    """Tokens split into train and val. Build one with ``Corpus.of``, which computes the hash.

    ``tokenizer`` is byte, char, symbol (synthetic) or ids (nanoGPT's .bin); ``entropy_rate`` is in nats per token,
    None where unknown.
    """

    name: str
    tokenizer: str
    vocab_size: int
    train: Tokens = field(repr=False)
    val: Tokens = field(repr=False)
    sha256: str
    entropy_rate: float | None = None
    floor_of: Callable[[int], float] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        split: tuple[Tokens, Tokens],
        *,
        tokenizer: str,
        vocab_size: int,
        vocabulary: str | None = None,
        entropy_rate: float | None = None,
        floor_of: Callable[[int], float] | None = None,
    ) -> "Corpus":
        """Build a corpus from (train, val); `vocabulary` holds the characters in the order of their ids, if any."""
        for part in split:
            part.flags.writeable = False  # corpora are cached and shared
        sha256 = _content_hash(split, tokenizer, vocab_size, vocabulary)
        return cls(name, tokenizer, vocab_size, *split, sha256, entropy_rate, floor_of)

    def floor(self, block_size: int) -> float | None:
        """Return the least mean cross-entropy, nats per token, None where it is unknown.

        It is that of the ideal reader, who predicts tokens 2..T+1 of a random window from 1..T, T = block_size.
        """
        return None if self.floor_of is None else self.floor_of(block_size)

    def check(self, *, block_size: int, vocab_size: int | None) -> None:
        """Raise InitlabError unless windows of block_size tokens fit and a model of vocab_size ids can read them."""
        for part, tokens in (("train", self.train), ("val", self.val)):
            if len(tokens) <= block_size:
                fix = f"set block_size to at most {len(tokens) - 1} or take" if len(tokens) > 1 else "take"
                raise InitlabError(
                    f"corpus {self.name!r}: its {part} part has {len(tokens):,} tokens, but block_size = "
                    f"{block_size} needs at least {block_size + 1:,}; {fix} a longer text"
                )
            # The vocabulary of bytes is 256, though most texts use fewer: only the ids themselves decide.
            if vocab_size is not None and vocab_size < self.vocab_size:
                at = first_id_from(tokens, vocab_size)
                if at is not None:
                    raise InitlabError(
                        f"corpus {self.name!r}: {part} token {at:,} has id {int(tokens[at])}, but the model has "
                        f"vocab_size = {vocab_size}; leave vocab_size out, or set it to {self.vocab_size}"
                    )

    def describe(self) -> str:
        """Return one line for people."""
        known = "" if self.entropy_rate is None else f", entropy rate {self.entropy_rate:.4f} nats/token"
        return (
            f"{self.name}: {len(self.train):,} train and {len(self.val):,} val tokens ({self.tokenizer}), "
            f"vocabulary {self.vocab_size:,}{known}, sha256 {self.sha256[:12]}"
        )


def split_90_10(tokens: Tokens) -> tuple[Tokens, Tokens]:
    """Return (train, val) exactly as nanoGPT's data/shakespeare_char/prepare.py does, rounding included."""
    border = int(len(tokens) * 0.9)
    return tokens[:border], tokens[border:]


def first_id_from(tokens: Tokens, bound: int) -> int | None:
    """Return the position of the first id >= bound, None if there is none."""
    for start, chunk in _chunks(tokens):
        if chunk.max() >= bound:
            return start + int((chunk >= bound).argmax())
    return None


def largest_id(tokens: Tokens) -> int:
    """Return the largest id of a non-empty array."""
    return max(int(chunk.max()) for _, chunk in _chunks(tokens))


def _chunks(tokens: Tokens) -> Iterator[tuple[int, Tokens]]:
    """Yield (position, slice): a memory map may be larger than memory."""
    for start in range(0, len(tokens), _CHUNK):
        yield start, tokens[start : start + _CHUNK]


def _content_hash(split: tuple[Tokens, Tokens], tokenizer: str, vocab_size: int, vocabulary: str | None) -> str:
    # The width of an id follows from the vocabulary, never from how the ids happen to be held.
    width = "<u2" if vocab_size <= 2**16 else "<u4"
    head = ["initlab-corpus-1", tokenizer, vocab_size, vocabulary, width, *(len(part) for part in split)]
    digest = hashlib.sha256(json.dumps(head).encode() + b"\n")
    for part in split:
        for _, chunk in _chunks(part):
            digest.update(np.ascontiguousarray(chunk, dtype=width).data)
    return digest.hexdigest()
