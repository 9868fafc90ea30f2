"""Parametrisations: init, multiplier and learning rate that belong together, scaled from a base model.

``m`` is the width over the base's, ``M`` the depth over the base's (``--base n_embd=..,n_layer=..``).
"""

import math
from dataclasses import replace

from initlab.inits.compose import (
    Rules,
    changed,
    fixed,
    inv_sqrt_2l,
    normal,
    override,
    scaled,
    weights,
    writes_residual,
)
from initlab.inits.gpt2 import NANOGPT
from initlab.inits.strategy import LawFunction, Strategy, init
from initlab.network.laws import ZEROS, Law, Normal
from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    BIAS,
    BRANCH_SCALE,
    FFN_DOWN,
    LM_HEAD,
    LOGIT_SCALE,
    MATRIX_SCALE,
    NORM_GAIN,
    QUERY,
    SKIP_SCALE,
    Slot,
)
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import Topology


def width_ratio(slot: Slot) -> float:
    return slot.dims.width_ratio


def _inv_head_size(slot: Slot) -> Law:
    """Attention logits divided by the head size, not its root: queries and keys become correlated in training."""
    return fixed(1 / slot.dims.head_size)


def _inv_width_ratio(slot: Slot) -> Law:
    return fixed(1 / slot.dims.width_ratio)


def _hidden_narrowed(std: float) -> LawFunction:
    """GPT-2's normals, hidden matrices at std/√m; attention scale 1/head size; logits over m."""
    base = scaled(normal(std), _is_hidden, lambda slot: 1 / math.sqrt(width_ratio(slot)))
    return override(base, {ATTN_SCALE: _inv_head_size, LOGIT_SCALE: _inv_width_ratio})


def _is_hidden(slot: Slot) -> bool:
    return slot.is_hidden


@init(
    "mup",
    aliases=("μp",),
    source="Yang et al., arXiv 2203.03466; microsoft/mup init.py, optim.py, layer.py",
    network="its package is for any network",
)
def mup(std: float = 0.02) -> Strategy:
    """Maximal update parametrisation for Adam: hidden matrices' std over √m and learning rate over m, logits over m.

    Activations and their updates keep their size as width grows, so the best learning rate does too. Queries and an
    untied head start at zero. Weight decay of hidden matrices is times m, which undoes AdamW's product with the
    learning rate.
    """

    def move(slot: Slot, law: Law) -> Law:
        return replace(law, lr=1 / width_ratio(slot), wd=width_ratio(slot))

    law = changed(override(_hidden_narrowed(std), {QUERY: ZEROS, LM_HEAD: ZEROS}), _is_hidden, move)
    return Strategy(law, tied=False)


def _depth_mup(std: float, power: float) -> Strategy:
    """EleutherAI/nanoGPT-mup, branch completep: branches times M^-α, everything inside a block at lr M^(α-1)."""

    def in_block(slot: Slot) -> bool:
        return slot.layer is not None and not slot.is_extra

    def move(slot: Slot, law: Law) -> Law:
        m, depth = slot.dims.width_ratio, slot.dims.depth_ratio
        lr = depth ** (power - 1)
        return replace(law, lr=lr / m, wd=m) if slot.is_hidden else replace(law, lr=lr)

    def smooth(slot: Slot, law: Law) -> Law:
        return replace(law, eps=slot.dims.depth_ratio**-power / slot.dims.width_ratio)

    base = override(_hidden_narrowed(std), {BRANCH_SCALE: lambda slot: fixed(float(slot.dims.depth_ratio**-power))})
    return Strategy(changed(changed(base, in_block, move), lambda slot: not slot.is_extra, smooth))


@init(
    "depth-mup",
    source="Yang et al., arXiv 2310.02244; EleutherAI/nanoGPT-mup branch completep",
    network=NANOGPT,
)
def depth_mup(std: float = 0.02) -> Strategy:
    """μP in width, and in depth branches over √M with learning rates over √M.

    No scaling of the residual projections' draws: the branch multiplier takes its place.
    """
    return _depth_mup(std, 0.5)


@init(
    "completep",
    source="Dey et al., arXiv 2505.01618, table 1; EleutherAI/nanoGPT-mup branch completep",
    network=NANOGPT,
)
def completep(std: float = 0.02, alpha: float = 1.0) -> Strategy:
    """μP in width, and in depth branches over M with unchanged learning rates: every layer keeps learning.

    AdamW's eps shrinks with the gradients, over m and M; the code scales it for all parameters, the paper's table
    inside the blocks. The trainer's own eps should be far below what gradients are.
    """
    return _depth_mup(std, alpha)


