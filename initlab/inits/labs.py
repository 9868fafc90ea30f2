"""What labs that train language models start from, as their code has it."""

import math

from initlab.inits.classic import GROUPED, LLAMA, OLMO_CORE, ROUNDED, width_normal
from initlab.inits.compose import (
    Factor,
    Rules,
    fixed,
    for_each,
    inv_sqrt_2l,
    inv_sqrt_fan_in,
    inv_sqrt_layer,
    inv_sqrt_width,
    normal,
    override,
    root_width,
    scaled,
    weights,
    without_biases,
    writes_residual,
)
from initlab.inits.strategy import LawFunction, Strategy, init
from initlab.network.laws import ZEROS, Law, Normal, TruncNormal
from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    EMBED_SCALE,
    FFN_UP,
    LM_HEAD,
    LOGIT_SCALE,
    NORM_GAIN,
    POSITION_EMBEDDING,
    QUERY,
    RELATIVE_POSITION_BIAS,
    RESIDUAL_WRITERS,
    TOKEN_EMBEDDING,
    Slot,
)
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import Topology


def small_std(slot: Slot) -> float:
    """Nguyen & Salazar's √(2/(5d)), which gpt-neox calls small_init."""
    return math.sqrt(2 / (5 * slot.dims.n_embd))


def inv_root_width(slot: Slot) -> Law:
    """A fixed multiplier of 1/√width."""
    return fixed(inv_sqrt_width(slot))


def fan_in_normal(slot: Slot) -> Normal:
    return Normal(inv_sqrt_fan_in(slot))


@init(
    "neox",
    aliases=("pythia",),
    source="EleutherAI/gpt-neox init_functions.py (small_init, wang_init), configs/pythia",
    network=SourceNetwork(
        positions="rotary", rotary_fraction=0.25, parallel=True, parallel_norms=True, activation="gelu-tanh"
    ),
)
def neox() -> Strategy:
    """GPT-NeoX and Pythia: small init everywhere, residual projections falling with depth as Wang's 2/(L√d).

    Wang's rule ignores the fan-in: the down projection gets the same std as the narrower attention output. Depth
    enters with its first power, so deep networks start with quieter branches than under 1/√(2L).
    """
    small = weights(lambda slot: Normal(small_std(slot)))
    wang = for_each(RESIDUAL_WRITERS, lambda slot: Normal(2 / (slot.dims.n_layer * math.sqrt(slot.dims.n_embd))))
    return Strategy(override(small, wang), tied=False)


@init(
    "bloom",
    source="bigscience-workshop/bigscience lessons-learned.md; HF modeling_bloom (embedding LayerNorm)",
    network=SourceNetwork(positions="alibi", activation="gelu-tanh"),
)
def bloom(fan: float = 2.5) -> Strategy:
    """BigScience's recipe: std √(1/(``fan``·d)), residual projections over √(2L), a LayerNorm on the embedding.

    The lessons of the 104B model settled on √(2/(5d)), the default here; the released 176B model's launch script
    passes the number of √(1/(3d)), which is ``bloom:fan=3``.
    """
    base = override(
        weights(lambda slot: Normal(1 / math.sqrt(fan * slot.dims.n_embd))), {POSITION_EMBEDDING: Normal(0.02)}
    )
    return Strategy(scaled(base, writes_residual, inv_sqrt_2l), Topology(embed_norm=True))


@init("spike-no-more", source="Takase et al., arXiv 2312.16903", status="unverified")
def spike_no_more() -> Strategy:
    """Small sub-layers and a large shortcut: small init over √(2L) in the branches, tokens multiplied by √d.

    The two conditions under which the paper's bound on the gradient stays small. Only abstracts and
    re-implementations of the formulas for the residual projections could be read.
    """
    base = override(
        weights(lambda slot: Normal(small_std(slot))),
        {POSITION_EMBEDDING: Normal(0.02), EMBED_SCALE: root_width},
    )
    return Strategy(scaled(base, writes_residual, inv_sqrt_2l))


