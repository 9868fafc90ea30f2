"""The shared GPT once more, in numpy and float64, with every switch of a topology: what the model is compared with.

Written from the papers' formulas, sequence by sequence and head by head, and slow. A gain, bias or multiplier that
``tensors`` lacks is the identity, so leaving one out is how a test asks what it does. Axes: T tokens, C width.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from initlab.network.topology import Dims, Topology
from tests.formulas import FORMULAS

Array = npt.NDArray[np.float64]
Arrays = dict[str, Array]

EPS = 1e-5


@dataclass
class Trace:
    """What one sequence met on its way: the stream at its sites, what the branches added, and the logits."""

    sites: list[Array] = field(default_factory=list)
    attention: list[Array] = field(default_factory=list)
    mlp: list[Array] = field(default_factory=list)
    logits: Array = field(default_factory=lambda: np.zeros(()))


class Reference:
    """A network as ``dims`` and ``topology`` describe it, holding ``tensors`` by slot name."""

    def __init__(self, dims: Dims, topology: Topology, tensors: Arrays, activation: str) -> None:
        self.dims, self.topology, self.tensors = dims, topology, tensors
        self.activation = np.vectorize(FORMULAS[activation], otypes=[np.float64])

    def logits(self, tokens: npt.NDArray[np.int64]) -> Array:
        """Map (B, T) token ids to (B, T, V)."""
        return np.stack([self.run(sequence).logits for sequence in tokens])

    def run(self, tokens: npt.NDArray[np.int64]) -> Trace:
        trace, topology = Trace(), self.topology
        x = self.embed(tokens)
        trace.sites.append(x)
        for layer in range(self.dims.n_layer):
            block = f"blocks.{layer}"
            read = self.read(x, f"{block}.attn")
            added = self.added(self.attention(read, block), block, "attn")
            x = self.joined(x, added, f"{block}.attn")
            trace.attention.append(added)
            trace.sites.append(x)
            if topology.parallel_norms:
                read = self.read(trace.sites[-2], f"{block}.ffn")
            elif not topology.parallel:
                read = self.read(x, f"{block}.ffn")
            added = self.added(self.mlp(read, block), block, "ffn")
            x = self.joined(x, added, f"{block}.ffn")
            trace.mlp.append(added)
            trace.sites.append(x)
        x = self.norm(x, "final_norm") if topology.norm_at not in ("post", "none") else x
        x = x * self.get("logit_scale.weight", 1.0)
        trace.logits = x @ self.matrix("token_embedding").T if self.dims.tied else self.linear(x, "lm_head")
        if topology.softcap is not None:
            trace.logits = topology.softcap * np.tanh(trace.logits / topology.softcap)
        return trace

    def embed(self, tokens: npt.NDArray[np.int64]) -> Array:
        x = self.matrix("token_embedding")[tokens] * self.get("embed_scale.weight", 1.0)
        if self.topology.positions == "learned":
            x = x + self.matrix("position_embedding")[: len(tokens)]
        if self.topology.positions == "sinusoidal":
            x = x + np.array([sinusoid(t, x.shape[-1]) for t in range(len(tokens))])
        if self.topology.positions == "sinusoidal-fairseq":
            x = x + np.array([fairseq_sinusoid(t + 2, x.shape[-1]) for t in range(len(tokens))])
        return self.norm(x, "embed_norm") if self.topology.embed_norm else x

    def read(self, x: Array, prefix: str) -> Array:
        """What a branch is given of the stream."""
        normed = self.norm(x, f"{prefix}.norm") if self.topology.norm_at in ("pre", "sandwich") else x
        return normed * self.get(f"{prefix}.norm_scale.weight", 1.0)

    def added(self, branch: Array, block: str, kind: str) -> Array:
        """What a branch's output becomes before it is added."""
        if self.topology.norm_at in ("sandwich", "branch-out"):
            branch = self.norm(branch, f"{block}.{kind}.branch_norm")
        shared = f"{block}.branch_scale.weight"
        own = shared if self.topology.shared_scales else f"{block}.{kind}.branch_scale.weight"
        return branch * self.get(own, 1.0)

    def joined(self, x: Array, added: Array, prefix: str) -> Array:
        total = x * self.get(f"{prefix}.skip_scale.weight", 1.0) + added
        return self.norm(total, f"{prefix}.post_norm") if self.topology.norm_at == "post" else total

    def attention(self, x: Array, block: str) -> Array:
        """softmax of the scaled products of a query with the keys up to its own, over their values, per head."""
        size = self.dims.head_size
        q, k, v = (self.linear(x, f"{block}.{role}") for role in ("query", "key", "value"))
        scale = self.get(f"{block}.attn_scale.weight", 1 / math.sqrt(size))
        mixed = np.zeros_like(x)
        for head in range(self.dims.n_head):
            part = slice(head * size, (head + 1) * size)
            queries, keys = q[:, part], k[:, part]
            if self.topology.qk_norm:
                queries = self.norm(queries, f"{block}.query_norm")
                keys = self.norm(keys, f"{block}.key_norm")
            if self.topology.positions == "rotary":
                turned = int(size * self.topology.rotary_fraction)
                queries, keys = (
                    np.concatenate([rotated(part[:, :turned]), part[:, turned:]], -1) for part in (queries, keys)
                )
            for t in range(len(x)):
                scores = np.array([queries[t] @ keys[s] for s in range(t + 1)]) * scale
                if self.topology.positions == "relative":
                    table = self.matrix("relative_position_bias")
                    scores = scores + np.array([table[bucket(t - s), head] for s in range(t + 1)])
                if self.topology.positions == "alibi":
                    scores = scores - np.array([t - s for s in range(t + 1)]) * slope(head, self.dims.n_head)
                weights = np.exp(scores - scores.max())
                mixed[t, part] = weights / weights.sum() @ v[: t + 1, part]
        if self.topology.sub_norm:
            mixed = self.norm(mixed, f"{block}.attn_sub_norm")
        return self.linear(mixed, f"{block}.attn_out")

    def mlp(self, x: Array, block: str) -> Array:
        up = self.linear(x, f"{block}.ffn_up") + self.get(f"{block}.ffn_shift.weight", 0.0)
        gate = self.activation(self.linear(x, f"{block}.ffn_gate")) if self.dims.gated else None
        hidden = self.activation(up) if gate is None else gate * up
        if self.topology.sub_norm:
            hidden = self.norm(hidden, f"{block}.ffn_sub_norm")
        return self.linear(hidden, f"{block}.ffn_down")

    def norm(self, x: Array, name: str) -> Array:
        """LayerNorm (Ba et al., arXiv 1607.06450) or RMSNorm (Zhang & Sennrich, arXiv 1910.07467)."""
        plain = self.topology.norm_gain == "plain"
        gain = self.get(f"{name}.weight", 1.0 if plain else 0.0) + (0.0 if plain else 1.0)
        if self.topology.norm == "rmsnorm":
            return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * gain
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + EPS)
        return unit * gain + self.get(f"{name}.bias", 0.0)

    def linear(self, x: Array, name: str) -> Array:
        return (x + self.get(f"{name}.shift", 0.0)) @ self.matrix(name).T + self.get(f"{name}.bias", 0.0)

    def matrix(self, name: str) -> Array:
        return self.tensors[f"{name}.weight"] * self.get(f"{name}.scale", 1.0)

    def get(self, name: str, default: float) -> Array:
        return self.tensors.get(name, np.array(default))


