"""A family is one class in one file, and what comes with initlab registers itself."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import initlab
from initlab.adapters.adapter import ADAPTERS
from initlab.adapters.decoder import Decoder
from initlab.adapters.recognition import read_model
from initlab.adapters.slicing import to_slots
from initlab.adapters.tensor_names import Names
from initlab.network.blueprint import Blueprint
from initlab.network.topology import Topology
from tests.adapters.models import written_model


class Acme(Decoder):
    """A family that nobody has heard of, as a plug-in would write it."""

    summary: ClassVar[str] = "Acme's decoder"
    topology: ClassVar[Topology] = Topology(positions="sinusoidal")
    defaults: ClassVar[Mapping[str, Any]] = {"positions": "sinusoidal"}
    settings: ClassVar[Mapping[str, str]] = {"n_head": "heads", "block_size": "context"}
    names: ClassVar[Names] = Names(
        root="acme.",
        outside={"token_embedding": "tokens", "final_norm": "end"},
        block="layer{}",
        inside={
            "attn.norm": "before",
            **dict.fromkeys(("query", "key", "value"), "qkv"),
            "attn_out": "out",
            "ffn.norm": "between",
            "ffn_up": "up",
            "ffn_down": "down",
        },
    )

    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        return {"heads": blueprint.dims.n_head, "context": blueprint.dims.block_size}


def test_a_family_is_one_class() -> None:
    acme = Acme()
    where, slots, state = written_model(acme)
    assert state["acme.layer2.qkv.weight"].shape == (96, 32)
    with ADAPTERS.temporarily("acme", acme):
        found = read_model(state, {"heads": 4, "context": 12})
    assert (found.family, found.network) == ("acme", where.network)
    assert all(torch.equal(x, slots[name]) for name, x in to_slots(found, state).items())


def test_the_families_that_come_with_initlab() -> None:
    assert [name for name, _ in ADAPTERS.items()] == ["hf-gpt2", "hf-llama", "nanogpt", "initlab"]
    assert all(adapter.summary for _, adapter in ADAPTERS.items())


def python(code: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(Path(initlab.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout


@pytest.mark.parametrize("name", ["hf-llama", "initlab"])
def test_whoever_asks_for_a_family_need_not_have_imported_it_nor_torch(name: str) -> None:
    code = f"import sys\nfrom initlab.adapters.adapter import ADAPTERS\nprint(ADAPTERS.get({name!r}).summary)\n"
    code += "from initlab.adapters.recognition import read_model\nprint('torch' in sys.modules)"
    summary, has_torch = python(code).splitlines()
    assert summary == ADAPTERS.get(name).summary
    assert has_torch == "False"
