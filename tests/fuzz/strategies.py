"""What is nearly right: texts of the grammar that each reader has, with wrong pieces in them, and any bytes."""

import json
import pickle
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from initlab.inits.catalogue import INITS
from initlab.optimizers.rules import OPTIMIZERS
from initlab.spec.fields import BASE_SIZES, FIELDS, SIZES, TARGET_SIZES
from tests.fuzz.readers import BYTES, STORED, TEXTS, stored_file


def words(text: str) -> list[str]:
    return text.split()


RIGHT = st.sampled_from(words("1 2 3 4 16 1e-3 0.02 0"))
WRONG = st.sampled_from(
    words("-1 1e308 1e999 nan inf -inf 1_0 0x10 0xfff 99999999999999999999 1.5 . - true ٣ ² 0b1 +1 [[ ]]")
)
NUMBERS = RIGHT | WRONG | st.integers().map(str)
NAMES = st.sampled_from([*FIELDS, *SIZES, *INITS.names(), "synthetic", "", "final_loss", "growth"])
ODD = st.sampled_from(["\0", "\x1b[2J", "\u202e", "\ud800", *"[]'\"\\\n=:,/~", ".."])
ATOMS = NUMBERS | NAMES | ODD | st.text(max_size=8)


def glued(*separators: str) -> st.SearchStrategy[str]:
    """Return texts of atoms with separators after them."""
    return st.lists(st.tuples(ATOMS, st.sampled_from(separators)), max_size=6).map(
        lambda pieces: "".join(part for pair in pieces for part in pair)
    )


def settings_of(name: str, parameters: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return ``name:key=value,...`` with keys that the name has, and a few that it has not."""
    keys = st.sampled_from([*parameters, "std", "x"])
    pairs = st.tuples(keys, RIGHT | RIGHT | ATOMS).map("=".join)
    return st.lists(pairs, max_size=3, unique_by=lambda pair: pair.partition("=")[0]).map(
        lambda given: name + (":" if given else "") + ",".join(given)
    )


INIT = st.sampled_from(INITS.items()).flatmap(lambda item: settings_of(item[0], item[1].parameters))
OPTIMIZER = st.sampled_from(OPTIMIZERS.items()).flatmap(lambda item: settings_of(item[0], item[1].parameters))
SEEDS = st.lists(st.tuples(RIGHT, st.sampled_from(["-", ",", ""]), NUMBERS).map("".join), min_size=1, max_size=3).map(
    ",".join
)


def sizes(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    pair = st.tuples(st.sampled_from([*names, "x"]), RIGHT | NUMBERS).map("=".join)
    return st.lists(pair, min_size=1, max_size=3).map(",".join)


OVER = st.tuples(st.sampled_from(SIZES), RIGHT, st.sampled_from(["..", ",", ""]), NUMBERS).map(
    lambda parts: f"{parts[0]}={''.join(parts[1:])}"
)

VALUES = st.recursive(
    NUMBERS | NAMES.map(json.dumps) | st.text(max_size=6).map(json.dumps) | st.sampled_from(["''", "1979-05-27"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.tuples(st.sampled_from(words("axis of against x")), inner).map(lambda pair: f"{{{pair[0]} = {pair[1]}}}")
    ),
    max_leaves=5,
)
"""TOML values, most of them legal."""

SPEC = words("name='a' [model] n_layer=2 n_embd=16 n_head=2 [train] steps=3 [sweep] init=['gpt2'] seed=[0,1]")
CLAIM = words("confidence=0.9 [[claim]] id='a' metric='final_loss' max=1.0 where={init='gpt2'} source='x'")
LAW = words(
    "[[claim]] id='b' [[claim.law]] init='gpt2' roles=['query'] field='std' equals=0.02 times='1/sqrt(n_embd)'"
)
GATE = words("false_alarm=0.01 [drift] laws=true [[gate]] id='a' metric='growth' min=1 seeds='every'")
KEYS = words(
    "text over reduce within compare min max max_regression floor worse law default title cells baseline between "
    "same_as exists model zip question"
)
LINES = st.one_of(
    st.tuples(st.sampled_from([*FIELDS, *KEYS, *(path.rpartition(".")[2] for path in FIELDS)]), VALUES).map(
        " = ".join
    ),
    st.sampled_from(
        words("[model] [data] [[sweep]] [sweep.train] [[claim]] [[gate]] [[claim.law]] [drift] [x [a.b]")
    ),
    st.text(max_size=10),
)


@st.composite
def toml(draw: st.DrawFn, *whole: list[str]) -> str:
    """Return a file that is right, with up to three lines replaced, put in or taken out."""
    lines = [*draw(st.sampled_from(whole))]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(lines)))
        lines[place : place + draw(st.integers(0, 1))] = draw(st.lists(LINES, max_size=1))
    return "\n".join(lines)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(words("key found devices cpu products highest steps gpus machine shapes"))
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


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*place, key))


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Return a stored document with up to two values replaced or taken out."""
    document = json.loads(stored_file(name)[1] or b"{}")
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([*_places(document)][1:] or [("step",)]))
        inner = document
        for key in way:
            inner = inner[key]
        if draw(st.booleans()):
            inner[last] = draw(JSON)
        else:
            del inner[last]
    return encoded(json.dumps(document))


