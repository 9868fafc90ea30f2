"""An initial checkpoint holds the init's own draw, under the format's names, and says what it is."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from initlab.checkpoints.build import CALIBRATION_BATCH, Checkpoint, build_checkpoint
from initlab.checkpoints.resolution import CheckpointSpec
from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS
from initlab.network.topology import GPT2_TOPOLOGY
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec
from tests.networks import Tensors, holding, random_tokens
from tests.reference import Reference

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 12}
VOCABULARY = 23


def made(format_: str, init: str = "depth-scaled", *, activation: str | None = None, **model: Any) -> Checkpoint:
    options = {key: model.pop(key) for key in ("seed", "dtype", "corpus") if key in model}
    spec = ModelSpec(**{**SIZES, **model})
    return build_checkpoint(
        CheckpointSpec(format=format_, model=spec, init=init, vocab_size=VOCABULARY, activation=activation, **options)
    )


def facts(checkpoint: Checkpoint) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(checkpoint.metadata["initlab"])
    return found


# Initlab's own format -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", [name for name, _ in INITS.items()])
def test_initlabs_own_format_is_every_inits_draw(init: str) -> None:
    checkpoint = made("initlab", init)
    blueprint, tensors = checkpoint.blueprint, checkpoint.contents.tensors
    assert {name: tuple(x.shape) for name, x in tensors.items()} == blueprint.network.shapes
    assert facts(checkpoint)["laws"] == blueprint.to_json()["slots"]
    # From the file alone, the function: its tensors, times the multipliers that it says they have.
    effective = {name: x * facts(checkpoint)["laws"][name]["mult"] for name, x in tensors.items()}
    tokens = random_tokens(blueprint.dims, 2)
    with torch.no_grad():
        logits = holding(blueprint.network, effective)(tokens)[0].numpy()
    arrays = {name: x.double().numpy() for name, x in effective.items()}
    expected = Reference(blueprint.dims, blueprint.topology, arrays, "gelu").logits(tokens.numpy())
    assert np.abs(logits - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())
    assert checkpoint.parameters == sum(x.numel() for x in tensors.values())


@pytest.mark.parametrize("init", ["depth-scaled", "lsuv", "admin", "mimetic", "wesar"])
def test_on_a_corpus_it_is_where_a_run_starts(init: str) -> None:
    """The same bits that a training of this seed starts from, its calibration on its first batch included."""
    corpus = load_corpus("synthetic")
    spec = RunSpec(model=ModelSpec(**SIZES), train=TrainSpec(batch_size=CALIBRATION_BATCH), init=init, seed=3)
    group = Group([spec], [corpus])
    request = CheckpointSpec(
        format="initlab", model=spec.model, init=init, vocab_size=corpus.vocab_size, seed=3, corpus=corpus
    )
    tensors = build_checkpoint(request).contents.tensors
    assert set(group._parameters) <= set(tensors)
    assert all(torch.equal(tensors[name], stacked[0]) for name, stacked in group._parameters.items())
    other = build_checkpoint(
        CheckpointSpec(
            format="initlab", model=spec.model, init=init, vocab_size=corpus.vocab_size, seed=4, corpus=corpus
        )
    )
    assert not torch.equal(other.contents.tensors["blocks.0.ffn_up.weight"], tensors["blocks.0.ffn_up.weight"])


def test_without_a_corpus_calibration_reads_random_tokens() -> None:
    checkpoint = made("initlab", "lsuv")
    tensors = checkpoint.contents.tensors
    outputs: list[Tensor] = []

    def tap(place: str, x: Tensor) -> Tensor:
        if place == "ffn_up":
            outputs.append(x)
        return x

    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(VOCABULARY, (200, 12), generator=generator)
    with torch.no_grad():
        holding(checkpoint.blueprint.network, tensors)(tokens, tap=tap)
    # Unit variance on its own 144 random tokens, hence nearly so on others.
    assert [float(x.std()) for x in outputs] == pytest.approx([1, 1], rel=0.15)
    again = made("initlab", "lsuv").contents.tensors
    assert all(torch.equal(again[name], x) for name, x in tensors.items())


# The others' names --------------------------------------------------------------------------------------------------


def test_fused_matrices_are_q_k_and_v_in_nanogpts_rows_and_hugging_faces_columns() -> None:
    drawn = made("initlab", "pytorch").contents.tensors
    rows = made("nanogpt", "pytorch").contents.tensors["transformer.h.1.attn.c_attn.weight"]
    columns = made("hf-gpt2", "pytorch").contents.tensors["transformer.h.1.attn.c_attn.weight"]
    assert rows.shape == (96, 32)
    assert columns.shape == (32, 96)
    for n, role in enumerate(("query", "key", "value")):
        part = slice(32 * n, 32 * (n + 1))
        assert torch.equal(rows[part], drawn[f"blocks.1.{role}.weight"])
        assert torch.equal(columns[:, part], drawn[f"blocks.1.{role}.weight"].T)
    bias = made("hf-gpt2", "pytorch").contents.tensors["transformer.h.1.attn.c_attn.bias"]
    assert torch.equal(bias, torch.cat([drawn[f"blocks.1.{role}.bias"] for role in ("query", "key", "value")]))
    assert bias.abs().min() > 0


@pytest.mark.parametrize("format_", ["nanogpt", "hf-gpt2", "hf-llama"])
def test_a_tied_head_is_written_under_both_names_and_counted_once(format_: str) -> None:
    tied = made(format_, tied=True)
    tensors = tied.contents.tensors
    table = next(x for name, x in tensors.items() if name.endswith(("wte.weight", "embed_tokens.weight")))
    assert torch.equal(table, tensors["lm_head.weight"])
    assert table.data_ptr() != tensors["lm_head.weight"].data_ptr()
    assert tied.parameters == sum(x.numel() for x in tensors.values()) - table.numel()
    if format_ != "nanogpt":
        untied = made(format_, tied=False)
        assert not torch.equal(untied.contents.tensors["lm_head.weight"], table)
        assert untied.parameters == tied.parameters + table.numel()


def test_a_biasless_network_gets_zero_biases_where_the_format_has_no_choice() -> None:
    without, with_ = made("hf-gpt2", bias=False), made("hf-gpt2", bias=True)
    assert without.contents.tensors.keys() == with_.contents.tensors.keys()
    biases = [x for name, x in without.contents.tensors.items() if name.endswith("bias")]
    assert len(biases) == 2 * 6 + 1
    assert all(x.abs().max() == 0 for x in biases)
    assert any("biases that the network lacks" in note for note in without.contents.notes)
    assert with_.contents.notes == []
    nanogpt = made("nanogpt", bias=False).contents
    assert not any(name.endswith("bias") for name in nanogpt.tensors)
    assert nanogpt.config["bias"] is False


def test_llama_is_made_of_what_the_user_leaves_open() -> None:
    checkpoint = made("hf-llama")
    blueprint = checkpoint.blueprint
    assert (blueprint.topology.norm, blueprint.topology.positions) == ("rmsnorm", "rotary")
    assert (blueprint.dims.bias, blueprint.dims.gated, checkpoint.activation) == (False, True, "swiglu")
    assert made("hf-llama", activation="geglu-tanh").contents.config["hidden_act"] == "gelu_pytorch_tanh"
    biased = made("hf-llama", bias=True)
    assert biased.contents.config["attention_bias"] is True
    assert "model.layers.0.mlp.gate_proj.bias" in biased.contents.tensors


@pytest.mark.parametrize(
    ("format_", "init", "model", "words"),
    [
        ("nanogpt", "deepnorm", {}, 'norm_at = "post"'),
        ("nanogpt", "t5", {}, "norm ="),
        ("hf-llama", "t5", {}, 'positions = "relative"'),
        ("hf-llama", "palm", {}, "parallel = true"),
        ("hf-llama", "spectral", {}, "embed_norm = true"),
        ("nanogpt", "lecun", {}, "--tied"),
        ("nanogpt", "layerscale", {}, "trains blocks.0.attn.branch_scale.weight"),
        ("nanogpt", "wesar", {}, "trains blocks.0.query.scale"),
        ("hf-gpt2", "deepscale-lm", {}, "skip_scale"),
        ("hf-gpt2", "gpt2", {"softcap": 5.0}, "softcap = 5.0"),
        ("hf-llama", "gpt2", {"positions": "learned"}, 'positions = "learned"'),
        ("hf-gpt2", "gpt2", {"activation": "swiglu"}, "gate"),
        ("hf-llama", "gpt2", {"activation": "relu"}, "leave --activation out for swiglu"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_feature_and_the_way_out(
    format_: str, init: str, model: dict[str, Any], words: str
) -> None:
    with pytest.raises(InitlabError) as caught:
        made(format_, init, **model)
    assert words in str(caught.value)
    assert f"format {format_} cannot hold" in str(caught.value)
    assert "format initlab holds any network" in str(caught.value)
    assert made("initlab", init, **model).contents.tensors


def test_an_unknown_format_has_a_nearest_one() -> None:
    with pytest.raises(InitlabError, match="did you mean 'hf-llama'"):
        made("llama")


# What the trainer must know -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "init", "needs", "folded"),
    [
        ("nanogpt", "depth-scaled", [], []),
        ("nanogpt", "mimetic", [], []),
        ("hf-llama", "mup", ["multipliers", "optimizer groups"], ["attn_scale", "logit_scale"]),
        ("nanogpt", "completep", ["multipliers", "optimizer groups"], ["attn_scale", "branch_scale", "logit_scale"]),
        ("hf-llama", "gemma", ["multipliers"], ["embed_scale"]),
        ("hf-gpt2", "layernorm-scaling", ["multipliers"], ["norm_scale"]),
        ("initlab", "lsuv", [], []),
        ("initlab", "u-mup", ["multipliers", "norms", "optimizer groups"], []),
        ("initlab", "spectral", ["norms", "positions", "logit soft-cap"], []),
    ],
)
def test_needs_are_what_the_tensors_do_not_do(format_: str, init: str, needs: list[str], folded: list[str]) -> None:
    checkpoint = made(format_, init)
    assert checkpoint.contents.needs == needs
    assert facts(checkpoint)["needs"] == needs
    notes = " ".join(checkpoint.contents.notes)
    for role in FOLDABLE:
        assert (role in notes) == (role in folded)


FOLDABLE = ("attn_scale", "logit_scale", "embed_scale", "norm_scale", "branch_scale", "matrix_scale")


def test_the_file_says_what_it_is() -> None:
    checkpoint = made("hf-gpt2", "gpt2:std=0.01", seed=7)
    assert checkpoint.metadata["format"] == "pt"
    found = facts(checkpoint)
    assert (found["format"], found["init"], found["seed"]) == ("hf-gpt2", "gpt2:std=0.01", 7)
    assert (found["activation"], found["dims"]["n_embd"], found["version"]) == ("gelu-tanh", 32, "0.1.0")
    assert found["config"] == checkpoint.contents.config
    assert found["laws"]["blocks.0.query.weight"]["std"] == 0.01


def test_dtypes() -> None:
    single, double = made("nanogpt"), made("nanogpt", dtype="float64")
    half = made("nanogpt", dtype="bfloat16")
    for name, x in single.contents.tensors.items():
        assert (x.dtype, half.contents.tensors[name].dtype) == (torch.float32, torch.bfloat16)
        assert torch.equal(half.contents.tensors[name], x.bfloat16())
        # One float32 stream of numbers whatever the type, scaled in the type.
        torch.testing.assert_close(double.contents.tensors[name].float(), x, rtol=1e-6, atol=0)


# The function -------------------------------------------------------------------------------------------------------


def unfused(tensors: Tensors, conv1d: bool) -> dict[str, Any]:
    """Return GPT-2's tensors as the reference wants them, by names written out here once more."""
    part = {"ln_1": "attn.norm", "ln_2": "ffn.norm", "attn.c_proj": "attn_out", "mlp.c_fc": "ffn_up"}
    part["mlp.c_proj"] = "ffn_down"
    outside = {"wte": "token_embedding", "wpe": "position_embedding", "ln_f": "final_norm"}
    found: dict[str, Any] = {}
    for key, x in tensors.items():
        path, _, kind = key.rpartition(".")
        words = path.split(".")
        if words[0] == "lm_head":
            found["lm_head.weight"] = x
        elif words[1] != "h":
            found[f"{outside[words[1]]}.{kind}"] = x
        else:
            block, module = f"blocks.{words[2]}", ".".join(words[3:])
            x = x.T if conv1d and x.ndim == 2 else x
            if module == "attn.c_attn":
                for role, third in zip(("query", "key", "value"), x.chunk(3), strict=True):
                    found[f"{block}.{role}.{kind}"] = third
            else:
                found[f"{block}.{part[module]}.{kind}"] = x
    return {name: x.double().numpy() for name, x in found.items()}


