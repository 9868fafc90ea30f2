"""Readings of a popular note on nanoGPT that nanoGPT itself does not follow, so that they can be tried.

What a reading leaves open follows ``gpt2``.
"""

import math

from initlab.inits.compose import inv_sqrt_2l, normal, scaled, weights, writes_residual
from initlab.inits.gpt2 import NANOGPT, torch_linear
from initlab.inits.strategy import Strategy, init
from initlab.network.laws import Dist, Normal
from initlab.network.slots import Slot

NOTE = 'the note\'s "{}"; not in nanoGPT'


@init("note-proj-0.02", source=NOTE.format("c_proj.weight *= 0.02"), network=NANOGPT)
def note_proj(std: float = 0.02, factor: float = 0.02) -> Strategy:
    """GPT-2's init with the out and down projections multiplied by a small constant after drawing.

    The branches then start almost silent: the residual stream barely changes from the embedding to the head.
    """
    return Strategy(scaled(normal(std), writes_residual, lambda slot: factor))


@init("note-inv-sqrt-depth", source=NOTE.format("c_proj.weight *= 1/sqrt(n_layer)"), network=NANOGPT)
def note_inv_sqrt_depth(std: float = 0.02) -> Strategy:
    """GPT-2's init with the out and down projections multiplied by 1/√L instead of 1/√(2L).

    As independent of depth as ``depth-scaled``, with twice the variance added.
    """
    return Strategy(scaled(normal(std), writes_residual, lambda slot: 1 / math.sqrt(slot.dims.n_layer)))


@init("note-sqrt-2-over-depth", source=NOTE.format("weights *= sqrt(2/n_layers)"), network=NANOGPT)
def note_sqrt_2_over_depth(std: float = 0.02) -> Strategy:
    """GPT-2's init with every linear weight multiplied by √(2/L), the head included.

    Embeddings are scaled only where they are tied to the head. Below two layers' depth this enlarges weights.
    """
    return Strategy(scaled(normal(std), lambda slot: slot.is_linear, lambda slot: math.sqrt(2 / slot.dims.n_layer)))


@init("note-inv-sqrt-width", source=NOTE.format("std = 0.02/sqrt(n_embd)"), network=NANOGPT)
def note_inv_sqrt_width(std: float = 0.02) -> Strategy:
    """Every weight normal with std/√n_embd: far smaller than either GPT-2's std or a fan-in rule."""
    return Strategy(weights(lambda slot: Normal(std / math.sqrt(slot.dims.n_embd))))


@init("note-default-scaled", source=NOTE.format("FFN: default PyTorch init, then scaled"), network=NANOGPT)
def note_default_scaled(std: float = 0.02) -> Strategy:
    """PyTorch's default linears, residual projections multiplied by 1/√(2L), GPT-2's embeddings.

    A tied head is the embedding's tensor and keeps its law; biases are PyTorch's own.
    """

    def weight(slot: Slot) -> Dist:
        return Normal(std) if slot.is_embedding else torch_linear(slot)

    return Strategy(scaled(weights(weight, biases=torch_linear), writes_residual, inv_sqrt_2l))
