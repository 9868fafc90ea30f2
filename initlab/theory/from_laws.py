"""From an init's laws to theory's description of the network: the one place that knows slots, roles and laws."""

import math
from dataclasses import replace

from initlab.errors import InitlabError
from initlab.network.blueprint import Blueprint
from initlab.network.laws import Law
from initlab.network.slots import (
    ATTN_OUT,
    ATTN_SCALE,
    BIAS,
    BRANCH_SCALE,
    EMBED_SCALE,
    FFN_DOWN,
    FFN_GATE,
    FFN_UP,
    KEY,
    LM_HEAD,
    LOGIT_SCALE,
    MATRIX_SCALE,
    NORM_SCALE,
    POSITION_EMBEDDING,
    QUERY,
    RELATIVE_POSITION_BIAS,
    SCALAR_BIAS,
    SKIP_SCALE,
    TOKEN_EMBEDDING,
    VALUE,
    Role,
    Slot,
)
from initlab.network.topology import SINUSOIDAL
from initlab.theory.theory_model import Attention, Branch, Matrix, Mlp, NormMoments, TheoryModel

SINUSOIDAL_MS = 0.5
"""Mean square of sines and cosines."""


class Unpredictable(InitlabError):
    """Something acts at step 0 that is not a law per slot, so nothing follows from the laws."""


def model_from_laws(blueprint: Blueprint, activation: str) -> TheoryModel:
    """Return the network that a blueprint describes; ``activation`` by its registered name.

    Raises Unpredictable for slots that are drawn jointly or calibrated on data, for shifts that are not zero, and for
    ALiBi, whose attention prefers what is near from the first step on.
    """
    if blueprint.topology.positions == "alibi":
        raise Unpredictable(
            'no prediction: positions = "alibi" makes attention weights uneven at step 0, and theory '
            "knows no such bias"
        )
    return _LawReader(blueprint).model(activation)


def second_moment(law: Law, plus: float = 0.0) -> float:
    """Return E of the square of an entry, ``plus`` a constant, as the forward pass sees it: (E x)² + Var x."""
    mean, std = law.mult * law.dist.mean + plus, law.mult * law.dist.std
    return mean * mean + std * std  # inf where ** would raise: predict says what overflows


