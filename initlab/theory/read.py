"""From an init's laws to theory's description of the network: the one place that knows slots, roles and laws."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from initlab.errors import InitlabError
from initlab.laws import Dims, Law, Slot, Topology
from initlab.theory.setup import Attention, Branch, Matrix, Mlp, Norm, NormKind, Setup

_WAVES: str = "sinusoidal"
_ROTARY: str = "rotary"


class Unpredictable(InitlabError):
    """The init is not a law per slot (it draws slots jointly or calibrates them on data), so nothing follows."""


class _Table:
    """Laws found by what a slot is for. A multiplier's slot that is not there counts as 1."""

    def __init__(self, table: Iterable[tuple[Slot, Law]], kind: NormKind, *, one_plus: bool) -> None:
        self._kind, self._one_plus = kind, one_plus
        self._found: dict[tuple[str, int | None, int | None, str | None], list[tuple[Slot, Law]]] = {}
        for slot, law in table:
            self._found.setdefault((slot.role, slot.layer, slot.branch, slot.of), []).append((slot, law))

    def rows(
        self, role: str, layer: int | None = None, branch: int | None = None, of: str | None = None
    ) -> list[tuple[Slot, Law]]:
        return self._found.get((role, layer, branch, of), [])

    def factor(self, role: str, branch: int | None = None, of: str | None = None) -> float:
        """Return the square of a multiplier, be it a branch's own or shared by the two of a layer."""
        layer = None if branch is None else branch // 2
        rows = self.rows(role, layer, branch, of)
        if branch is not None:
            rows = rows + self.rows(role, layer, None, of)
        return math.prod(second_moment(law) for _, law in rows)

    def matrix(self, role: str, branch: int) -> Matrix:
        ((slot, law),) = self.rows(role, branch // 2, branch)
        bias = sum(second_moment(law) for _, law in self.rows("bias", branch // 2, branch, role))
        return Matrix(gain=slot.fan_in * second_moment(law) * self.factor("matrix_scale", branch, role), bias=bias)

    def norms(self, branch: int | None = None) -> list[Norm]:
        """Return the norms of a branch (None: of none), in the order of the forward pass; one without gains is 1."""
        layer = None if branch is None else branch // 2
        gains = [second_moment(law, plus=float(self._one_plus)) for _, law in self.rows("norm_gain", layer, branch)]
        biases = [second_moment(law) for _, law in self.rows("norm_bias", layer, branch)]
        biases += [0.0] * (len(gains) - len(biases))
        found = [Norm(kind=self._kind, gain=gain, bias=bias) for gain, bias in zip(gains, biases, strict=True)]
        return found or [Norm(kind=self._kind)]


def second_moment(law: Law, plus: float = 0.0) -> float:
    """Return E of the square of an entry, ``plus`` a constant, as the forward pass sees it."""
    if law.dist.std is None:
        raise Unpredictable("an init that is drawn jointly or calibrated on data has no prediction from laws alone")
    return (law.mult * law.dist.mean + plus) ** 2 + (law.mult * law.dist.std) ** 2


def read(dims: Dims, topology: Topology, table: Sequence[tuple[Slot, Law]], activation: str) -> Setup:
    """Return the network that these laws, one for each slot that exists, describe."""
    laws = _Table(table, topology.norm, one_plus=bool(_asked(topology, "one_plus_gain")))
    ((tokens, token),) = laws.rows("token_embedding")
    tied = "lm_head" in tokens.aliases
    ((head_slot, head),) = [(tokens, token)] if tied else laws.rows("lm_head")
    waves = topology.positions == _WAVES
    outer_norms = laws.norms()
    return Setup(
        width=dims.n_embd,
        hidden=dims.ffn_hidden,
        heads=dims.n_head,
        length=dims.block_size,
        vocab=dims.vocab_size,
        activation=activation,
        token=second_moment(token) * laws.factor("embed_scale") * laws.factor("matrix_scale", of="token_embedding"),
        position=0.5 if waves else sum(second_moment(law) for _, law in laws.rows("position_embedding")),
        sinusoidal=waves,
        rotary=topology.positions == _ROTARY,
        branches=tuple(_branch(laws, dims, topology, branch) for branch in range(2 * dims.n_layer)),
        head=head_slot.fan_in
        * second_moment(head)
        * laws.factor("logit_scale")
        * laws.factor("matrix_scale", of="lm_head"),
        tied=tied,
        embed_norm=outer_norms[0] if _asked(topology, "embed_norm") else None,
        final_norm=outer_norms[-1] if topology.final_norm else None,
        parallel=bool(_asked(topology, "parallel")),
        logit_softcap=_asked(topology, "logit_softcap"),
    )


def _branch(laws: _Table, dims: Dims, topology: Topology, branch: int) -> Branch:
    norms, at = laws.norms(branch), str(topology.norm_at)
    return Branch(
        body=_mlp(laws, dims, branch) if branch % 2 else _attention(laws, dims, topology, branch),
        incoming=norms[0] if at in ("pre", "sandwich") else None,
        incoming_scale=laws.factor("norm_scale", branch),
        inner=Norm(kind=topology.norm) if _asked(topology, "sub_norm") else None,
        outgoing=norms[-1] if at in ("branch-out", "sandwich") else None,
        after=norms[-1] if at == "post" else None,
        skip=laws.factor("skip_scale", branch),
        scale=laws.factor("branch_scale", branch),
    )


def _mlp(laws: _Table, dims: Dims, branch: int) -> Mlp:
    gate = laws.matrix("ffn_gate", branch) if laws.rows("ffn_gate", branch // 2, branch) else None
    return Mlp(up=laws.matrix("ffn_up", branch), down=laws.matrix("ffn_down", branch), gate=gate)


def _attention(laws: _Table, dims: Dims, topology: Topology, branch: int) -> Attention:
    layer = branch // 2
    own_scale = laws.rows("attn_scale", layer, branch) + laws.rows("attn_scale", layer)
    return Attention(
        query=laws.matrix("query", branch),
        key=laws.matrix("key", branch),
        value=laws.matrix("value", branch),
        out=laws.matrix("attn_out", branch),
        scale=laws.factor("attn_scale", branch) * dims.n_embd / dims.n_head if own_scale else 1.0,
        qk_norm=1.0 if _asked(topology, "qk_norm") else None,
        position_bias=max((second_moment(law) for _, law in laws.rows("relative_position_bias")), default=0.0),
    )


def _asked(topology: Topology, option: str) -> Any:
    """Return an option of the topology; one that it does not know is not asked for."""
    return getattr(topology, option, None)