GPT2_INITS = [
    *("gpt2", "depth-scaled", "pytorch", "note-default-scaled", "orthogonal", "mimetic", "lsuv", "looks-linear"),
    *("spike-no-more", "layernorm-scaling", "completep", "depth-mup", "neox", "xavier", "kaiming", "zero-residual"),
]


@pytest.mark.parametrize("format_", ["nanogpt", "hf-gpt2"])
@pytest.mark.parametrize("init", GPT2_INITS)
def test_in_gpt2s_names_it_is_the_function_that_the_init_describes(init: str, format_: str) -> None:
    checkpoint = made(format_, init, activation="gelu", tied=True, dtype="float64")
    blueprint, raw = checkpoint.blueprint, made("initlab", init, tied=True, dtype="float64").contents.tensors
    effective = {slot.name: raw[slot.name] * law.mult for slot, law in blueprint.laws}
    tokens = random_tokens(blueprint.dims, 2)
    with torch.no_grad():
        expected = holding(blueprint.network, effective)(tokens)[0].numpy()
    arrays = unfused(checkpoint.contents.tensors, conv1d=format_ == "hf-gpt2")
    found = Reference(blueprint.dims, GPT2_TOPOLOGY, arrays, "gelu").logits(tokens.numpy())
    assert np.abs(found - expected).max() < 1e-12 * max(1.0, np.abs(expected).max())
    exchanged = {**arrays, "blocks.0.query.weight": arrays["blocks.0.key.weight"]}
    twin = Reference(blueprint.dims, GPT2_TOPOLOGY, exchanged, "gelu").logits(tokens.numpy())
    if init != "zero-residual":  # whose branches are silent
        assert np.abs(twin - expected).max() > 1e-9
