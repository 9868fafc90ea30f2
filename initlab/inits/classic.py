"""Inits from before and around the first transformers: Glorot, He, LeCun, Saxe, and fairseq's use of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from initlab.inits.compose import Rules, fixed, for_each, inv_sqrt_fan_in, inv_sqrt_width, normal, override, weights
from initlab.inits.gpt2 import torch_linear
from initlab.inits.strategy import Strategy, init
from initlab.network.laws import ZEROS, Dist, Normal, Orthogonal, TruncNormal, Uniform
from initlab.network.slots import (
    ATTENTION_ROLES,
    EMBED_SCALE,
    EMBEDDING_ROLES,
    FFN_DOWN,
    FFN_INPUT_ROLES,
    HIDDEN_ROLES,
    LM_HEAD,
    POSITION_EMBEDDING,
    QKV_ROLES,
    TOKEN_EMBEDDING,
    Slot,
)
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import Topology


def glorot_std(slot: Slot, gain: float = 1.0) -> float:
    """Glorot & Bengio 2010, equation 16: √(2/(fan_in + fan_out)) times a gain; q, k and v count one by one."""
    return gain * math.sqrt(2 / (slot.fan_in + slot.fan_out))


def xavier_uniform(slot: Slot) -> Uniform:
    return Uniform(glorot_std(slot))


def width_normal(slot: Slot) -> Normal:
    """N(0, 1/n_embd), fairseq's law of embeddings."""
    return Normal(inv_sqrt_width(slot))


ROTARY_FAR = "rotary frequencies from 500,000 instead of 10,000"
GROUPED = "keys and values shared by groups of heads in its larger sizes"
ROUNDED = "a hidden width rounded up to a multiple"

LLAMA = SourceNetwork(
    norm="rmsnorm", bias=False, positions="rotary", activation="swiglu", ffn_matched=True, unlike=(ROUNDED, GROUPED)
)
"""Touvron et al., arXiv 2302.13971, section 2.2, as karpathy/llama2.c model.py has it: 2/3 of 4·d hidden units."""

OLMO_CORE = replace(LLAMA, unlike=(*LLAMA.unlike, ROTARY_FAR))
"""allenai/OLMo-core nn/transformer/config.py, TransformerConfig.llama_like."""

FAIRSEQ = SourceNetwork(
    positions="sinusoidal-fairseq", activation="relu", unlike=("an encoder, and attention to it in every layer",)
)
"""facebookresearch/fairseq models/transformer.py, the decoder; its recipes tie the head (--share-all-embeddings)."""


@init("xavier", aliases=("glorot",), source="Glorot & Bengio 2010, equation 16; google/init2winit nanodo.py")
def xavier(dist: Literal["uniform", "normal"] = "uniform") -> Strategy:
    """Glorot's compromise between forward and backward variance, every matrix for itself.

    Queries, keys and values are matrices of their own here; code that draws them as one fused matrix gets a smaller
    std for all three. Embeddings are normal with variance one over the width.
    """
    law = xavier_uniform if dist == "uniform" else lambda slot: Normal(glorot_std(slot))
    return Strategy(
        override(weights(law), for_each(EMBEDDING_ROLES, width_normal)),
    )


@init("kaiming", aliases=("he",), source="He et al., arXiv 1502.01852, equation 10")
def kaiming(gain: float = math.sqrt(2), consumer_only: bool = False) -> Strategy:
    """He's fan-in rule with its gain on the MLP's matrices.

    The gain makes up for what an activation removes, so it belongs to the matrix that consumes the activation's
    output; most code gives it to both matrices of the MLP, and so does this, unless ``consumer_only``.
    """
    up = 1.0 if consumer_only else gain
    rules: Rules = {
        **for_each(ATTENTION_ROLES, _fan_in_normal(1.0)),
        **for_each(FFN_INPUT_ROLES, _fan_in_normal(up)),
        FFN_DOWN: _fan_in_normal(gain),
    }
    return Strategy(override(normal(0.02), rules))


def _fan_in_normal(gain: float) -> Callable[[Slot], Normal]:
    return lambda slot: Normal(gain * inv_sqrt_fan_in(slot))


