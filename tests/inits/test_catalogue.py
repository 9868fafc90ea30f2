"""The contract of an init, tried on whatever is registered: a new init is tested by existing."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from initlab.files.json import canonical_json
from initlab.inits.catalogue import FAMILIES, INITS, resolve
from initlab.network.laws import Constant, scale
from initlab.network.slot_table import possible_slots
from tests.networks import tiny

NAMES = [name for name, _ in INITS.items()]
SHAPES: list[dict[str, Any]] = [
    {},
    {"tied": False, "bias": False},
    {"n_layer": 1, "n_head": 1, "n_embd": 6, "ffn_hidden": 8, "vocab_size": 2, "block_size": 1},
    {"n_layer": 48, "n_embd": 1600, "n_head": 25, "ffn_hidden": 6400, "vocab_size": 50257, "block_size": 1024},
]


REQUIRED = """
    gpt2 depth-scaled pytorch gpt2-released trunc-normal xavier kaiming lecun orthogonal fairseq small-init neox bloom
    spike-no-more mitchell full-megatron olmo-llama olmo-llama-depth torchtitan llama2c t5 palm gemma spectral
    zero-residual deepnorm deepnorm-torchscale sub-ln t-fixup fixup fixup-transformer rezero skipinit layerscale admin
    admin-torch deepscale-lm layernorm-scaling mimetic looks-linear wesar mup depth-mup completep megatron-mup u-mup
    lsuv note-proj-0.02 note-inv-sqrt-depth note-sqrt-2-over-depth note-inv-sqrt-width note-default-scaled
    normal uniform truncated
"""


def test_everything_promised_is_there() -> None:
    assert set(REQUIRED.split()) <= set(NAMES)
    assert INITS.canonical("nanogpt") == INITS.canonical("gpt2-scaled") == "depth-scaled"


def test_every_init_is_of_a_family_that_the_catalogue_names() -> None:
    homes = {entry.build.__module__ for _, entry in INITS.items()}
    assert homes == {family.__name__ for family in FAMILIES}


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_read_about(name: str) -> None:
    entry = INITS.get(name)
    assert entry.summary.endswith(".")
    assert len(entry.summary) < 120
    assert entry.source


@pytest.mark.parametrize("name", NAMES)
def test_its_parameters_can_be_given_as_text(name: str) -> None:
    found = resolve(name)
    assert found.name == name
    assert found.parameters == INITS.get(name).parameters
    for key, default in found.parameters.items():
        assert type(default) in (float, int, bool, str)
        assert resolve(f"{name}:{key}={default}").name == name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_its_laws_are_sound_at_every_size(name: str, shape: dict[str, Any]) -> None:
    dims = tiny(**shape)
    blueprint = resolve(name).blueprint(dims)
    table = blueprint.laws
    names = {slot.name for slot, _ in table}
    assert len(names) == len(table)
    assert names <= {slot.name for slot in possible_slots(dims, blueprint.topology)}
    for slot, law in table:
        low, high = law.dist.support
        assert math.isfinite(law.dist.std), slot.name
        assert law.dist.std >= 0, slot.name
        assert low <= law.dist.mean <= high, slot.name
        assert math.isfinite(law.mult), slot.name
        assert min(law.lr, law.wd, law.eps) >= 0, slot.name
        assert math.isfinite(law.lr + law.wd + law.eps), slot.name


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_pure_function_of_the_sizes(name: str) -> None:
    assert resolve(name).table(tiny()) == resolve(name).table(tiny())
    assert resolve(name).blueprint(tiny()) == resolve(name).blueprint(tiny())


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_stored_as_json(name: str) -> None:
    found = resolve(name)
    document = found.blueprint(tiny()).to_json()
    assert json.loads(canonical_json(document)) == document


@pytest.mark.parametrize("name", NAMES)
def test_its_needs_begin_with_weights(name: str) -> None:
    assert resolve(name).blueprint(tiny()).needs[0] == "weights"


@pytest.mark.parametrize("name", [name for name in NAMES if "std" in INITS.get(name).parameters])
def test_its_std_scales_draws_and_nothing_else(name: str) -> None:
    std = INITS.get(name).parameters["std"]
    once, twice = (resolve(f"{name}:std={value}").table(tiny()) for value in (std, 2 * std))
    ratios = {b.dist.std / a.dist.std for (_, a), (_, b) in zip(once, twice, strict=True) if a.dist.std}
    assert ratios in ({2.0}, {1.0, 2.0})
    for (slot, a), (_, b) in zip(once, twice, strict=True):
        # A multiplier that carries a matrix to its target takes back what the draw was given.
        undone = Constant(a.dist.mean / 2) if slot.role == "matrix_scale" else None
        assert replace(b, dist=a.dist) == a
        assert b.dist in (a.dist, scale(a.dist, 2.0), undone), slot.name


def test_the_laws_need_no_torch() -> None:
    code = (
        "import sys; from initlab.inits.catalogue import INITS, resolve; from initlab.network.topology import Dims\n"
    )
    code += "d = Dims(n_layer=1, n_head=1, n_embd=4, vocab_size=3, block_size=2, ffn_hidden=8)\n"
    code += "assert all(resolve(name).table(d) for name, _ in INITS.items())\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
