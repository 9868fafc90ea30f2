"""The GPT-2 line, and PyTorch's own defaults."""

from initlab.inits.strategy import Strategy, init, inv_sqrt_2l, normal, scaled, weights, writes_residual
from initlab.laws import Dist, Normal, Slot, Uniform


@init("gpt2", source="openai/gpt-2 src/model.py, with one std for tokens and positions")
def gpt2(std: float = 0.02) -> Strategy:
    """One normal std for every weight and embedding, biases zero; nothing knows the depth.

    The released GPT-2 code has no residual scaling, whatever the paper's text says. Every branch then adds the
    same variance, so the residual stream's variance grows in proportion to depth.
    """
    return Strategy(normal(std))


@init(
    "depth-scaled",
    aliases=("nanogpt", "gpt2-scaled"),
    source="karpathy/nanoGPT model.py; Radford et al. 2019, section 2.3",
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
    """torch.nn.Linear's law for matrices, torch.nn.Embedding's N(0, 1) for tables that are not matrices too."""
    return torch_linear(slot) if slot.is_linear else Normal(1.0)


@init("pytorch", source="torch.nn.Linear.reset_parameters and torch.nn.Embedding.reset_parameters")
def pytorch() -> Strategy:
    """What torch's layers do by themselves: uniform linears with random biases, unit-normal embeddings.

    With a tied head the shared tensor keeps the linear layer's law, as in a nanoGPT stripped of its own init
    (there the shared tensor is ``lm_head.weight``): the token signal is then far weaker than the position signal.
    With an untied head the token embedding keeps its unit normal.
    """
    return Strategy(weights(torch_weight, biases=torch_linear))