@init(
    "lecun",
    aliases=("fan-in",),
    source="LeCun et al. 1998, section 4.6; allenai/OLMo-core nn/transformer/init.py (InitMethod.fan_in)",
    network=OLMO_CORE,
)
def lecun(cut: float = 3.0) -> Strategy:
    """Every matrix with variance one over its fan-in, cut at a few sigmas; unit-normal tokens.

    Pre-activations have the variance of their inputs, whatever the depth of the network.
    """
    return Strategy(
        override(
            weights(lambda slot: TruncNormal(inv_sqrt_fan_in(slot), cut)),
            {TOKEN_EMBEDDING: Normal(1.0), POSITION_EMBEDDING: Normal(0.02)},
        ),
        tied=False,
    )


@init("orthogonal", source="Saxe et al., arXiv 1312.6120; EleutherAI/gpt-neox init_functions.py (scaled_orthogonal)")
def orthogonal(gain: float = 1.0, scaled: bool = False) -> Strategy:
    """Matrices with orthonormal rows or columns: every singular value equals the gain.

    ``scaled`` multiplies both residual projections by √(2/L), as gpt-neox's scaled_orthogonal does.
    """

    def matrix(slot: Slot) -> Orthogonal:
        residual = math.sqrt(2 / slot.dims.n_layer) if scaled and slot.writes_residual else 1.0
        return Orthogonal(gain * residual / math.sqrt(max(slot.shape)))

    return Strategy(override(normal(0.02), for_each(HIDDEN_ROLES, matrix)))


def fairseq_bias(slot: Slot) -> Dist:
    """torch.nn.Linear's law for biases of queries, keys and values, which fairseq's reset forgets; zeros else."""
    return torch_linear(slot) if slot.of in QKV_ROLES else ZEROS


@init(
    "fairseq",
    source="facebookresearch/fairseq modules/multihead_attention.py, models/transformer.py (0.9)",
    network=FAIRSEQ,
)
def fairseq() -> Strategy:
    """The Transformer as fairseq trained it: Xavier-uniform matrices, post-norm, embeddings scaled by √width.

    Queries, keys and values carry a gain of 1/√2, which imitates Xavier on the fused matrix of older code. Their
    biases keep torch's U(±1/√width): ``reset_parameters`` zeroes only the output projection's. Sinusoids are
    fairseq's own.
    """
    attention = for_each(QKV_ROLES, lambda slot: Uniform(glorot_std(slot, 1 / math.sqrt(2))))
    rules: Rules = {
        **attention,
        **for_each((*EMBEDDING_ROLES, LM_HEAD), width_normal),
        EMBED_SCALE: lambda slot: fixed(math.sqrt(slot.dims.n_embd)),
    }
    law = override(weights(xavier_uniform, biases=fairseq_bias), rules)
    return Strategy(law, Topology(norm_at="post", positions="sinusoidal-fairseq"))


@init(
    "small-init",
    source="Nguyen & Salazar, arXiv 1910.05895; tnq177/transformers_without_tears layers.py",
    network=SourceNetwork(
        activation="relu",
        unlike=("ScaleNorm and FixNorm, both on by default", "a bias on the logits", *FAIRSEQ.unlike),
    ),
)
def small_init() -> Strategy:
    """Every matrix at the std that Xavier gives the MLP: attention starts smaller than Xavier would have it.

    Embeddings have variance one over the width and are multiplied by √width in the forward pass. Sinusoids are those
    of Vaswani et al., in another order of channels.
    """
    small = for_each(ATTENTION_ROLES, lambda slot: Normal(math.sqrt(2 / (5 * slot.dims.n_embd))))
    rules: Rules = {
        **small,
        **for_each(EMBEDDING_ROLES, width_normal),
        LM_HEAD: Normal(0.02),
        EMBED_SCALE: lambda slot: fixed(math.sqrt(slot.dims.n_embd)),
    }
    return Strategy(override(weights(lambda slot: Normal(glorot_std(slot))), rules), Topology(positions="sinusoidal"))
