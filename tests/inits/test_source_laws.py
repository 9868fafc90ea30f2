"""Inits against their sources at 7 layers, 5 heads, 320 wide: every tensor's law, and with ``as_source`` the network.

What a source does is written down here from its code, file and line beside it, and worked out by hand from those
numbers: nothing below reads a law, a blueprint or a slot table of initlab. ``explain`` must list the same tensors, no
more and no fewer, each with the same distribution, std, forward factor and factors on learning rate, decay and eps.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pytest

import initlab
from initlab.api.explanation import Explanation
from tests.inits.golden import Start, constant, cut, fixed, normal, uniform

LAYERS, HEADS, WIDTH, VOCABULARY, CONTEXT, HEAD = 7, 5, 320, 1000, 64, 64
BRANCHES = 2 * LAYERS
HIDDEN, MATCHED = 1280, 853
"""4·d hidden units, and 2/3 of them, in whole units, where there are three matrices."""
SIZES: dict[str, Any] = {
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_embd": WIDTH,
    "vocab_size": VOCABULARY,
    "block_size": CONTEXT,
    "base_n_embd": 256,
    "base_n_layer": 2,
}
QKV = ("query", "key", "value")
INTO = (*QKV, "ffn_gate", "ffn_up")
OUT_OF = ("attn_out", "ffn_down")


def bounded(bound: float) -> Start:
    """U(±bound), whose std is the bound over √3."""
    return uniform(bound / math.sqrt(3))


def torch_linear(fan_in: int) -> Start:
    """torch.nn.Linear: weights and biases U(±1/√fan_in)."""
    return bounded(fan_in**-0.5)


def xavier(rows: int, columns: int, gain: float = 1.0) -> Start:
    """torch.nn.init.xavier_uniform_: U(±gain·√(6/(rows + columns)))."""
    return bounded(gain * math.sqrt(6 / (rows + columns)))


def cut_at_3(sigma: float) -> Start:
    """torch's trunc_normal_ with bounds at ±3 sigma."""
    return cut(sigma, 3)


ZERO, ONE = constant(0.0), constant(1.0)

Rule: TypeAlias = "Start | Callable[[int], Start]"
"""What a kind of tensor starts as; a function is of the layer, from 0."""


