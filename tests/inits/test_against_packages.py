"""Inits against the packages they come from, tensor by tensor, built there at 7 layers, 5 heads, 320 wide.

A package's tensor must have the std that ``explain`` states, within the sampling error that its size and the law's
kurtosis allow, and the law's distribution (a Kolmogorov-Smirnov test), and the network must have the same tensors.
Draws are of fixed seeds: the limits leave one false failure in 10,000 runs of all tests with other ones.
"""

import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import initlab
from initlab.network.laws import Dist, Normal, TruncNormal, Uniform
from tests.conftest import optional_module

LAYERS, HEADS, WIDTH, VOCABULARY, CONTEXT = 7, 5, 320, 1000, 64
SIZES: dict[str, Any] = {
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_embd": WIDTH,
    "vocab_size": VOCABULARY,
    "block_size": CONTEXT,
}
HIDDEN = 4 * WIDTH
STANDARD_ERRORS = 5.5
"""Two-sided 4e-8, for some 1,500 tensors."""
LEAST_P = 1e-8
LOOKED_AT = 20_000
"""Entries that the test of the distribution's form takes."""

pytestmark = pytest.mark.usefixtures("one_thread")


def cumulative(dist: Dist) -> Callable[[Any], Any]:
    if isinstance(dist, Uniform):
        low, high = dist.support
        return partial(stats.uniform.cdf, loc=low, scale=high - low)
    if isinstance(dist, TruncNormal):
        return partial(stats.truncnorm.cdf, a=-dist.cut, b=dist.cut, scale=dist.sigma)
    assert isinstance(dist, Normal)
    return partial(stats.norm.cdf, scale=dist.std)


def problem(tensor: Tensor, dist: Dist) -> str | None:
    """Say why a tensor was not drawn from a distribution."""
    values = tensor.detach().double().flatten()
    if dist.std == 0:
        return None if bool((values == dist.mean).all()) else f"is not {dist.mean} everywhere"
    error = math.sqrt((dist.kurtosis - 1) / (4 * len(values)))
    z = (float(values.square().mean().sqrt()) / dist.std - 1) / error
    if abs(z) > STANDARD_ERRORS:
        return f"root mean square {float(values.square().mean().sqrt()):.6g} is not {dist.std:.6g} (z = {z:.1f})"
    if float(values.abs().max()) > dist.support[1] * (1 + 1e-6):
        return f"reaches {float(values.abs().max()):.6g} beyond {dist.support[1]:.6g}"
    p = float(stats.kstest(values[:LOOKED_AT].numpy(), cumulative(dist)).pvalue)
    return None if p > LEAST_P else f"is not {dist.name} (p = {p:.1e})"


def problems(theirs: Mapping[str, Tensor], init: str, activation: str | None = None, **fields: Any) -> list[str]:
    """Return every tensor of a package that is not what ``explain`` says, and those that only one of them has."""
    laws = {slot.name: law for slot, law in initlab.explain(init, activation, **SIZES, **fields).blueprint.laws}
    shapes = {
        slot.name: slot.shape for slot, _ in initlab.explain(init, activation, **SIZES, **fields).blueprint.laws
    }
    own = {name for name in laws if "scale" not in name}
    found = [f"{name} is in one alone" for name in sorted(own ^ set(theirs))]
    for name in sorted(own & set(theirs)):
        why = problem(theirs[name], laws[name].dist)
        if tuple(theirs[name].shape) != shapes[name]:
            why = f"has shape {tuple(theirs[name].shape)}, not {shapes[name]}"
        found += [f"{name} {why}"] if why else []
    return found


def renamed(state: Mapping[str, Tensor], names: Mapping[str, str], block: str, parts: Mapping[str, str]) -> Any:
    """Return a model's tensors by the names of slots; ``{}`` in ``block`` is the layer."""
    table = dict(names)
    for layer in range(LAYERS):
        for theirs, ours in parts.items():
            table[f"{block.format(layer)}.{theirs}"] = f"blocks.{layer}.{ours}"
    found = {}
    for name, tensor in state.items():
        prefix, _, leaf = name.rpartition(".")
        found[f"{table.get(prefix, prefix)}.{leaf}"] = tensor
    return found