NEARLY: dict[str, st.SearchStrategy[bytes]] = {
    **{name: damaged(name) for name in STORED},
    "metrics.jsonl": st.lists(JSON.map(json.dumps), max_size=4).map("\n".join).map(encoded),
    "spec": toml(SPEC).map(encoded),
    "claims": toml(CLAIM, LAW).map(encoded),
    "gates": toml(GATE).map(encoded),
    "meta.pkl": st.dictionaries(st.sampled_from(["vocab_size", "stoi"]), JSON, max_size=2).map(_pickled),
    "text": st.text(max_size=60).map(encoded),
    "document": JSON.map(json.dumps).map(encoded),
    "machine": JSON.map(json.dumps).map(encoded),
    "rows": st.lists(JSON.map(json.dumps), max_size=4).map("\n".join).map(encoded),
    "init": INIT.map(encoded),
    "optimizer": OPTIMIZER.map(encoded),
    "seeds": SEEDS.map(encoded),
    "base": sizes(BASE_SIZES).map(encoded),
    "target": sizes(TARGET_SIZES).map(encoded),
    "over": OVER.map(encoded),
    "set": st.tuples(st.sampled_from([*FIELDS]), NUMBERS).map(lambda pair: encoded("=".join(pair))),
    "ids": st.binary(min_size=6, max_size=40).map(lambda content: b"\1" + content[: len(content) // 2 * 2]),
}


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a reader's name and what it is given: nearly right, mutated, or anything."""
    name = draw(st.sampled_from([*BYTES, *TEXTS]))
    anything = glued(",", "=", "-", "..", ":", "").map(encoded)
    usual = NEARLY.get(name, anything)
    content = draw(st.one_of(usual, usual, usual, anything, st.binary(max_size=80)))
    if content and draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(content) - 1))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place + 1 :]
    return name, content


def beginnings(name: str, number: int = 64) -> list[bytes]:
    """Return what a mutating fuzzer starts from: contents that are nearly right, always the same ones."""
    found: list[bytes] = []

    @settings(max_examples=number, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(content=NEARLY[name])
    def collect(content: bytes) -> None:
        found.append(content)

    collect()
    return found


def dictionary() -> str:
    """Return the words of every grammar as libFuzzer reads a dictionary."""
    pieces = {*FIELDS, *KEYS, *SPEC, *CLAIM, *LAW, *GATE, *INITS.names()}
    pieces |= {part for path in FIELDS for part in path.split(".")}
    odd = re.compile(rb"[^\w .=\[\]-]")
    quoted = [odd.sub(lambda byte: b"\\x%02x" % byte[0][0], encoded(piece)).decode() for piece in sorted(pieces)]
    return "".join(f'"{piece}"\n' for piece in quoted)
