"""The slots of the shared GPT, from its sizes alone.

Planning and theory need them without torch; the model builds its parameters from the same table, so the two
cannot drift apart.
"""

from collections.abc import Iterator
from functools import lru_cache

from initlab.laws import Dims, Role, Slot


@lru_cache(maxsize=256)
def gpt_slots(dims: Dims) -> tuple[Slot, ...]:
    """Return every slot in the order in which the forward pass meets it."""
    return tuple(_slots(dims))


def _slots(dims: Dims) -> Iterator[Slot]:
    d = dims.n_embd
    yield Slot(
        name="token_embedding.weight",
        role="token_embedding",
        shape=(dims.vocab_size, d),
        fan_in=d,
        fan_out=dims.vocab_size,
        dims=dims,
        aliases=("lm_head",) if dims.tied else (),
    )
    yield Slot(
        name="position_embedding.weight",
        role="position_embedding",
        shape=(dims.block_size, d),
        fan_in=d,
        fan_out=dims.block_size,
        dims=dims,
    )
    for layer in range(dims.n_layer):
        yield from _block(dims, layer)
    yield from _norm("final_norm", dims)
    if not dims.tied:
        yield Slot(
            name="lm_head.weight",
            role="lm_head",
            shape=(dims.vocab_size, d),
            fan_in=d,
            fan_out=dims.vocab_size,
            dims=dims,
        )


def _block(dims: Dims, layer: int) -> Iterator[Slot]:
    d, hidden, prefix = dims.n_embd, dims.ffn_hidden, f"blocks.{layer}"
    attention, ffn = 2 * layer, 2 * layer + 1
    yield from _norm(f"{prefix}.attn_norm", dims, layer, attention)
    for role in ("query", "key", "value", "attn_out"):
        yield from _linear(prefix, role, (d, d), dims, layer, attention)
    yield from _norm(f"{prefix}.ffn_norm", dims, layer, ffn)
    yield from _linear(prefix, "ffn_up", (hidden, d), dims, layer, ffn)
    yield from _linear(prefix, "ffn_down", (d, hidden), dims, layer, ffn)


def _linear(prefix: str, role: Role, shape: tuple[int, int], dims: Dims, layer: int, branch: int) -> Iterator[Slot]:
    fan_out, fan_in = shape
    weight = Slot(
        name=f"{prefix}.{role}.weight",
        role=role,
        shape=shape,
        fan_in=fan_in,
        fan_out=fan_out,
        dims=dims,
        layer=layer,
        branch=branch,
    )
    yield weight
    if dims.bias:
        yield Slot(
            name=f"{prefix}.{role}.bias",
            role="bias",
            shape=(fan_out,),
            fan_in=fan_in,
            fan_out=fan_out,
            dims=dims,
            layer=layer,
            branch=branch,
            of=role,
        )


def _norm(prefix: str, dims: Dims, layer: int | None = None, branch: int | None = None) -> Iterator[Slot]:
    roles: tuple[tuple[str, Role], ...] = (("weight", "norm_gain"), ("bias", "norm_bias"))
    for part, role in roles if dims.bias else roles[:1]:
        yield Slot(
            name=f"{prefix}.{part}",
            role=role,
            shape=(dims.n_embd,),
            fan_in=dims.n_embd,
            fan_out=dims.n_embd,
            dims=dims,
            layer=layer,
            branch=branch,
        )