@init(
    "mitchell",
    source="allenai/OLMo olmo/model.py (InitFnType.mitchell), configs/official-0724",
    network=SourceNetwork(
        bias=False,
        gainless=True,
        positions="rotary",
        activation="swiglu",
        ffn_matched=True,
        unlike=(ROUNDED, "queries, keys and values clipped at ±8"),
    ),
)
def mitchell(cut: float = 3.0) -> Strategy:
    """OLMo 1: variance one over the fan-in, residual projections over √(2(l+1)) by their own layer's index.

    Later layers start quieter, so the stream's variance grows with the logarithm of depth.
    """
    base = weights(lambda slot: TruncNormal(inv_sqrt_fan_in(slot), cut))
    return Strategy(scaled(base, writes_residual, inv_sqrt_layer), tied=False)


@init(
    "full-megatron",
    source="allenai/OLMo olmo/model.py (InitFnType.full_megatron)",
    network="no configuration that comes with OLMo uses it",
)
def full_megatron(std: float = 0.02, cut: float = 3.0) -> Strategy:
    """Megatron's depth-scaled init with truncated draws, as OLMo has it; the head has variance one over the width."""
    base = override(
        weights(lambda slot: TruncNormal(std, cut)),
        {LM_HEAD: lambda slot: TruncNormal(inv_sqrt_width(slot), cut)},
    )
    return Strategy(scaled(base, writes_residual, inv_sqrt_2l), tied=False)


def _reads_no_activation(slot: Slot) -> bool:
    """Llama's w3, the matrix beside the gate. Without gates the up projection is w1, which the activation reads."""
    return slot.role == FFN_UP and slot.dims.gated


def _llama(std: float, cut: float | None, factor: Factor) -> LawFunction:
    """Llama-style code scales w3 along with both residual projections, never w1, which the activation reads."""

    def weight(slot: Slot) -> Normal | TruncNormal:
        return Normal(std) if cut is None else TruncNormal(std, cut)

    rules: Rules = {
        TOKEN_EMBEDDING: Normal(1.0),
        POSITION_EMBEDDING: Normal(0.02),
        LM_HEAD: lambda slot: TruncNormal(inv_sqrt_width(slot), 3.0),
    }
    return scaled(
        override(weights(weight), rules), lambda slot: slot.writes_residual or _reads_no_activation(slot), factor
    )


@init(
    "olmo-llama",
    source="allenai/OLMo-core nn/transformer/init.py (InitMethod.llama), nn/attention/__init__.py",
    network=OLMO_CORE,
)
def olmo_llama(std: float = 0.02, cut: float = 3.0) -> Strategy:
    """OLMo-core's llama init: attention output, down and w3 over √(2L), unit-normal tokens, truncated draws.

    w3 is the matrix beside the gate; w1, which the activation reads, keeps the base std, and so does the one up
    projection of an MLP without gates, a case that the source does not have. Where the head is tied the embedding's
    unit normal wins, and logits start large.
    """
    return Strategy(_llama(std, cut, inv_sqrt_2l), tied=False)


@init(
    "olmo-llama-depth",
    source="allenai/OLMo-core nn/transformer/init.py (InitMethod.llama_depth)",
    network=OLMO_CORE,
)
def olmo_llama_depth(std: float = 0.02, cut: float = 3.0) -> Strategy:
    """OLMo-core's llama_depth init: as olmo-llama, each layer over √(2(l+1)) by its own index."""
    return Strategy(_llama(std, cut, inv_sqrt_layer), tied=False)


@init(
    "torchtitan",
    source="pytorch/torchtitan models/llama3/__init__.py, common/param_init.py (as of b5bcd76, August 2026)",
    network=OLMO_CORE,
)
def torchtitan(std: float = 0.02) -> Strategy:
    """Llama 3 in torchtitan: attention output, down and w3 over √(2(l+1)) by their layer, rotary positions.

    w1, which the activation reads, keeps the base std; so does the one up projection where there are no gates.
    Its trunc_normal_ calls leave torch's default bounds, which are absolute values far out in the tails: the draws
    are plain normals. Where the head is tied the head's law wins and the embedding's is skipped.
    """
    return Strategy(_llama(std, None, inv_sqrt_layer), Topology(positions="rotary"), tied=False, tied_as=LM_HEAD)


@init("llama2c", source="karpathy/llama2.c model.py (issue 579)", network=LLAMA)
def llama2c(std: float = 0.02) -> Strategy:
    """llama2.c: attention output and w3 over √(2L); the down projection keeps the base std.

    Its code names w3, the matrix beside the gate, where w2 was probably meant. The released models were trained so.
    An MLP without gates, which it does not have, has no w3: only the attention output is then scaled.
    """

    def is_scaled(slot: Slot) -> bool:
        return slot.role == ATTN_OUT or _reads_no_activation(slot)

    return Strategy(scaled(normal(std), is_scaled, inv_sqrt_2l), Topology(positions="rotary"))


