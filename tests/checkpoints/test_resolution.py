"""What a checkpoint spec means is known without torch: format, activation, and what the format decides."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import initlab
from initlab.checkpoints.resolution import CheckpointSpec, resolve_checkpoint
from initlab.data.corpora import load_corpus
from initlab.errors import InitlabError
from initlab.spec.run import ModelSpec


def spec(format_: str = "initlab", init: str = "gpt2", activation: str | None = None, **model: Any) -> CheckpointSpec:
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 12, **model}
    return CheckpointSpec(format=format_, model=ModelSpec(**sizes), init=init, vocab_size=23, activation=activation)


def test_the_formats_own_activation_and_network_where_nothing_is_said() -> None:
    llama = resolve_checkpoint(spec("hf-llama"))
    assert (llama.format, llama.activation) == ("hf-llama", "swiglu")
    assert (llama.blueprint.topology.norm, llama.blueprint.topology.positions) == ("rmsnorm", "rotary")
    assert not llama.blueprint.dims.bias
    own = resolve_checkpoint(spec())
    assert (own.activation, own.blueprint.topology.norm, own.blueprint.dims.bias) == ("gelu", "layernorm", True)


def test_what_the_user_says_stands() -> None:
    biased = resolve_checkpoint(spec("hf-llama", bias=True, activation="geglu"))
    assert biased.blueprint.dims.bias
    assert biased.activation == "geglu"
    with pytest.raises(
        InitlabError, match=r'format hf-llama cannot hold .* norm = "layernorm"; format initlab holds'
    ):
        resolve_checkpoint(spec("hf-llama", norm="layernorm"))


def test_a_corpus_must_fit() -> None:
    corpus = load_corpus("synthetic")
    fitting = replace(spec(), vocab_size=corpus.vocab_size, corpus=corpus)
    assert resolve_checkpoint(fitting).blueprint.dims.vocab_size == corpus.vocab_size
    with pytest.raises(InitlabError, match="vocab_size = 3"):
        resolve_checkpoint(replace(fitting, model=ModelSpec(vocab_size=3)))


def test_resolving_needs_no_torch() -> None:
    code = "import sys\nfrom initlab.checkpoints.resolution import CheckpointSpec, resolve_checkpoint\n"
    code += "from initlab.spec.run import ModelSpec\n"
    code += "resolve_checkpoint(CheckpointSpec(format='nanogpt', model=ModelSpec(), init='gpt2', vocab_size=9))"
    code += "\nprint('torch' in sys.modules)"
    env = {"PYTHONPATH": str(Path(initlab.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "False"