class _LawReader:
    """Finds laws by what their slots are for. A multiplier's slot that is not there counts as 1."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._dims, self._topology = blueprint.dims, blueprint.topology
        self._by_purpose: dict[tuple[Role, int | None, Role | None], list[tuple[Slot, Law]]] = {}
        self._by_name = dict[str, Law]()
        for slot, law in blueprint.laws:
            _check(slot, law)
            self._by_purpose.setdefault((slot.role, slot.branch, slot.of), []).append((slot, law))
            self._by_name[slot.name] = law

    def model(self, activation: str) -> TheoryModel:
        dims, topology = self._dims, self._topology
        ((tokens, token),) = self._rows(TOKEN_EMBEDDING)
        tied = LM_HEAD in tokens.aliases
        ((head_slot, head),) = [(tokens, token)] if tied else self._rows(LM_HEAD)
        waves = topology.positions in SINUSOIDAL
        head_scale = self._factor(LOGIT_SCALE) * self._factor(MATRIX_SCALE, of=head_slot.role)
        return TheoryModel(
            width=dims.n_embd,
            hidden=dims.ffn_hidden,
            heads=dims.n_head,
            length=dims.block_size,
            vocab=dims.vocab_size,
            activation=activation,
            token=second_moment(token) * self._factor(EMBED_SCALE) * self._factor(MATRIX_SCALE, of=TOKEN_EMBEDDING),
            position=SINUSOIDAL_MS if waves else self._learned_positions(),
            sinusoidal=waves,
            fairseq=topology.positions == "sinusoidal-fairseq",
            rotary=topology.positions == "rotary",
            branches=tuple(self._branch(branch) for branch in range(2 * dims.n_layer)),
            head=head_slot.fan_in * second_moment(head) * head_scale,  # Var of a logit for a unit of the stream's
            tied=tied,
            embed_norm=self._norm("embed_norm") if topology.embed_norm else None,
            final_norm=self._norm("final_norm") if topology.final_norm else None,
            parallel=topology.parallel,
            logit_softcap=topology.softcap,
        )

    def _branch(self, branch: int) -> Branch:
        topology = self._topology
        prefix = f"blocks.{branch // 2}." + ("ffn" if branch % 2 else "attn")
        first = branch - branch % 2  # the layer's attention
        # A parallel block's MLP may read its attention's norm; a layer may have one scale for both its branches.
        shared = topology.parallel and not topology.parallel_norms
        reads, scales = first if shared else branch, first if topology.shared_scales else branch
        before = f"blocks.{reads // 2}." + ("ffn" if reads % 2 else "attn")
        return Branch(
            body=self._mlp(branch) if branch % 2 else self._attention(branch),
            incoming=self._norm(f"{before}.norm") if topology.norm_before else None,
            incoming_scale=self._factor(NORM_SCALE, reads),
            inner=self._norm(f"{prefix}_sub_norm") if topology.sub_norm else None,
            outgoing=self._norm(f"{prefix}.branch_norm") if topology.norm_branch else None,
            after=self._norm(f"{prefix}.post_norm") if topology.norm_after else None,
            skip=self._factor(SKIP_SCALE, branch),
            scale=self._factor(BRANCH_SCALE, scales),
        )

    def _mlp(self, branch: int) -> Mlp:
        gate = self._matrix(FFN_GATE, branch) if self._dims.gated else None
        return Mlp(up=self._matrix(FFN_UP, branch), down=self._matrix(FFN_DOWN, branch), gate=gate)

    def _attention(self, branch: int) -> Attention:
        block = f"blocks.{branch // 2}"
        # Against 1/√(head size), which stands where no slot says otherwise.
        scaled = self._dims.head_size if self._rows(ATTN_SCALE, branch) else 1.0
        norms = [self._norm(f"{block}.{name}") for name in ("query_norm", "key_norm")]
        gain = math.sqrt(norms[0].gain * norms[1].gain)
        return Attention(
            query=self._matrix(QUERY, branch),
            key=self._matrix(KEY, branch),
            value=self._matrix(VALUE, branch),
            out=self._matrix(ATTN_OUT, branch),
            scale=self._factor(ATTN_SCALE, branch) * scaled,
            qk_norm=replace(norms[0], gain=gain) if self._topology.qk_norm else None,
            position_bias=max((second_moment(law) for _, law in self._rows(RELATIVE_POSITION_BIAS)), default=0.0),
        )

    def _rows(self, role: Role, branch: int | None = None, of: Role | None = None) -> list[tuple[Slot, Law]]:
        return self._by_purpose.get((role, branch, of), [])

    def _factor(self, role: Role, branch: int | None = None, of: Role | None = None) -> float:
        """Return the square of a multiplier."""
        return math.prod(second_moment(law) for _, law in self._rows(role, branch, of))

    def _matrix(self, role: Role, branch: int) -> Matrix:
        ((slot, law),) = self._rows(role, branch)
        bias = sum(second_moment(law) for _, law in self._rows(BIAS, branch, role))
        # E (w·x)² = fan_in·E w²·E x² for weights of mean zero.
        return Matrix(gain=slot.fan_in * second_moment(law) * self._factor(MATRIX_SCALE, branch, role), bias=bias)

    def _learned_positions(self) -> float:
        scale = self._factor(MATRIX_SCALE, of=POSITION_EMBEDDING)
        return scale * sum(second_moment(law) for _, law in self._rows(POSITION_EMBEDDING))

    def _norm(self, prefix: str) -> NormMoments:
        """Return a norm; without a slot for its gain that is 1."""
        gain, bias = self._by_name.get(f"{prefix}.weight"), self._by_name.get(f"{prefix}.bias")
        plus = 1.0 if self._topology.norm_gain == "one-plus" else 0.0
        return NormMoments(
            kind=self._topology.norm,
            gain=1.0 if gain is None else second_moment(gain, plus),
            bias=0.0 if bias is None else second_moment(bias),
        )


def _check(slot: Slot, law: Law) -> None:
    if law.joint or law.calibrated:
        how = "calibrated on data" if law.calibrated else "drawn jointly with others"
        raise Unpredictable(f"no prediction: {slot.name} is {how}, and theory knows one law per slot")
    if slot.role == SCALAR_BIAS and second_moment(law) > 0:
        raise Unpredictable(
            f"no prediction: {slot.name} starts at {law.dist.mean:g}, and theory knows shifts of 0 only"
        )
