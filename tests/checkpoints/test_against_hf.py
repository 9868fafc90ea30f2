"""Hugging Face's models load the exported files, key for key, and are then the init's own network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from initlab.adapters.hf_activations import HF_NAMES
from initlab.checkpoints.build import Checkpoint, build_checkpoint
from initlab.checkpoints.resolution import CheckpointSpec
from initlab.checkpoints.write import write_checkpoint
from initlab.spec.run import ModelSpec
from tests.conftest import optional_module
from tests.networks import holding, random_tokens

transformers = optional_module("transformers")
pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_thread")]

SIZES: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 12, "ffn_ratio": 2.5}
LOGITS = 1e-5
"""Largest difference of a logit, over their rms: float32 rounds at 6e-8, and two layers of sums lose two digits."""

CLASSES = {
    "hf-gpt2": ("GPT2Config", "GPT2LMHeadModel", ("bos_token_id", "eos_token_id")),
    "hf-llama": ("LlamaConfig", "LlamaForCausalLM", ("bos_token_id", "eos_token_id")),
}


def made(format_: str, init: str, activation: str | None = None, **model: Any) -> Checkpoint:
    return build_checkpoint(
        CheckpointSpec(
            format=format_, model=ModelSpec(**{**SIZES, **model}), init=init, vocab_size=23, activation=activation
        )
    )


def from_file(format_: str, checkpoint: Checkpoint, folder: Path) -> Any:
    """Load the file as from_pretrained does, and say that nothing was missing and nothing was left over."""
    config_class, model_class, special = CLASSES[format_]
    settings = json.loads(checkpoint.metadata["initlab"])["config"]
    config = getattr(transformers, config_class)(**settings, **dict.fromkeys(special))
    config.save_pretrained(folder)
    write_checkpoint(folder / "model.safetensors", checkpoint)
    load = getattr(transformers, model_class).from_pretrained
    model, report = load(folder, output_loading_info=True, dtype=torch.float32)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[kind], (kind, report[kind])
    strict = getattr(transformers, model_class)(config)
    strict.load_state_dict(load_file(folder / "model.safetensors"))
    assert all(torch.equal(x, model.state_dict()[name]) for name, x in strict.state_dict().items())
    return model.eval()


def own_logits(checkpoint: Checkpoint) -> torch.Tensor:
    """Return the logits of initlab's own network of that init, multipliers where they belong."""
    blueprint, topology = checkpoint.blueprint, checkpoint.blueprint.topology
    fields = {"norm": topology.norm, "positions": topology.positions, "bias": blueprint.dims.bias}
    own = made("initlab", blueprint.init, checkpoint.activation, tied=blueprint.dims.tied, **fields)
    assert own.blueprint.network == blueprint.network
    effective = {slot.name: own.contents.tensors[slot.name] * law.mult for slot, law in blueprint.laws}
    ours = holding(blueprint.network, effective, checkpoint.activation)
    with torch.no_grad():
        found: torch.Tensor = ours(random_tokens(blueprint.dims))[0]
    return found


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.square().mean().sqrt())


@pytest.mark.parametrize(
    ("format_", "init", "model"),
    [
        ("hf-gpt2", "depth-scaled", {}),
        ("hf-gpt2", "depth-scaled", {"bias": False}),
        ("hf-gpt2", "pytorch", {"tied": False}),
        ("hf-gpt2", "pytorch", {"bias": True, "activation": "relu"}),
        ("hf-gpt2", "completep", {}),
        ("hf-gpt2", "layernorm-scaling", {}),
        ("hf-gpt2", "spike-no-more", {}),
        ("hf-gpt2", "lsuv", {}),
        ("hf-llama", "torchtitan", {}),
        ("hf-llama", "llama2c", {}),
        ("hf-llama", "depth-scaled", {"activation": "geglu"}),
        ("hf-llama", "pytorch", {"bias": True}),
        ("hf-llama", "gemma", {"activation": "geglu-tanh"}),
        ("hf-llama", "megatron-mup", {}),
        ("hf-llama", "completep", {}),
    ],
    ids=str,
)
def test_logits_are_initlabs(format_: str, init: str, model: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = made(format_, init, **model)
    theirs, tokens = from_file(format_, checkpoint, tmp_path), random_tokens(checkpoint.blueprint.dims)
    up = next(p for name, p in theirs.named_parameters() if name.endswith(("c_fc.weight", "up_proj.weight")))
    expected = own_logits(checkpoint)
    with torch.no_grad():
        assert difference(theirs(tokens).logits, expected) < LOGITS
        up.mul_(-3)  # and the comparison sees one wrong matrix, next to unit-normal tokens too
        assert difference(theirs(tokens).logits, expected) > 10 * LOGITS


def test_the_config_matters(tmp_path: Path) -> None:
    """LlamaConfig's own epsilon is a tenth of ours: without the config in the file the function is another."""
    checkpoint = made("hf-llama", "depth-scaled")
    theirs = from_file("hf-llama", checkpoint, tmp_path)
    theirs.model.layers[0].input_layernorm.variance_epsilon = transformers.LlamaConfig().rms_norm_eps
    with torch.no_grad():
        logits = theirs(random_tokens(checkpoint.blueprint.dims)).logits
    assert difference(logits, own_logits(checkpoint)) > 10 * LOGITS


def test_activations_are_names_that_hugging_face_knows() -> None:
    assert set(HF_NAMES.values()) <= set(transformers.activations.ACT2FN)