@init(
    "megatron-mup",
    source="NVIDIA/Megatron-LM core/transformer/transformer_config.py, gpt_model.py, core/optimizer/__init__.py",
    network="Megatron-LM has any network by its options",
)
def megatron_mup(std: float = 0.02, base_head_size: float = 1.0) -> Strategy:
    """Megatron's μP: its depth-scaled init with hidden stds over √m, learning rate and eps over m, decay unscaled.

    Attention logits are multiplied by √(base head size)/head size.
    """

    def move(slot: Slot, law: Law) -> Law:
        return replace(law, lr=1 / width_ratio(slot), eps=1 / width_ratio(slot))

    def attention(slot: Slot) -> Law:
        return fixed(math.sqrt(base_head_size) / slot.dims.head_size)

    base = override(_hidden_narrowed(std), {ATTN_SCALE: attention})
    return Strategy(changed(scaled(base, writes_residual, inv_sqrt_2l), _is_hidden, move), tied=False)


@init(
    "u-mup",
    aliases=("unit-scaled-mup",),
    source="Blake et al., arXiv 2407.17465; graphcore-research/unit-scaling functional.py, optim.py, _modules.py",
    network=SourceNetwork(bias=False, positions="none", activation="swiglu"),
)
def u_mup() -> Strategy:
    """Unit-scaled μP: every tensor starts with unit variance, and constants in the forward pass keep it so.

    Matrices act times 1/√fan_in, the head times 1/fan_in; branch and stream are mixed so that their sum keeps unit
    variance and every branch counts. Output scales of attention and activation are the library's empirical fits, for
    gelu and silu. Norms have no gain, as the library's TransformerLayer has them. Learning rates are over √fan_in
    and, inside the stack, over √L; weight decay does not depend on them.
    """
    rules: Rules = {
        ATTN_SCALE: _inv_head_size,
        BRANCH_SCALE: lambda slot: fixed(1 / math.sqrt(1 + 1 / _mix(slot))),
        SKIP_SCALE: lambda slot: fixed(1 / math.sqrt(1 + _mix(slot))),
        MATRIX_SCALE: _output_scale,
        LOGIT_SCALE: lambda slot: fixed(1 / slot.dims.n_embd) if slot.dims.tied else None,
        NORM_GAIN: None,
    }
    law = changed(override(weights(lambda slot: Normal(1.0)), rules), _moves, _unit)
    return Strategy(law, Topology(norm="rmsnorm"), tied=False)


def _moves(slot: Slot) -> bool:
    return not slot.is_extra


def _unit(slot: Slot, law: Law) -> Law:
    """Give a unit-normal tensor its forward multiplier and its learning rate."""
    inside = 1 / math.sqrt(slot.dims.n_layer) if slot.layer is not None else 1.0
    root = 1 / math.sqrt(slot.fan_in)
    if slot.role == LM_HEAD:
        mult, lr = 1 / slot.fan_in, 1.0
    elif slot.is_embedding:
        mult, lr = 1.0, root
    elif slot.is_hidden:
        mult, lr = root, root * inside
    else:
        mult, lr = root if slot.role == BIAS else 1.0, inside
    return replace(law, mult=mult, lr=lr, wd=1 / lr)


def _mix(slot: Slot) -> float:
    """τ² of branch b: 1/(L + b), transformer_residual_scaling_rule with all ratios one."""
    assert slot.branch is not None
    return 1 / (slot.dims.n_layer + slot.branch)


def _output_scale(slot: Slot) -> Law | None:
    """What the library multiplies attention's and the activation's output by, put on the matrix that reads it."""
    if slot.of == ATTN_OUT:
        tokens, head = max(slot.dims.block_size, 2), slot.dims.head_size
        return fixed((tokens / math.log(tokens)) ** (2 * head / (1 + 4 * head)))
    if slot.of == FFN_DOWN:
        weight = 1 / (1 + 0.25)
        ungated = math.sqrt(2 / (1 - 1 / math.pi)) ** weight * 2 ** (1 - weight)
        return fixed(2**0.75 if slot.dims.gated else ungated)
    return None