@dataclass(frozen=True)
class Source:
    """An init's source: what it builds, and how every kind of tensor starts.

    ``laws`` has roles, ``bias of <role>`` (zero where nothing is said), ``norm_gain``, and multipliers by the last
    part of their names, such as ``attn.skip_scale``. ``adjust`` changes the start of a tensor by its name and layer.
    """

    laws: Mapping[str, Rule]
    norm: str = "layernorm"
    norm_at: str = "pre"
    affine: bool = True
    biases: bool = True
    positions: str = "learned"
    activation: str = "gelu"
    hidden: int = HIDDEN
    tied: bool = True
    parallel: bool = False
    embed_norm: bool = False
    sub_norm: bool = False
    qk_norm: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    as_source: bool = True
    adjust: Callable[[str, int | None, Start], Start] = lambda name, layer, start: start

    @property
    def gated(self) -> bool:
        return self.activation in ("swiglu", "geglu-tanh")

    @property
    def topology(self) -> dict[str, Any]:
        return {
            "norm": self.norm,
            "norm_at": self.norm_at,
            "positions": self.positions,
            "parallel": self.parallel,
            "embed_norm": self.embed_norm,
            "sub_norm": self.sub_norm,
            "qk_norm": self.qk_norm,
            "softcap": None,
            **self.extra,
        }

    def tensors(self) -> Iterator[tuple[str, str, tuple[int, ...], int | None]]:
        """Yield (name, kind, shape, layer) of every tensor that the source's network has."""
        yield "token_embedding.weight", "token_embedding", (VOCABULARY, WIDTH), None
        if self.positions == "learned":
            yield "position_embedding.weight", "position_embedding", (CONTEXT, WIDTH), None
        if self.positions == "relative":
            yield "relative_position_bias.weight", "relative_position_bias", (32, HEADS), None
        if self.embed_norm:
            yield from self._norm("embed_norm", WIDTH, None)
        for layer in range(LAYERS):
            yield from self._block(f"blocks.{layer}", layer)
        if self.norm_at == "pre":
            yield from self._norm("final_norm", WIDTH, None)
        if not self.tied:
            yield "lm_head.weight", "lm_head", (VOCABULARY, WIDTH), None
        if "lm_head shift" in self.laws:
            yield "lm_head.shift", "lm_head shift", (), None
        yield from (
            (f"{name}.weight", name, (), None) for name in ("embed_scale", "logit_scale") if name in self.laws
        )

    def _block(self, block: str, layer: int) -> Iterator[tuple[str, str, tuple[int, ...], int | None]]:
        hidden = self.hidden
        shapes = {
            **dict.fromkeys((*QKV, "attn_out"), (WIDTH, WIDTH)),
            **({"ffn_gate": (hidden, WIDTH)} if self.gated else {}),
            "ffn_up": (hidden, WIDTH),
            "ffn_down": (WIDTH, hidden),
        }
        for role, shape in shapes.items():
            yield f"{block}.{role}.weight", role, shape, layer
            if self.biases:
                yield f"{block}.{role}.bias", f"bias of {role}", shape[:1], layer
        for side in ("attn", "ffn"):
            if self.norm_at == "pre":
                yield from self._norm(f"{block}.{side}.norm", WIDTH, layer)
            if self.norm_at == "post":
                yield from self._norm(f"{block}.{side}.post_norm", WIDTH, layer)
            if self.sub_norm:
                yield from self._norm(f"{block}.{side}_sub_norm", WIDTH if side == "attn" else hidden, layer)
        if self.qk_norm:
            yield from self._norm(f"{block}.query_norm", HEAD, layer)
            yield from self._norm(f"{block}.key_norm", HEAD, layer)
        for name in self.laws:
            if "_scale" in name and name not in ("embed_scale", "logit_scale"):
                yield f"{block}.{name}.weight", name, (), layer
            elif name.endswith((".scale", ".shift")):
                yield f"{block}.{name}", name, (), layer
        if "ffn_shift" in self.laws:
            yield f"{block}.ffn_shift.weight", "ffn_shift", (), layer

    def _norm(
        self, name: str, width: int, layer: int | None
    ) -> Iterator[tuple[str, str, tuple[int, ...], int | None]]:
        if self.affine:
            yield f"{name}.weight", "norm_gain", (width,), layer
        if self.affine and self.biases and self.norm == "layernorm":
            yield f"{name}.bias", "norm_bias", (width,), layer

    def start(self, name: str, kind: str, layer: int | None) -> Start:
        plain = {"norm_gain": ONE, "norm_bias": ZERO}.get(kind, ZERO if kind.startswith("bias of") else None)
        rule = self.laws.get(kind, plain)
        assert rule is not None, f"no law for {kind}"
        start = rule(layer if layer is not None else -1) if callable(rule) else rule
        return self.adjust(name, layer, start)


