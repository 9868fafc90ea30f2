"""Ids: those of stored results are kept, new fields do not change them, and no two values of a field share one."""

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from initlab.data.corpora import load_corpus
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.files.json import SCHEMA_VERSION, content_hash
from initlab.inits.catalogue import blueprint_for
from initlab.planning.expand import expand
from initlab.planning.names import names_of
from initlab.spec.declaration import Count, SpecField, Traits
from initlab.spec.fields import FIELDS, TABLES
from initlab.spec.identity import hashed, run_id
from initlab.spec.run import DataSpec, ModelSpec, RunSpec, TrainSpec
from initlab.spec.sweep import Grid, SweepSpec

RESULTS = Path(__file__).parents[2] / "results"

NEUTRAL: dict[str, Any] = {}
"""The value at which every field that came after the first ids is left out of them. Never change a line of it: where
a default changes, its declaration names this value as ``neutral``."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("identity") / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog " * 40)
    return load_corpus(str(path))


def first_id(spec: RunSpec, corpus: Corpus, laws: str) -> str:
    """Return the id by the rule of the first version, which named its fields by hand."""
    model = ("n_layer", "n_head", "n_embd", "block_size", "ffn_ratio", "ffn_matched", "dropout")
    train = spec.train.model_dump()
    train.update(min_lr=spec.train.final_lr, decay_steps=spec.train.decay_steps or spec.train.steps)
    sizes = spec.model.model_dump(include=set(model))
    return content_hash(
        {
            "schema": SCHEMA_VERSION,
            "model": {**sizes, "vocab_size": spec.model.vocab_size or corpus.vocab_size},
            "data": {"sha256": corpus.sha256, "tokenizer": corpus.tokenizer, "seed": spec.data_seed},
            "train": train,
            "laws": laws,
            "activation": spec.activation,
            "seed": spec.seed,
            "plugins": (),
        }
    )


@pytest.mark.parametrize("stored", sorted(RESULTS.glob("*/spec.resolved.json")), ids=lambda path: path.parent.name)
def test_the_ids_of_stored_results_are_those_of_their_specs(stored: Path) -> None:
    runs = json.loads(stored.read_text())["runs"]
    planned = json.loads((stored.parent / "sweep.json").read_text())["runs"]
    assert {run["id"] for run in planned} == set(runs)
    for name, document in runs.items():
        spec = RunSpec.model_validate(document)
        text = load_corpus(spec.data.corpus, spec.data.tokenizer)
        laws = blueprint_for(spec.model, spec.init, spec.activation, text.vocab_size).digest
        assert run_id(spec, text, laws) == name


def test_some_results_are_stored() -> None:
    assert list(RESULTS.glob("*/spec.resolved.json"))


def values(field: SpecField) -> st.SearchStrategy[Any]:
    """Return legal values of a field, as its schema has them."""
    if field.choices:
        return st.sampled_from(field.choices)
    if field.kind == "boolean":
        return st.booleans()
    if field.kind == "string":
        return st.sampled_from(["one", "other"])
    above = "exclusiveMinimum" in field.schema
    low = field.schema["exclusiveMinimum" if above else "minimum"]
    if field.kind == "integer":
        return st.integers(low + above, 1 << 40)
    high = field.schema.get("maximum", field.schema.get("exclusiveMaximum", 1e9))
    return st.floats(low, high, exclude_min=above, exclude_max="maximum" not in field.schema)


VALUES = {path: values(field) for path, field in FIELDS.items()} | {
    "model.n_head": st.sampled_from([1, 2, 4, 8]),
    "model.n_embd": st.integers(1, 1 << 20).map(lambda n: 8 * n),
    "model.ffn_ratio": st.sampled_from([0.5, 1.0, 4.0, 8.0]),
}
"""Of every field by path; heads and hidden units are such that a model has these sizes."""


@st.composite
def specs(draw: st.DrawFn) -> RunSpec:
    """Return a run in which a few fields are not at their defaults."""
    tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
    own: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from([*FIELDS]), max_size=5, unique=True)):
        field = FIELDS[path]
        tables.get(field.table, own)[field.name] = draw(VALUES[path])
    return RunSpec.model_validate({**{table: TABLES[table](**chosen) for table, chosen in tables.items()}, **own})


@given(spec=specs())
def test_ids_are_those_of_the_first_version(corpus: Corpus, spec: RunSpec) -> None:
    assert run_id(spec, corpus, "laws") == first_id(spec, corpus, "laws")


@given(spec=specs(), other=specs())
def test_two_runs_share_an_id_only_where_all_that_is_hashed_agrees(
    corpus: Corpus, spec: RunSpec, other: RunSpec
) -> None:
    def content(run: RunSpec) -> list[Any]:
        resolved = run.train.final_lr, run.train.decay_steps or run.train.steps, run.data_seed
        train = {**hashed(run.train), "min_lr": None, "decay_steps": None}
        model = {**hashed(run.model), "vocab_size": run.model.vocab_size or corpus.vocab_size}
        return [model, train, resolved, run.activation, run.seed]

    same = content(spec) == content(other)
    assert (run_id(spec, corpus, "laws") == run_id(other, corpus, "laws")) is same


def others(field: SpecField, text: str) -> list[Any]:
    """Return values of a field to try that are neither its default nor what an open default comes to."""
    if field.path == "data.corpus":
        return [text]
    came_to = field.default or (field.traits.unset or "").split(",")[0]
    names = names_of(field)
    if names is not None:
        return [name for name in names.known() if names.check(name) != names.check(came_to)]
    if field.choices:
        return [one for one in field.choices if one != field.default and one not in (field.traits.unset or "")]
    if field.kind == "boolean":
        on = field.default if field.default is not None else (field.traits.unset or "").startswith("on")
        return [not on]
    number = 301 if field.default is None else field.default * 2 or 1
    if field.schema.get("maximum") == 1:  # a share
        return [0.25, 0.5]
    return [number] if field.kind == "integer" else [float(number), 0.25]


BESIDE: dict[str, dict[str, Any]] = {
    "model.parallel_norms": {"model.parallel": True},
    "model.rotary_fraction": {"model.positions": "rotary"},
}
"""What a field is about, where a plain network does not have it."""


@pytest.mark.parametrize("path", FIELDS)
def test_another_value_of_any_field_is_another_run(path: str, tmp_path: Path) -> None:
    """Resolved as planning does: what is in an id by way of the laws or of the corpus is in it too."""
    field = FIELDS[path]
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"{name}: the quick brown fox jumps over the lazy dog " * 100)
    base = {"data.corpus": str(tmp_path / "a.txt"), "model.block_size": 16, **BESIDE.get(path, {})}
    init = "completep" if field.traits.role == "base size" else "gpt2"

    def planned(**changes: Any) -> str:
        axes = {"init": [init], **{key: [value] for key, value in changes.items()}}
        (run,) = expand(SweepSpec(fixed=base, grids=(Grid(axes),)))
        return run.id

    for value in others(field, str(tmp_path / "b.txt")):
        try:
            changed = planned(**{path: value})
        except InitlabError:
            continue
        assert changed != planned(), f"{path} = {value!r} has the id of {field.default!r}"
        return
    raise AssertionError(f"no other legal value of {path} was found")


def test_what_an_id_has_by_way_of_something_else_says_of_what() -> None:
    for path, field in FIELDS.items():
        assert bool(field.traits.reason) == (field.traits.identity == "elsewhere"), path


class Grown(ModelSpec):
    """A later version's model: a size that nobody listed anywhere."""

    n_kv_head: Count = 1