EPS = "an eps of 1e-6 in norms"


@init(
    "t5",
    source="Raffel et al., arXiv 1910.10683; huggingface/transformers modeling_t5.py, _init_weights",
    network=SourceNetwork(
        bias=False, activation="relu", unlike=("an encoder, and attention to it in every layer", EPS)
    ),
)
def t5() -> Strategy:
    """Mesh TensorFlow's T5: fan-in normals, with attention's 1/√(head size) drawn into the queries.

    Attention logits are not scaled; positions are a bias on them by relative distance, shared by all layers. No
    biases, RMSNorm, unit-normal tokens, and a tied head whose logits are divided by √width.
    """
    rules: Rules = {
        QUERY: lambda slot: Normal(1 / math.sqrt(slot.dims.n_embd * slot.dims.head_size)),
        TOKEN_EMBEDDING: Normal(1.0),
        RELATIVE_POSITION_BIAS: width_normal,
        ATTN_SCALE: fixed(1.0),
        LOGIT_SCALE: lambda slot: inv_root_width(slot) if slot.dims.tied else None,
        LM_HEAD: Normal(1.0),
    }
    law = without_biases(override(weights(fan_in_normal), rules))
    return Strategy(law, Topology(norm="rmsnorm", positions="relative"))


@init(
    "palm",
    source="Chowdhery et al., arXiv 2204.02311, sections 2 and 5",
    network=SourceNetwork(
        bias=False, activation="swiglu", unlike=("one head of keys and values for all heads of queries",)
    ),
)
def palm() -> Strategy:
    """PaLM: fan-in normals, unit-normal tokens, logits divided by √width, no biases, parallel blocks.

    The logits are divided because the head is the embedding; an untied one is a matrix like the others. Attention and
    MLP read one norm. The paper's multi-query attention is not modelled: every head has its own keys
    and values.
    """
    rules: Rules = {
        TOKEN_EMBEDDING: Normal(1.0),
        LOGIT_SCALE: lambda slot: inv_root_width(slot) if slot.dims.tied else None,
    }
    law = without_biases(override(weights(fan_in_normal), rules))
    return Strategy(law, Topology(parallel=True, positions="rotary"))


@init(
    "gemma",
    source="google-deepmind/gemma gm/nn; huggingface/transformers modeling_gemma.py",
    network=SourceNetwork(bias=False, activation="geglu-tanh", unlike=(GROUPED, EPS)),
)
def gemma(std: float = 0.02) -> Strategy:
    """Gemma's public code: plain normals, tokens multiplied by √width, RMSNorm whose gain is one plus a zero.

    The published code's init is a placeholder: what the released models started from was never said.
    """
    law = without_biases(override(normal(std), {EMBED_SCALE: root_width, NORM_GAIN: ZEROS}))
    return Strategy(law, Topology(norm="rmsnorm", norm_gain="one-plus", positions="rotary"))


@init(
    "spectral",
    source="Yang et al., arXiv 2310.17813; karpathy/nanochat gpt.py, first commit (3a5e0bc)",
    network=SourceNetwork(bias=False, activation="relu2", unlike=("an eps of 1.2e-7 in norms",)),
)
def spectral(zero: bool = True) -> Strategy:
    """Matrices whose spectral norm is about √(fan_out/fan_in), as in the first nanochat; projections and head zero.

    ``zero=false`` gives those three the spectral law too. Norms have no gain, queries and keys are normalised, logits
    are soft-capped. nanochat moves its matrices with Muon; here they move with AdamW.
    """

    def spectral_normal(slot: Slot) -> Normal:
        return Normal(inv_sqrt_fan_in(slot) * min(1.0, math.sqrt(slot.fan_out / slot.fan_in)))

    rules: Rules = {TOKEN_EMBEDDING: Normal(1.0), POSITION_EMBEDDING: Normal(0.02), NORM_GAIN: None}
    zeros = for_each((*RESIDUAL_WRITERS, LM_HEAD), ZEROS) if zero else {}
    law = without_biases(override(weights(spectral_normal), {**rules, **zeros}))
    topology = Topology(norm="rmsnorm", embed_norm=True, qk_norm=True, positions="rotary", softcap=15.0)
    return Strategy(law, topology, tied=False)