def sinusoid(position: int, width: int) -> list[float]:
    """Return Vaswani et al.'s code of a position, sines first (arXiv 1706.03762, section 3.5)."""
    angles = [position / 10_000 ** (2 * i / width) for i in range((width + 1) // 2)]
    return ([math.sin(a) for a in angles] + [math.cos(a) for a in angles])[:width]


def fairseq_sinusoid(position: int, width: int) -> list[float]:
    """Return fairseq's code of a position counted from padding's 1 on: log(10000)/(half - 1) between frequencies."""
    half = width // 2
    angles = [position * math.exp(-i * math.log(10_000) / (half - 1)) for i in range(half)]
    return [math.sin(a) for a in angles] + [math.cos(a) for a in angles] + [0.0] * (width % 2)


def slope(head: int, heads: int) -> float:
    """Return ALiBi's slope of a head: 2^(-8(h+1)/n), for n heads a power of two; else some of 2n's after them."""
    power = 1
    while 2 * power <= heads:
        power *= 2
    return float(0.5 ** (8 * (head + 1) / power if head < power else 8 * (2 * (head - power) + 1) / (2 * power)))


def rotated(x: Array) -> Array:
    """Return (T, C/H) with channels i and i + C/2H, as one complex number, turned by t·10000^(-2i/(C/H)).

    Su et al., arXiv 2104.09864, section 3.2.2.
    """
    half = x.shape[-1] // 2
    turns = np.array([[t / 10_000 ** (i / half) for i in range(half)] for t in range(len(x))])
    plane = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * turns)
    return np.concatenate([plane.real, plane.imag], axis=-1)


def bucket(distance: int) -> int:
    """Return T5's bucket of a distance back (Raffel et al., arXiv 1910.10683, section 2.1).

    "32 embeddings for all of our models with ranges that increase in size logarithmically up to an offset of 128":
    16 distances of their own, then 16 ranges whose borders are 16·8^(k/16).
    """
    if distance < 16:
        return distance
    return max(k for k in range(16) if distance >= 16 * 8 ** (k / 16) - 1e-9) + 16