class Weighted(TrainSpec):
    """A later version's training: z-loss came with weight 0, and is on by default since."""

    z_loss: Annotated[float, Traits(neutral=0.0)] = 1e-4


class Packed(DataSpec):
    packed: bool = Field(False, description="several documents a window")


class Evaluated(RunSpec):
    eval_seed: int = 0


def test_a_new_field_at_its_default_changes_no_id(corpus: Corpus) -> None:
    old = run_id(RunSpec(), corpus, "laws")
    assert run_id(RunSpec(model=Grown(), data=Packed(), train=Weighted(z_loss=0.0)), corpus, "laws") == old
    assert run_id(Evaluated(), corpus, "laws") == old
    assert isinstance(RunSpec(model=Grown()).model, Grown)


def test_another_value_of_a_new_field_that_nobody_listed_is_another_run(corpus: Corpus) -> None:
    runs = [
        RunSpec(),
        RunSpec(model=Grown(n_kv_head=2)),
        RunSpec(model=Grown(n_kv_head=4)),
        RunSpec(data=Packed(packed=True)),
        RunSpec(train=Weighted()),
        RunSpec(train=Weighted(z_loss=1e-3)),
        Evaluated(eval_seed=1),
    ]
    assert len({run_id(run, corpus, "laws") for run in runs}) == len(runs)


def test_a_list_by_hand_would_have_taken_two_sizes_for_one(corpus: Corpus) -> None:
    """The negative twin: the first rule fails the two tests above, by a collision and by new ids for old runs."""
    assert first_id(RunSpec(model=Grown(n_kv_head=2)), corpus, "laws") == first_id(RunSpec(), corpus, "laws")
    grown, old = RunSpec(train=Weighted(z_loss=0.0)), RunSpec()
    assert first_id(grown, corpus, "laws") != first_id(old, corpus, "laws")


def test_a_changed_default_does_not_take_over_the_ids_of_the_old_one(corpus: Corpus) -> None:
    class Forgetful(TrainSpec):
        z_loss: float = 1e-4  # was 0.0, and nobody said so

    old = run_id(RunSpec(), corpus, "laws")
    assert run_id(RunSpec(train=Weighted()), corpus, "laws") != old
    assert run_id(RunSpec(train=Forgetful()), corpus, "laws") == old, "which is why NEUTRAL is kept in this file"


def test_values_at_which_later_fields_are_left_out_are_what_they_were() -> None:
    later = {path: field.neutral for path, field in FIELDS.items() if field.traits.identity == "if changed"}
    assert later == NEUTRAL
