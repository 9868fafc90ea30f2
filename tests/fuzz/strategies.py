"""What is nearly right: texts of the grammar that each reader has, with wrong pieces in them, and any bytes at all."""

import json
import pickle
from typing import Any

from hypothesis import strategies as st

from initlab.inits.catalogue import INITS
from initlab.spec.fields import FIELDS, SIZES
from tests.fuzz.readers import BYTES, TEXTS

NUMBERS = st.sampled_from(
    [
        "0",
        "1",
        "-1",
        "2",
        "16",
        "1e-3",
        "1e308",
        "1e999",
        "nan",
        "inf",
        "-inf",
        "1_0",
        "0x10",
        "0xfff",
        "99999999999999999999",
        "1.5",
        ".",
        "-",
        "true",
        "٣",
        "²",
        "0b1",
        "+1",
    ]
) | st.integers().map(str)
WORDS = st.sampled_from([*FIELDS, *SIZES, *INITS.names(), "gpt2:std=0.02", "synthetic", "", "final_loss", "growth"])
ODD = st.sampled_from(
    ["\0", "\x1b[2J", "\u202e", "\ud800", "[", "]", "'", '"', "\\", "\n", "=", ":", ",", "..", "/", "~"]
)
ATOMS = NUMBERS | WORDS | ODD | st.text(max_size=8)


def glued(*separators: str) -> st.SearchStrategy[str]:
    """Return texts of atoms between separators."""
    return st.lists(st.tuples(ATOMS, st.sampled_from(separators)), max_size=8).map(
        lambda pieces: "".join(part for pair in pieces for part in pair)
    )


VALUES = st.recursive(
    NUMBERS
    | WORDS.map(lambda word: json.dumps(word))
    | st.text(max_size=6).map(lambda text: json.dumps(text))
    | st.sampled_from(["''", "1979-05-27", "{}", "[]"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.tuples(st.sampled_from(["axis", "of", "against", "x"]), inner).map(
            lambda pair: f"{{{pair[0]} = {pair[1]}}}"
        )
    ),
    max_leaves=5,
)
"""TOML values, most of them legal."""

STATEMENT_KEYS = [
    "id",
    "text",
    "metric",
    "where",
    "seeds",
    "cells",
    "over",
    "reduce",
    "within",
    "compare",
    "min",
    "max",
    "max_regression",
    "floor",
    "worse",
    "law",
    "default",
    "confidence",
    "false_alarm",
    "baseline",
    "drift",
    "title",
    "source",
]
HEADERS = [
    "[model]",
    "[data]",
    "[train]",
    "[sweep]",
    "[[sweep]]",
    "[sweep.model]",
    "[sweep.train]",
    "[[claim]]",
    "[[gate]]",
    "[[claim.law]]",
    "[drift]",
    "[claim.default]",
    "[model",
    "[a.b]",
]
LINES = st.one_of(
    st.sampled_from(HEADERS),
    st.tuples(st.sampled_from([*FIELDS, *(path.rpartition(".")[2] for path in FIELDS), "name", "zip"]), VALUES).map(
        " = ".join
    ),
    st.tuples(st.sampled_from(STATEMENT_KEYS), VALUES).map(" = ".join),
    st.sampled_from(['id = "a"', 'metric = "final_loss"', "max = 1", "min = 0", 'init = ["gpt2"]', "seed = [0, 1]"]),
    st.text(max_size=10),
)
TOML = st.lists(LINES, max_size=10).map("\n".join)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["key", "found", "devices", "cpu", "products", "highest", "steps", "gpus", "machine", "shapes"]
            )
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _pickled(value: Any) -> bytes:
    return pickle.dumps(value, protocol=2)


NEARLY: dict[str, st.SearchStrategy[bytes]] = {
    "spec": TOML.map(encoded),
    "claims": TOML.map(encoded),
    "gates": TOML.map(encoded),
    "meta.pkl": st.dictionaries(st.sampled_from(["vocab_size", "stoi"]), JSON, max_size=2).map(_pickled),
    "text": st.text(max_size=60).map(encoded),
    "document": JSON.map(json.dumps).map(encoded),
    "machine": JSON.map(json.dumps).map(encoded),
    "rows": st.lists(JSON.map(json.dumps), max_size=4).map("\n".join).map(encoded),
    "init": st.tuples(st.sampled_from([*INITS.names(), "gpt3"]), glued(":", "=", ",", "")).map(
        lambda pair: encoded(":".join(pair))
    ),
    "over": st.tuples(st.sampled_from(SIZES), glued("..", ",", "")).map(lambda pair: encoded("=".join(pair))),
}


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a reader's name and what it is given: nearly right, mutated, or anything."""
    name = draw(st.sampled_from([*BYTES, *TEXTS]))
    usual = NEARLY.get(name, glued(",", "=", "-", "..", ":", "").map(encoded))
    content = draw(st.one_of(usual, usual, st.binary(max_size=80)))
    if content and draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(content) - 1))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place + 1 :]
    return name, content
