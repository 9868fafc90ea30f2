"""From an init's laws to theory's description of the network: the one place that knows slots, roles and laws."""

from collections.abc import Iterable, Sequence

from initlab.errors import InitlabError
from initlab.laws import Dims, Law, Slot, Topology
from initlab.theory.setup import Attention, Branch, Matrix, Mlp, Norm, Setup


class Unpredictable(InitlabError):
    """The init is not a law per slot (it draws slots jointly or calibrates them on data), so nothing follows."""


class _Table:
    """Laws found by what a slot is for. A multiplier's slot that is not there counts as 1."""

    def __init__(self, table: Iterable[tuple[Slot, Law]]) -> None:
        self._rows = list(table)
        self._found: dict[tuple[str, int | None, int | None, str | None], list[tuple[Slot, Law]]] = {}
        for slot, law in self._rows:
            self._found.setdefault((slot.role, slot.layer, slot.branch, slot.of), []).append((slot, law))

    def rows(
        self, role: str, layer: int | None = None, branch: int | None = None, of: str | None = None
    ) -> list[tuple[Slot, Law]]:
        return self._found.get((role, layer, branch, of), [])

    def factor(self, role: str, layer: int | None = None, branch: int | None = None, of: str | None = None) -> float:
        """Return the square of a multiplier."""
        return _product(second_moment(law) for _, law in self.rows(role, layer, branch, of))

    def matrix(self, role: str, branch: int) -> Matrix:
        layer = branch // 2
        ((slot, law),) = self.rows(role, layer, branch)
        scale = self.factor("matrix_scale", layer, branch, role)
        bias = sum(second_moment(law) for _, law in self.rows("bias", layer, branch, role))
        return Matrix(gain=slot.fan_in * second_moment(law) * scale, bias=bias)

    def norms(self, kind: str, branch: int | None = None) -> list[Norm]:
        """Return the norms of a branch (None: of none), in the order of the forward pass."""
        layer = None if branch is None else branch // 2
        gains = [second_moment(law) for _, law in self.rows("norm_gain", layer, branch)]
        biases = [second_moment(law) for _, law in self.rows("norm_bias", layer, branch)]
        return [
            Norm(kind=kind, gain=gain, bias=biases[index] if index < len(biases) else 0.0)  # type: ignore[arg-type]
            for index, gain in enumerate(gains)
        ]


def second_moment(law: Law) -> float:
    """Return E of the square of an entry as the forward pass sees it."""
    std = law.dist.std
    if std is None:
        raise Unpredictable("an init that is drawn jointly or calibrated on data has no prediction from laws alone")
    return law.mult**2 * (law.dist.mean**2 + std**2)


def read(dims: Dims, topology: Topology, table: Sequence[tuple[Slot, Law]], activation: str) -> Setup:
    """Return the network that these laws, one for each slot that exists, describe."""
    laws = _Table(table)
    ((tokens, token),) = laws.rows("token_embedding")
    tied = "lm_head" in tokens.aliases
    ((head_slot, head),) = [(tokens, token)] if tied else laws.rows("lm_head")
    positions = getattr(topology, "positions", "learned")
    learned = sum(second_moment(law) for _, law in laws.rows("position_embedding"))
    kind = topology.norm
    last = laws.norms(kind)
    return Setup(
        width=dims.n_embd,
        heads=dims.n_head,
        length=dims.block_size,
        vocab=dims.vocab_size,
        activation=activation,
        token=second_moment(token) * laws.factor("embed_scale"),
        position=0.5 if positions == "sinusoidal" else learned,
        sinusoidal=positions == "sinusoidal",
        rotary=positions == "rotary",
        branches=tuple(_branch(laws, dims, topology, branch) for branch in range(2 * dims.n_layer)),
        head=head_slot.fan_in * second_moment(head) * laws.factor("logit_scale"),
        tied=tied,
        embed_norm=Norm(kind=kind) if getattr(topology, "embed_norm", False) else None,
        final_norm=(last[-1] if last else Norm(kind=kind)) if topology.final_norm else None,
        parallel=getattr(topology, "parallel", False),
        logit_softcap=getattr(topology, "logit_softcap", None),
    )


def _branch(laws: _Table, dims: Dims, topology: Topology, branch: int) -> Branch:
    layer = branch // 2
    norms = laws.norms(topology.norm, branch) or [Norm(kind=topology.norm)]
    at: str = topology.norm_at
    return Branch(
        body=_mlp(laws, dims, branch) if branch % 2 else _attention(laws, dims, topology, branch),
        incoming=norms[0] if at in ("pre", "sandwich") else None,
        incoming_scale=laws.factor("norm_scale", layer, branch),
        inner=Norm(kind=topology.norm) if getattr(topology, "sub_norm", False) else None,
        outgoing=norms[-1] if at in ("branch-out", "sandwich") else None,
        after=norms[-1] if at == "post" else None,
        skip=laws.factor("skip_scale", layer, branch),
        scale=laws.factor("branch_scale", layer, branch),
    )


def _mlp(laws: _Table, dims: Dims, branch: int) -> Mlp:
    gate = laws.matrix("ffn_gate", branch) if getattr(dims, "gated", False) else None
    return Mlp(up=laws.matrix("ffn_up", branch), down=laws.matrix("ffn_down", branch), gate=gate)


def _attention(laws: _Table, dims: Dims, topology: Topology, branch: int) -> Attention:
    layer = branch // 2
    own_scale = laws.rows("attn_scale", layer) or laws.rows("attn_scale", layer, branch)
    return Attention(
        query=laws.matrix("query", branch),
        key=laws.matrix("key", branch),
        value=laws.matrix("value", branch),
        out=laws.matrix("attn_out", branch),
        scale=_product(second_moment(law) for _, law in own_scale) * (dims.n_embd / dims.n_head)
        if own_scale
        else 1.0,
        qk_norm=1.0 if getattr(topology, "qk_norm", False) else None,
        position_bias=sum(second_moment(law) for _, law in laws.rows("relative_position_bias")),
    )


def _product(factors: Iterable[float]) -> float:
    product = 1.0
    for factor in factors:
        product *= factor
    return product
