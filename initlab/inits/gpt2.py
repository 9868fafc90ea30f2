"""The GPT-2 line, and PyTorch's own defaults."""

from typing import Literal

from initlab.inits.compose import for_each, inv_sqrt_2l, normal, override, scaled, weights, writes_residual
from initlab.inits.strategy import Strategy, init
from initlab.network.laws import ZEROS, Dist, Normal, TruncNormal, Uniform
from initlab.network.slots import LM_HEAD, POSITION_EMBEDDING, RESIDUAL_WRITERS, TOKEN_EMBEDDING, Role, Slot
from initlab.network.source_network import SourceNetwork

GPT2 = SourceNetwork(activation="gelu-tanh")
"""openai/gpt-2 src/model.py: learned positions, a tied head, biases everywhere, GELU in its tanh form."""

NANOGPT = SourceNetwork()
"""karpathy/nanoGPT model.py: GPT-2's with GELU in its exact form; biases are its GPTConfig's default."""


@init("gpt2", source="openai/gpt-2 src/model.py, with one std for tokens and positions", network=GPT2)
def gpt2(std: float = 0.02) -> Strategy:
    """One normal std for every weight and embedding, biases zero; nothing knows the depth.

    The released GPT-2 code has no residual scaling, whatever the paper's text says. Every branch then adds the
    same variance, so the residual stream's variance grows in proportion to depth.
    """
    return Strategy(normal(std))


@init("gpt2-released", source="openai/gpt-2 src/model.py", network=GPT2)
def gpt2_released(std: float = 0.02, position_std: float = 0.01) -> Strategy:
    """The init of OpenAI's released GPT-2 code: positions smaller than tokens, no residual scaling.

    The scaling by one over the root of the number of residual layers stands in the paper's text and nowhere in the
    code.
    """
    return Strategy(override(normal(std), {POSITION_EMBEDDING: Normal(position_std)}))


@init(
    "depth-scaled",
    aliases=("nanogpt", "gpt2-scaled"),
    source="karpathy/nanoGPT model.py; Radford et al. 2019, section 2.3",
    network=NANOGPT,
)
def depth_scaled(std: float = 0.02) -> Strategy:
    """GPT-2's normal init with both residual projections of a block redrawn at std/√(2L).

    2L branches of variance ∝ 1/(2L) add up to something that does not depend on L: the last layer's variance is
    the same for every depth. It still grows from layer to layer inside one network.
    """
    return Strategy(scaled(normal(std), writes_residual, inv_sqrt_2l))


def torch_linear(slot: Slot) -> Uniform:
    """torch.nn.Linear.reset_parameters: kaiming_uniform(a=√5), that is U(±1/√fan_in), weights and biases alike."""
    return Uniform((3 * slot.fan_in) ** -0.5)


def torch_weight(slot: Slot) -> Dist:
    """torch.nn.Embedding's N(0, 1) for tables, torch.nn.Linear's law for matrices; a tied tensor goes by its role."""
    return Normal(1.0) if slot.is_embedding else torch_linear(slot)


@init(
    "pytorch",
    source="torch.nn.Linear.reset_parameters and torch.nn.Embedding.reset_parameters",
    network="torch has layers, and no network",
)
def pytorch(tie: Literal["linear", "embedding", "none"] = "linear") -> Strategy:
    """What torch's layers do by themselves: uniform linears with random biases, unit-normal embeddings.

    torch does not say what a tied head starts as: that is whichever layer's tensor both then share. With
    ``tie=linear`` it is the linear layer's, as in a nanoGPT stripped of its own init
    (``wte.weight = lm_head.weight``): tokens have a mean square of 1/(3d) beside positions of 1, and for a few
    hundred steps the network learns little but frequencies. With ``tie=embedding`` it is the table's N(0, 1)
    (``lm_head.weight = wte.weight``): logits start with a std of √d, the loss at tens of nats, and training recovers.
    With ``tie=none``, or with any network whose head is not tied, every layer has its own law and neither trouble.
    """
    tied_as: Role = TOKEN_EMBEDDING if tie == "embedding" else LM_HEAD
    return Strategy(weights(torch_weight, biases=torch_linear), tied=tie != "none", tied_as=tied_as)


@init(
    "trunc-normal",
    source="google-research/bert modeling.py, create_initializer (tf.truncated_normal_initializer)",
    network="BERT is an encoder, whose attention looks both ways",
)
def trunc_normal(std: float = 0.02, cut: float = 2.0) -> Strategy:
    """BERT's init: every weight a normal cut at a few of its own sigmas, biases zero.

    TensorFlow cuts and does not rescale, so the realised standard deviation is smaller than the number in the config.
    """
    return Strategy(weights(lambda slot: TruncNormal(std, cut)))


@init(
    "zero-residual",
    source="KellerJordan/modded-nanogpt, records of October 2024 on",
    network="modded-nanogpt's network changes from record to record",
)
def zero_residual(std: float = 0.02) -> Strategy:
    """GPT-2's init with both residual projections of a block at exactly zero.

    Every block starts as the identity, so nothing depends on depth. At the first step only those projections, the
    head and the embeddings move: the gradients of what lies behind a zero matrix are exactly zero.
    """
    return Strategy(override(normal(std), for_each(RESIDUAL_WRITERS, ZEROS)))
