"""The fields by path, and that their names are listed in one place."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import initlab
from initlab.errors import InitlabError
from initlab.network.topology import Dims, Topology
from initlab.spec.fields import (
    BASE_SIZES,
    FIELDS,
    RUN_FIELDS,
    SIZES,
    TABLES,
    TARGET_SIZES,
    comparable,
    field_path,
    field_values,
    names_in,
    phase_of,
    traits_of,
)
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec

ROOT = Path(initlab.__file__).parent
OWN_NAMES = ("spec/run.py", "network/", "adapters/")
"""Where names of fields may be listed: where they are declared, and where the network's own are, which a spec takes
over."""


def test_every_field_of_every_table_is_there_under_its_path() -> None:
    declared = [f"{table}.{name}" for table, model in TABLES.items() for name in model.model_fields]
    assert [*FIELDS] == [*declared, "init", "activation", "seed"]
    assert {"init", "activation", "seed"} == RUN_FIELDS
    assert names_in("data") == ["corpus", "tokenizer", "seed"]


def test_fields_are_found_with_and_without_their_table() -> None:
    assert field_path("n_layer") == field_path("model.n_layer") == "model.n_layer"
    assert field_path("seed") == "seed"
    assert field_path("data.seed") == "data.seed"
    for key, hint in (("modle.n_layer", "'model'"), ("model.n_layr", "'n_layer'"), ("n_layr", "'n_layer'")):
        with pytest.raises(InitlabError, match=f"did you mean {hint}"):
            field_path(key)


def test_sizes() -> None:
    assert set(SIZES) == {"n_layer", "n_head", "n_embd", "block_size", "vocab_size", "ffn_ratio"}
    assert set(TARGET_SIZES) == {"n_layer", "n_head", "n_embd", "block_size"}
    assert set(BASE_SIZES) == {"n_layer", "n_embd"}
    assert {f"base_{name}" for name in BASE_SIZES} <= {one.name for one in fields(Dims)}


def test_values_by_path() -> None:
    spec = RunSpec(model=ModelSpec(n_layer=7), train=TrainSpec(steps=3), seed=5)
    values = field_values(spec)
    assert [*values] == [*FIELDS]
    assert (values["model.n_layer"], values["train.steps"], values["seed"]) == (7, 3, 5)


def test_what_a_spec_asks_of_the_topology_is_in_ids_by_way_of_it() -> None:
    topology = {one.name for one in fields(Topology)}
    shared = {name for name in names_in("model") if name in topology}
    assert ModelSpec().topology == dict.fromkeys(shared)
    assert {traits_of(f"model.{name}").reason for name in shared} == {"the topology beside the law table"}


def test_sizes_that_laws_see_are_the_specs_own() -> None:
    model = ModelSpec(n_layer=3, n_head=2, n_embd=6, block_size=5, bias=False, base_n_embd=4, base_n_layer=1)
    assert model.dims(11, gated=True, tied=False) == Dims(
        n_layer=3,
        n_head=2,
        n_embd=6,
        vocab_size=11,
        block_size=5,
        ffn_hidden=24,
        bias=False,
        tied=False,
        gated=True,
        base_n_embd=4,
        base_n_layer=1,
    )


@pytest.mark.parametrize(
    ("path", "phase", "losses_compare"),
    [
        ("model.n_layer", "init", False),
        ("model.norm_at", "init", False),
        ("data.corpus", "init", False),
        ("train.steps", "training", False),
        ("train.batch_size", "first update", False),
        ("train.lr", "first update", True),
        ("train.warmup", "first update", True),
        ("train.beta2", "training", True),
        ("train.eval_interval", "training", True),
        ("init", "init", True),
        ("model.of_a_later_version", "init", False),
    ],
)
def test_when_a_field_matters_and_whether_losses_compare_across_it(
    path: str, phase: str, losses_compare: bool
) -> None:
    assert (phase_of(path), comparable(path)) == (phase, losses_compare)


NAMES: frozenset[object] = frozenset(
    name for field in FIELDS.values() if field.table for name in (field.path, field.name)
)
"""A run's own init, activation and seed are columns of every table of results, and may be named together."""


def lists_of_names(source: str) -> Iterator[str]:
    """Yield the lists, tuples and sets of a source text that hold several names of fields and nothing else."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and len(node.elts) > 1:
            texts = {one.value if isinstance(one, ast.Constant) else None for one in node.elts}
            if texts <= NAMES:
                yield ast.unparse(node)


def test_names_of_fields_are_listed_in_one_place() -> None:
    files = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.py")}
    assert "spec/run.py" in files
    listed = {
        name: found
        for name, path in files.items()
        if not name.startswith(OWN_NAMES) and (found := [*lists_of_names(path.read_text())])
    }
    assert listed == {}


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ('SIZES = ("model.n_embd", "model.n_layer")', True),
        ('for name in ["lr", "eps"]:\n    pass', True),
        ('frozenset({"n_embd", "n_layer"})', True),
        ('("mult", "lr", "wd")', False),
        ('RATE = "train.lr"', False),
        ("x = (1, 2)", False),
    ],
)
def test_a_list_of_names_is_caught(source: str, caught: bool) -> None:
    assert bool([*lists_of_names(source)]) is caught