def alike(kinds: tuple[str, ...], rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(kinds, rule)


TABLES = ("token_embedding", "position_embedding")
BLOCK = (*INTO, *OUT_OF)
RHO = BRANCHES**-0.5
LLAMA: dict[str, Any] = {
    "norm": "rmsnorm", "biases": False, "positions": "rotary", "activation": "swiglu", "hidden": MATCHED,
}  # fmt: skip
"""RMSNorm without bias, no biases, SwiGLU w2(silu(w1 x)·w3 x), rotary positions: karpathy/llama2.c model.py:27-40,
104-107, 174-180; OLMo-core nn/transformer/config.py:1678-1720; torchtitan models/llama3/__init__.py:84-114."""
XAVIER_MLP = {"ffn_up": xavier(HIDDEN, WIDTH), "ffn_down": xavier(WIDTH, HIDDEN)}
ROOT = math.sqrt(WIDTH)
EMBED = normal(WIDTH**-0.5)
TORCH_QKV_BIASES = alike(tuple(f"bias of {role}" for role in QKV), torch_linear(WIDTH))
FAIRSEQ: dict[str, Any] = {"positions": "sinusoidal-fairseq", "activation": "relu"}
T_FIXUP = (9 * LAYERS) ** -0.25
DEEPNORM = (8 * LAYERS) ** -0.25
MAGNETO = math.sqrt(math.log(BRANCHES))


def torchscale(factor: float) -> dict[str, Rule]:
    """torch's linears, those on the value path and their biases times a factor; tables of component/embedding.py."""
    times = {role: factor if role in ("value", "attn_out", "ffn_up", "ffn_down") else 1.0 for role in BLOCK}
    fans = {role: HIDDEN if role == "ffn_down" else WIDTH for role in BLOCK}
    laws: dict[str, Rule] = {role: bounded(times[role] * fans[role] ** -0.5) for role in BLOCK}
    laws |= {f"bias of {role}": laws[role] for role in BLOCK}
    return {**laws, "token_embedding": EMBED, "position_embedding": normal(1.0), "lm_head": EMBED}


def pytorch(**tables: Start) -> dict[str, Rule]:
    laws: dict[str, Rule] = {role: torch_linear(HIDDEN if role == "ffn_down" else WIDTH) for role in BLOCK}
    laws |= {f"bias of {role}": laws[role] for role in BLOCK}
    return {**laws, "position_embedding": normal(1.0), **tables}


def llama(base: Callable[[float], Start], factor: Callable[[int], float]) -> dict[str, Rule]:
    """wo, w2 and w3 times a factor of the layer; q, k, v and w1 plain; N(1) tokens, a head of trunc N(1/√d)."""
    return {
        **alike((*QKV, "ffn_gate"), base(0.02)),
        **alike(("attn_out", "ffn_down", "ffn_up"), lambda layer: base(0.02 * factor(layer))),
        "token_embedding": normal(1.0),
        "lm_head": cut_at_3(WIDTH**-0.5),
    }


def by_own_layer(layer: int) -> float:
    return float((2 * (layer + 1)) ** -0.5)


def completep(name: str, layer: int | None, start: Start) -> Start:
    """Its five optimizer groups at m = 320/256 and M = 7/2; eps of all of them over m·M (model.py:327-360)."""
    m, depth = WIDTH / 256, LAYERS / 2
    if name.endswith("_scale.weight"):
        return start
    hidden = layer is not None and name.split(".")[2] in BLOCK and name.endswith(".weight")
    return replace(start, lr=1 / m if hidden else 1.0, wd=m if hidden else 1.0, eps=1 / (m * depth))


def u_mup(name: str, layer: int | None, start: Start) -> Start:
    """Adam's factors, unit_scaling/optim.py:26-84, and the matrices' forward 1/√fan_in (the head's 1/fan_in)."""
    if "scale" in name:
        return start
    depth = LAYERS**-0.5 if layer is not None else 1.0
    if name == "lm_head.weight":
        mult, lr = 1 / WIDTH, 1.0
    elif name == "token_embedding.weight":
        mult, lr = 1.0, ROOT**-1
    else:
        fan_in = HIDDEN if "ffn_down" in name else WIDTH
        mult, lr = fan_in**-0.5, fan_in**-0.5 * depth
    return replace(start, mult=mult, lr=lr, wd=1 / lr)


def tau2(branch: int) -> float:
    """τ² of unit_scaling's transformer_residual_scaling_rule, ratios 1: one over half the branches plus those before.

    core/functional.py: τ_b² = α²/(L + b) with α = 1.
    """
    return 1 / (LAYERS + branch)


SOURCES: dict[str, Source] = {
    # openai/gpt-2 src/model.py:53-54 N(.02), biases 0; :152-155 wpe N(.01), wte N(.02); tanh GELU :25-26
    "gpt2-released": Source(
        {**alike((*BLOCK, "token_embedding"), normal(0.02)), "position_embedding": normal(0.01)},
        activation="gelu-tanh",
    ),
    # karpathy/nanoGPT model.py:138 tied, :144-145 c_proj, :162-168 the rest
    "depth-scaled": Source({**alike((*BLOCK, *TABLES), normal(0.02)), **alike(OUT_OF, normal(0.02 * RHO))}),
    # torch.nn.Linear and Embedding.reset_parameters; nanoGPT model.py:138 makes the shared tensor lm_head's
    "pytorch": Source(pytorch(token_embedding=torch_linear(WIDTH)), as_source=False),
    "pytorch:tie=embedding": Source(pytorch(token_embedding=normal(1.0)), as_source=False),
    "pytorch:tie=none": Source(
        pytorch(token_embedding=normal(1.0), lm_head=torch_linear(WIDTH)), tied=False, as_source=False
    ),
    # karpathy/llama2.c model.py:224 tied, :235-236 w3 and wo, :243-247 the rest
    "llama2c": Source(
        {**alike((*BLOCK, "token_embedding"), normal(0.02)), **alike(("attn_out", "ffn_up"), normal(0.02 * RHO))},
        **LLAMA,
    ),
    # pytorch/torchtitan models/llama3/__init__.py:45-65, 101-112: trunc_normal_ without bounds is normal
    "torchtitan": Source(llama(normal, by_own_layer), tied=False, **LLAMA),
    # allenai/OLMo-core nn/transformer/init.py:26-41, 84-140, 165-200; nn/attention/__init__.py:739-771
    "olmo-llama": Source(llama(cut_at_3, lambda layer: RHO), tied=False, **LLAMA),
    "olmo-llama-depth": Source(llama(cut_at_3, by_own_layer), tied=False, **LLAMA),
    "lecun": Source(
        {
            **alike((*INTO, "attn_out", "lm_head"), cut_at_3(WIDTH**-0.5)),
            "ffn_down": cut_at_3(MATCHED**-0.5),
            "token_embedding": normal(1.0),
        },
        tied=False,
        **LLAMA,
    ),
    # allenai/OLMo olmo/model.py:493-506, 716-726, 1183-1196, 1221-1230; configs/official-0724/OLMo-7B.yaml:10-32
    "mitchell": Source(
        {
            **alike((*INTO, "token_embedding", "lm_head"), cut_at_3(WIDTH**-0.5)),
            "attn_out": lambda layer: cut_at_3((2 * WIDTH * (layer + 1)) ** -0.5),
            "ffn_down": lambda layer: cut_at_3((2 * MATCHED * (layer + 1)) ** -0.5),
        },
        tied=False,
        affine=False,
        extra={"gainless": True},
        **{**LLAMA, "norm": "layernorm"},
    ),
    # EleutherAI/gpt-neox megatron/model/init_functions.py:149, 164; configs/pythia/1-4B.yml:10-22
    "neox": Source(
        {
            **alike((*INTO, "token_embedding", "lm_head"), normal(math.sqrt(2 / (5 * WIDTH)))),
            **alike(OUT_OF, normal(2 / LAYERS / math.sqrt(WIDTH))),
        },
        positions="rotary",
        parallel=True,
        tied=False,
        activation="gelu-tanh",
        extra={"parallel_norms": True, "rotary_fraction": 0.25},
    ),
    # bigscience lessons-learned.md (√(2/5d)); Megatron-DeepSpeed megatron/model/transformer.py:491-492, 592-619
    "bloom": Source(
        {
            **alike((*INTO, "token_embedding"), normal(math.sqrt(2 / (5 * WIDTH)))),
            **alike(OUT_OF, normal(math.sqrt(2 / (5 * WIDTH)) * RHO)),
        },
        positions="alibi",
        embed_norm=True,
        activation="gelu-tanh",
    ),
    # huggingface/transformers models/t5/modeling_t5.py, T5PreTrainedModel._init_weights, factor 1
    "t5": Source(
        {
            "query": normal((WIDTH * HEAD) ** -0.5),
            **alike(("key", "value", "ffn_up"), normal(WIDTH**-0.5)),
            "attn_out": normal((HEADS * HEAD) ** -0.5),
            "ffn_down": normal(HIDDEN**-0.5),
            "token_embedding": normal(1.0),
            "relative_position_bias": normal(WIDTH**-0.5),
            "attn_scale": fixed(1.0),
            "logit_scale": fixed(WIDTH**-0.5),
        },
        norm="rmsnorm",
        biases=False,
        positions="relative",
        activation="relu",
    ),
    # huggingface/transformers models/gemma/modeling_gemma.py: N(.02), gain 1 + 0, tokens × √d
    "gemma": Source(
        {
            **alike((*BLOCK, "token_embedding"), normal(0.02)),
            "norm_gain": ZERO,
            "embed_scale": fixed(ROOT),
        },
        norm="rmsnorm",
        biases=False,
        positions="rotary",
        activation="geglu-tanh",
        extra={"norm_gain": "one-plus"},
    ),
    # karpathy/nanochat nanochat/gpt.py at 3a5e0bc: 36-38 gainless, 90 QK norm, 137 relu², 178-198, 272-278
    "spectral": Source(
        {
            **alike(QKV, normal(WIDTH**-0.5)),
            "ffn_up": normal(WIDTH**-0.5),
            **alike((*OUT_OF, "lm_head"), ZERO),
            "token_embedding": normal(1.0),
        },
        norm="rmsnorm",
        affine=False,
        biases=False,
        positions="rotary",
        embed_norm=True,
        qk_norm=True,
        tied=False,
        activation="relu2",
        extra={"softcap": 15.0},
    ),
    # facebookresearch/fairseq modules/multihead_attention.py:169-182 (q, k, v biases stay torch's), 0.9's
    # models/transformer.py Linear and Embedding; modules/sinusoidal_positional_embedding.py:57
    "fairseq": Source(
        {
            **alike(QKV, xavier(WIDTH, WIDTH, 0.5**0.5)),
            "attn_out": xavier(WIDTH, WIDTH),
            **XAVIER_MLP,
            **TORCH_QKV_BIASES,
            "token_embedding": EMBED,
            "embed_scale": fixed(ROOT),
        },
        norm_at="post",
        **FAIRSEQ,
    ),
    # layer6ai-labs/T-Fixup fairseq/modules/multihead_attention.py:86-99, transformer_layer.py:157-170 (v × √2 undoes
    # its 1/√2), models/transformer.py:604, 908-919
    "t-fixup": Source(
        {
            **alike(("query", "key"), xavier(WIDTH, WIDTH, 0.5**0.5)),
            **alike(("value", "attn_out"), xavier(WIDTH, WIDTH, T_FIXUP)),
            "ffn_up": xavier(HIDDEN, WIDTH, T_FIXUP),
            "ffn_down": xavier(WIDTH, HIDDEN, T_FIXUP),
            **TORCH_QKV_BIASES,
            "token_embedding": normal(T_FIXUP * WIDTH**-0.5),
            "embed_scale": fixed(ROOT),
        },
        norm_at="none",
        **FAIRSEQ,
    ),
    # hongyi-zhang/Fixup fairseq/fairseq/modules/multihead_attention_zero.py:43-49 (Xavier on the fused matrix),
    # models/transformer_zero.py:388, 417-418, 654-655, 681-719 (shifts), with the 2L branches of a decoder alone; its
    # one shift before q, k and v is three here
    "fixup-transformer": Source(
        {
            **alike(QKV, bounded(math.sqrt(6 / (4 * WIDTH)) * BRANCHES ** (-1 / 6))),
            **alike(OUT_OF, ZERO),
            "lm_head": ZERO,
            "ffn_up": xavier(HIDDEN, WIDTH, RHO),
            "token_embedding": EMBED,
            "embed_scale": fixed(ROOT),
            "attn.branch_scale": ONE,
            "ffn.branch_scale": ONE,
            "ffn_shift": ZERO,
            **{f"{role}.shift": ZERO for role in (*QKV, "ffn_up", "ffn_down")},
            "lm_head shift": ZERO,
        },
        norm_at="none",
        biases=False,
        tied=False,
        **FAIRSEQ,
    ),
    # tnq177/transformers_without_tears layers.py:31-38, 116-122, model.py:22, 48, utils.py:39-49 (sinusoids)
    "small-init": Source(
        {
            **alike((*QKV, "attn_out"), normal(math.sqrt(2 / (5 * WIDTH)))),
            **alike(("ffn_up", "ffn_down"), normal(math.sqrt(2 / (HIDDEN + WIDTH)))),
            "token_embedding": EMBED,
            "embed_scale": fixed(ROOT),
        },
        positions="sinusoidal",
        activation="relu",
    ),
    # microsoft/torchscale component/embedding.py:93-99, architecture/decoder.py:217, 286-298, 331,
    # architecture/config.py (no_scale_embedding and an untied head by default)
    "deepnorm-torchscale": Source(
        {**torchscale(DEEPNORM), **alike(("attn.skip_scale", "ffn.skip_scale"), fixed(BRANCHES**0.25))},
        norm_at="post",
        tied=False,
    ),
    # the same, decoder.py:300-314
    "sub-ln:base=torch": Source(torchscale(MAGNETO), sub_norm=True, tied=False),
    # majumderb/rezero rezero/transformer/rztx.py:40-50: torch.nn.MultiheadAttention (Xavier on the fused matrix,
    # biases 0), torch's linears, one α a layer at 0; no tables: GPT-2's here
    "rezero": Source(
        {
            **alike(QKV, bounded(math.sqrt(6 / (4 * WIDTH)))),
            **alike(("attn_out", "ffn_up"), torch_linear(WIDTH)),
            "ffn_down": torch_linear(HIDDEN),
            "bias of ffn_up": torch_linear(WIDTH),
            "bias of ffn_down": torch_linear(HIDDEN),
            **alike(TABLES, normal(0.02)),
            "branch_scale": ZERO,
        },
        norm_at="none",
        activation="relu",
        extra={"shared_scales": True},
    ),
    # EleutherAI/nanoGPT-mup branch completep, model.py:113, 165-177, 197-201, 226, 327-360
    "completep": Source(
        {
            **alike(BLOCK, normal(0.02 / math.sqrt(WIDTH / 256))),
            **alike(TABLES, normal(0.02)),
            "attn_scale": fixed(1 / HEAD),
            "logit_scale": fixed(256 / WIDTH),
            **alike(("attn.branch_scale", "ffn.branch_scale"), fixed(2 / LAYERS)),
        },
        adjust=completep,
    ),
    # graphcore-research/unit-scaling _modules.py:288-330 (gainless), 600-650; functional.py, optim.py:26-84
    "u-mup": Source(
        {
            **alike((*BLOCK, "token_embedding", "lm_head"), normal(1.0)),
            "attn_scale": fixed(1 / HEAD),
            "attn.branch_scale": lambda layer: fixed(math.sqrt(tau2(2 * layer) / (1 + tau2(2 * layer)))),
            "attn.skip_scale": lambda layer: fixed(math.sqrt(1 / (1 + tau2(2 * layer)))),
            "ffn.branch_scale": lambda layer: fixed(math.sqrt(tau2(2 * layer + 1) / (1 + tau2(2 * layer + 1)))),
            "ffn.skip_scale": lambda layer: fixed(math.sqrt(1 / (1 + tau2(2 * layer + 1)))),
            # functional.py:517-519, upper 1: (√(log T/T))^-(1 - 1/(1 + 4h)); :124-128, mult 1: √(2·√2)
            "attn_out.scale": fixed((CONTEXT / math.log(CONTEXT)) ** (2 * HEAD / (1 + 4 * HEAD))),
            "ffn_down.scale": fixed(math.sqrt(2 * math.sqrt(2))),
        },
        norm="rmsnorm",
        affine=False,
        biases=False,
        positions="none",
        tied=False,
        activation="swiglu",
        adjust=u_mup,
    ),
    # lmsdss/LayerNorm-Scaling peft_pretraining/modeling_llama.py:75, 154-188, 876; both norms of layer l times 1/√l
    "layernorm-scaling": Source(
        {
            **alike((*BLOCK, "token_embedding", "lm_head"), normal(0.02)),
            **alike(("attn.norm_scale", "ffn.norm_scale"), lambda layer: fixed((layer + 1) ** -0.5)),
        },
        tied=False,
        **LLAMA,
    ),
}


def explained(init: str, source: Source) -> Explanation:
    return initlab.explain(init, **SIZES, as_source=source.as_source)


def differing(init: str, source: Source) -> list[str]:
    """Return every tensor, topology field and activation in which ``explain`` and the source differ."""
    found = explained(init, source)
    listed = {row["slot"]: row for row in found.slots}
    wrong = [f"{name} = {found.blueprint.topology.to_json().get(name)!r}" for name, value in source.topology.items()
             if getattr(found.blueprint.topology, name) != value]  # fmt: skip
    wrong += (
        [f"activation = {found.activation}"] if source.as_source and found.activation != source.activation else []
    )
    expected = {name: (kind, shape, layer) for name, kind, shape, layer in source.tensors()}
    wrong += [f"{name} is in one alone" for name in sorted(set(listed) ^ set(expected))]
    for name in sorted(set(listed) & set(expected)):
        kind, shape, layer = expected[name]
        start, row = source.start(name, kind, layer), listed[name]
        same = row["dist"] == start.dist and tuple(row["shape"]) == shape and row["train"] == start.train
        numbers = ("mean", "std", "mult", "lr", "wd", "eps")
        same &= all(math.isclose(row[key], getattr(start, key), rel_tol=1e-9, abs_tol=1e-12) for key in numbers)
        wrong += [] if same else [f"{name}: {row} is not {start}, {shape}"]
    return wrong


@pytest.mark.parametrize("init", SOURCES)
def test_no_tensor_and_no_part_of_the_network_differs_from_the_source(init: str) -> None:
    assert differing(init, SOURCES[init]) == []


def test_twenty_inits_and_more_are_compared() -> None:
    assert len(SOURCES) >= 20


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("gpt2", "depth-scaled"),  # projections not scaled
        ("olmo-llama", "torchtitan"),  # scaled by the depth of the network, and cut
        ("torchtitan:std=0.0201", "torchtitan"),
        ("pytorch", "pytorch:tie=embedding"),
        ("deepnorm-torchscale:embed_scale=true", "deepnorm-torchscale"),
        ("completep:alpha=0.5", "completep"),  # rates and branches
        ("normal:width=small", "neox"),
    ],
)
def test_a_wrong_law_is_found(wrong: str, right: str) -> None:
    source = replace(SOURCES[right], as_source=SOURCES[right].as_source and not wrong.startswith("normal"))
    assert differing(wrong, source)


@pytest.mark.parametrize("init", ["llama2c", "neox", "bloom", "mitchell", "u-mup", "deepnorm-torchscale"])
def test_without_as_source_the_network_is_another(init: str) -> None:
    assert differing(init, replace(SOURCES[init], as_source=False))


def test_w1_is_what_the_activation_reads_with_and_without_gates() -> None:
    """Without gates no source says anything: the up projection is w1, and keeps the base std."""
    for init in ("torchtitan", "olmo-llama", "olmo-llama-depth", "llama2c"):
        for activation, kept in (("swiglu", "ffn_gate"), ("gelu", "ffn_up")):
            laws = initlab.explain(init, activation, **SIZES).to_frame()
            own = laws[laws["role"] == kept]["std"]
            assert own.nunique() == 1, (init, activation)
            assert own.iloc[0] == pytest.approx(0.02, rel=0.02), (init, activation)
        beside = initlab.explain(init, "swiglu", **SIZES).to_frame().query("role == 'ffn_up'")["std"]
        assert (beside < 0.8 * 0.02).all(), init
