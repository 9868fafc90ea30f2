"""The JSON Schema takes every spec file that is kept here, and none of the mistakes that it can know."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from initlab.planning.names import NAMES
from initlab.spec.fields import FIELDS, TABLES
from initlab.spec.schema import file_schema, sweep_schema
from initlab.spec.sweep import TOP_LEVEL
from initlab.verdicts.statement import ClaimsFile, GatesFile

EXPERIMENTS = Path(__file__).parents[2] / "experiments"

SCHEMAS = {
    "sweep": sweep_schema({kind: names.schema() for kind, names in NAMES.items()}),
    "claims": file_schema("claims", ClaimsFile),
    "gates": file_schema("gates", GatesFile),
}


def wrong(kind: str, text: str) -> list[str]:
    """Return where a file's text breaks the schema, as key paths."""
    errors = Draft202012Validator(SCHEMAS[kind]).iter_errors(tomllib.loads(text))
    return [".".join(map(str, error.absolute_path)) for error in errors]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    assert SCHEMAS[kind]["$id"] == f"urn:initlab:{kind}:1"


@pytest.mark.parametrize(
    "path",
    [path for kind in SCHEMAS for path in sorted(EXPERIMENTS.glob(f"*/{kind}.toml"))],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_file_of_an_experiment_is_legal(path: Path) -> None:
    assert wrong(path.stem, path.read_text()) == []


def test_experiments_have_files_of_every_kind() -> None:
    assert all(list(EXPERIMENTS.glob(f"*/{kind}.toml")) for kind in SCHEMAS)


@pytest.mark.parametrize(
    "text",
    [
        "name = 'x'\nquestion = '?'\n[model]\nn_layer = 2\n[train]\nlr = 1\n",
        "[sweep]\ninit = 'gpt2'\nseed = [0, 1]\n'model.n_layer' = [2, 4]\nn_head = 2\n",
        "[sweep]\ninit = ['gpt2:std=0.01', 'nanogpt']\nactivation = ['relu']\n",
        "[[sweep]]\nmodel.n_layer = [2, 4]\n[[sweep]]\n[sweep.train]\nsteps = 0\n",
        "[sweep]\nn_embd = [2, 4]\nn_head = [1, 2]\nzip = [['model.n_embd', 'n_head']]\n",
        "[sweep]\ncorpus = ['synthetic', 'a/b.txt']\ntokenizer = 'char'\noptimizer = ['adamw', 'sgd']\n",
    ],
)
def test_what_a_spec_may_say(text: str) -> None:
    assert wrong("sweep", text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("nam = 'x'", ""),
        ("name = '../x'", "name"),
        ("[model]\nn_layr = 2", "model"),
        ("[model]\nn_layer = 0", "model.n_layer"),
        ("[model]\nn_layer = [2, 4]", "model.n_layer"),
        ("[model]\nnorm_at = 'per'", "model.norm_at"),
        ("[train]\nprecision = 'bf16'", "train.precision"),
        ("[train]\nbeta1 = 1.0", "train.beta1"),
        ("[train]\nlr = '1e-3'", "train.lr"),
        ("[train]\noptimizer = 'adam'", "train.optimizer"),
        ("[data]\nseed = -1", "data.seed"),
        ("init = 'gpt2'", ""),
        ("[sweep]\ninit = ['gtp2']", "sweep"),
        ("[sweep]\nactivation = 'rleu'", "sweep"),
        ("[sweep]\nseed = []", "sweep"),
        ("[sweep]\n'model.n_layr' = [2]", "sweep"),
        ("[[sweep]]\nzip = [['n_layr', 'seed']]", "sweep"),
    ],
)
def test_a_mistake_breaks_it(text: str, where: str) -> None:
    assert wrong("sweep", text) == [where]


@pytest.mark.parametrize(
    ("kind", "text", "where"),
    [
        ("claims", "[[claim]]\nid = 'a'\nmetrik = 'val_loss'\n", "claim.0"),
        ("claims", "title = 'x'\n", ""),
        ("gates", "[[gate]]\nid = 'a'\nmetric = 'val_loss'\nmax_regression = 'one'\n", "gate.0.max_regression"),
        ("gates", "confidence = 2\n[[gate]]\nid = 'a'\n", "confidence"),
    ],
)
def test_a_mistake_in_a_statement_breaks_it(kind: str, text: str, where: str) -> None:
    assert wrong(kind, text) == [where]


def test_every_field_is_described_with_its_default() -> None:
    definitions: dict[str, Any] = SCHEMAS["sweep"]["$defs"]
    for path, field in FIELDS.items():
        assert field.help in definitions[path]["description"]
        assert definitions[path].get("default") == field.default
    assert definitions["model.vocab_size"]["description"] == "vocabulary; in tokens; default: the corpus's own"


def test_its_tables_are_those_of_a_spec_file() -> None:
    assert set(SCHEMAS["sweep"]["properties"]) == TOP_LEVEL
    for table, model in TABLES.items():
        assert set(SCHEMAS["sweep"]["properties"][table]["properties"]) == set(model.model_fields)