def split(state: dict[str, Tensor], fused: str, *, heads_first: bool = False, columns: bool = False) -> None:
    """Cut a fused projection's tensors into query, key and value."""
    for layer in range(LAYERS):
        for leaf in ("weight", "bias"):
            whole = state.pop(f"blocks.{layer}.{fused}.{leaf}", None)
            if whole is None:
                continue
            whole = whole.mT if columns and leaf == "weight" else whole
            if heads_first:
                pieces = whole.unflatten(0, (HEADS, 3, -1)).unbind(1)
                pieces = tuple(piece.flatten(0, 1) for piece in pieces)
            else:
                pieces = whole.chunk(3)
            for role, piece in zip(("query", "key", "value"), pieces, strict=True):
                state[f"blocks.{layer}.{role}.{leaf}"] = piece


def hf(model: str, **config: Any) -> dict[str, Tensor]:
    """Return the tensors that transformers gives a model of that family, tied copies left out."""
    transformers = optional_module("transformers")
    torch.manual_seed(1)
    made = getattr(transformers, model)(getattr(transformers, config.pop("config"))(**config))
    return dict(made.named_parameters())


def gpt2() -> dict[str, Tensor]:
    state = hf(
        "GPT2LMHeadModel",
        config="GPT2Config", n_layer=LAYERS, n_head=HEADS, n_embd=WIDTH, vocab_size=VOCABULARY, n_positions=CONTEXT,
    )  # fmt: skip
    parts = {"ln_1": "attn.norm", "ln_2": "ffn.norm", "attn.c_attn": "fused", "attn.c_proj": "attn_out"}
    parts |= {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    names = {"transformer.wte": "token_embedding", "transformer.wpe": "position_embedding"}
    found: dict[str, Tensor] = renamed(state, {**names, "transformer.ln_f": "final_norm"}, "transformer.h.{}", parts)
    for name in [name for name in found if name.endswith(("attn_out.weight", "ffn_up.weight", "ffn_down.weight"))]:
        found[name] = found[name].mT
    split(found, "fused", columns=True)
    return found


LLAMA_PARTS = {
    "input_layernorm": "attn.norm",
    "post_attention_layernorm": "ffn.norm",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def llama(family: str, **more: Any) -> dict[str, Tensor]:
    state = hf(
        f"{family}ForCausalLM",
        config=f"{family}Config", num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
        hidden_size=WIDTH, intermediate_size=HIDDEN, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT,
        pad_token_id=None, **more,
    )  # fmt: skip
    names = {"model.embed_tokens": "token_embedding", "model.norm": "final_norm"}
    found: dict[str, Tensor] = renamed(state, names, "model.layers.{}", LLAMA_PARTS)
    return found


def neox() -> dict[str, Tensor]:
    state = hf(
        "GPTNeoXForCausalLM",
        config="GPTNeoXConfig", num_hidden_layers=LAYERS, num_attention_heads=HEADS, hidden_size=WIDTH,
        intermediate_size=HIDDEN, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT,
    )  # fmt: skip
    names = {
        "gpt_neox.embed_in": "token_embedding",
        "gpt_neox.final_layer_norm": "final_norm",
    }
    parts = {"input_layernorm": "attn.norm", "post_attention_layernorm": "ffn.norm"}
    parts |= {"attention.query_key_value": "fused", "attention.dense": "attn_out"}
    parts |= {"mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}
    found: dict[str, Tensor] = renamed(state, names, "gpt_neox.layers.{}", parts)
    split(found, "fused", heads_first=True)
    return found


def t5() -> dict[str, Tensor]:
    state = hf(
        "T5ForConditionalGeneration",
        config="T5Config", num_layers=1, num_decoder_layers=LAYERS, num_heads=HEADS, d_model=WIDTH, d_kv=64,
        d_ff=HIDDEN, vocab_size=VOCABULARY,
    )  # fmt: skip
    table = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias"
    names = {"shared": "token_embedding", "decoder.final_layer_norm": "final_norm", table: "relative_position_bias"}
    parts = {"layer.0.layer_norm": "attn.norm", "layer.2.layer_norm": "ffn.norm"}
    parts |= {
        f"layer.0.SelfAttention.{a}": b for a, b in zip("qkvo", ("query", "key", "value", "attn_out"), strict=True)
    }
    parts |= {"layer.2.DenseReluDense.wi": "ffn_up", "layer.2.DenseReluDense.wo": "ffn_down"}
    decoder = {k: v for k, v in state.items() if not k.startswith("encoder.") and ".layer.1." not in k}
    found: dict[str, Tensor] = renamed(decoder, names, "decoder.block.{}", parts)
    return found


@pytest.mark.hf
def test_transformers_gpt2_is_depth_scaled_and_not_gpt2() -> None:
    state = gpt2()
    assert problems(state, "depth-scaled") == []
    wrong = problems(state, "gpt2")  # an unscaled projection is caught, and nothing else is
    assert len(wrong) == 2 * LAYERS
    assert all("attn_out.weight" in line or "ffn_down.weight" in line for line in wrong)


@pytest.mark.hf
def test_transformers_gemma_is_gemma_as_its_source() -> None:
    state = llama("Gemma", head_dim=64)
    assert problems(state, "gemma", as_source=True) == []
    assert problems(state, "gemma:std=0.0201", as_source=True)


@pytest.mark.hf
def test_transformers_t5_decoder_is_t5_as_its_source() -> None:
    state = t5()
    assert problems(state, "t5", as_source=True) == []
    assert len(problems(state, "palm", activation="relu", norm="rmsnorm", bias=False)) > LAYERS


@pytest.mark.hf
def test_transformers_llama_is_plain_normal_on_the_network_of_llama2c() -> None:
    """transformers draws it N(.02): the network is what is compared, and llama2.c's law is another."""
    state = llama("Llama", tie_word_embeddings=True)
    network: dict[str, Any] = {"norm": "rmsnorm", "bias": False, "positions": "rotary"}
    assert problems(state, "gpt2", "swiglu", **network) == []
    assert len(problems(state, "llama2c", "swiglu", **network)) == 2 * LAYERS  # wo and w3


@pytest.mark.hf
def test_transformers_gpt_neox_has_the_network_of_neox() -> None:
    state = neox()
    network: dict[str, Any] = {
        "positions": "rotary",
        "rotary_fraction": 0.25,
        "parallel": True,
        "parallel_norms": True,
        "tied": False,
    }
    assert problems(state, "gpt2", "gelu-tanh", **network) == []
    missing = problems(state, "gpt2", **{**network, "parallel_norms": False})
    assert [line for line in missing if "is in one alone" in line] == [
        f"blocks.{layer}.ffn.norm.{leaf} is in one alone" for layer in range(LAYERS) for leaf in ("bias", "weight")
    ]


def _linears(**fans: tuple[int, int]) -> dict[str, Tensor]:
    made = {role: nn.Linear(fan_in, fan_out) for role, (fan_out, fan_in) in fans.items()}
    return {f"{role}.{leaf}": getattr(one, leaf) for role, one in made.items() for leaf in ("weight", "bias")}


def _of_torch(norm: bool) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for layer in range(LAYERS):
        square = dict.fromkeys(("query", "key", "value", "attn_out"), (WIDTH, WIDTH))
        own = _linears(**square, ffn_up=(HIDDEN, WIDTH), ffn_down=(WIDTH, HIDDEN))
        found |= {f"blocks.{layer}.{name}": tensor for name, tensor in own.items()}
        for side in ("attn", "ffn") if norm else ():
            found |= {f"blocks.{layer}.{side}.norm.{k}": v for k, v in nn.LayerNorm(WIDTH).named_parameters()}
    return found


@pytest.mark.parametrize(
    ("init", "table", "head"),
    [
        ("pytorch", nn.Linear(WIDTH, VOCABULARY).weight, None),
        ("pytorch:tie=embedding", nn.Embedding(VOCABULARY, WIDTH).weight, None),
        ("pytorch:tie=none", nn.Embedding(VOCABULARY, WIDTH).weight, nn.Linear(WIDTH, VOCABULARY).weight),
    ],
)
def test_torchs_own_layers_are_pytorch_by_the_way_the_head_is_tied(init: str, table: Tensor, head: Any) -> None:
    torch.manual_seed(2)
    state = _of_torch(norm=True) | {f"final_norm.{k}": v for k, v in nn.LayerNorm(WIDTH).named_parameters()}
    state |= {"token_embedding.weight": table, "position_embedding.weight": nn.Embedding(CONTEXT, WIDTH).weight}
    state |= {} if head is None else {"lm_head.weight": head}
    assert problems(state, init) == []
    assert problems(state, "pytorch:tie=embedding" if init == "pytorch" else "pytorch")


def test_torchs_attention_and_linears_are_rezero() -> None:
    torch.manual_seed(3)
    state = _of_torch(norm=False)
    for layer in range(LAYERS):
        attention = nn.MultiheadAttention(WIDTH, HEADS)
        fused = zip(
            ("query", "key", "value"), attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True
        )
        for role, weight, bias in fused:
            state |= {f"blocks.{layer}.{role}.weight": weight, f"blocks.{layer}.{role}.bias": bias}
        state |= {f"blocks.{layer}.attn_out.{k}": v for k, v in attention.out_proj.named_parameters()}
    own = problems(state, "rezero", as_source=True)  # the tables are not its source's
    assert own == [f"{table}_embedding.weight is in one alone" for table in ("position", "token")]
    assert len(problems(state, "pytorch", norm_at="none")) > 3 * LAYERS


@pytest.mark.sources
def test_unit_scalings_decoder_is_u_mup_as_its_source() -> None:
    unit_scaling = optional_module("unit_scaling")
    torch.manual_seed(4)
    made = unit_scaling.TransformerDecoder(hidden_size=WIDTH, vocab_size=VOCABULARY, layers=LAYERS, heads=HEADS)
    names = {"embedding": "token_embedding", "projection": "lm_head"}
    parts = {"mhsa.linear_qkv": "fused", "mhsa.linear_o": "attn_out"}
    parts |= {"mlp.linear_1": "ffn_up", "mlp.linear_gate": "ffn_gate", "mlp.linear_2": "ffn_down"}
    state = renamed(dict(made.named_parameters()), names, "layers.{}", parts)
    split(state, "fused")
    assert problems(state, "u-mup", as_source=True) == []
    laws = {slot.name: law for slot, law in initlab.explain("u-mup", **SIZES, as_source=True).blueprint.laws}
    rate = unit_scaling.optim.lr_scale_func_adam
    theirs = {name: rate(p) for name, p in renamed(dict(made.named_parameters()), names, "layers.{}", parts).items()}
    for name, value in theirs.items():
        ours = name.replace("fused", "query")
        assert laws[ours].lr == pytest.approx(value, rel=1e-12), name


@pytest.fixture
def torchscale(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """torchscale, with a name that it imports of timm and never calls here."""
    timm = ModuleType("timm.models.layers")
    timm.drop_path = None  # type: ignore[attr-defined]
    for name in ("timm", "timm.models", "timm.models.layers"):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, timm)
    return optional_module("torchscale.architecture.decoder")


@pytest.mark.sources
@pytest.mark.parametrize("init", ["deepnorm-torchscale", "sub-ln:base=torch"])
def test_torchscales_decoder_is_deepnorm_and_sub_ln(init: str, torchscale: ModuleType) -> None:
    config, embedding = (
        optional_module("torchscale.architecture.config"),
        optional_module("torchscale.component.embedding"),
    )
    torch.manual_seed(5)
    deepnorm = init.startswith("deepnorm")
    args = config.DecoderConfig(
        decoder_embed_dim=WIDTH, decoder_attention_heads=HEADS, decoder_ffn_embed_dim=HIDDEN, decoder_layers=LAYERS,
        vocab_size=VOCABULARY, deepnorm=deepnorm, subln=not deepnorm,
    )  # fmt: skip
    tables = embedding.TextEmbedding(VOCABULARY, WIDTH), embedding.PositionalEmbedding(CONTEXT, WIDTH)
    made = torchscale.Decoder(args, *tables)
    names = {"embed_tokens": "token_embedding", "embed_positions": "position_embedding"}
    names |= {"output_projection": "lm_head", "layer_norm": "final_norm"}
    place = "post_norm" if deepnorm else "norm"
    parts = {f"self_attn.{a}_proj": b for a, b in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "attn_out"))}
    parts |= {"ffn.fc1": "ffn_up", "ffn.fc2": "ffn_down", "ffn.ffn_layernorm": "ffn_sub_norm"}
    parts |= {"self_attn_layer_norm": f"attn.{place}", "final_layer_norm": f"ffn.{place}"}
    parts |= {"self_attn.inner_attn_ln": "attn_sub_norm"}
    state = renamed(dict(made.named_parameters()), names, "layers.{}", parts)
    assert problems(state, init, as_source=True) == []
    assert made.embed_scale == 1.0  # DecoderConfig's no_scale_embedding
    other = "sub-ln:base=torch" if deepnorm else "deepnorm-torchscale"
    assert len(problems(state, other, as_source=True)) > 4 * LAYERS
