"""The sizes a law may depend on, and the network around the weights: norms, positions, caps."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Dims:
    """The sizes a law may depend on. ``base_*`` are those of the small model that μP-like rules scale from."""

    n_layer: int
    n_head: int
    n_embd: int
    vocab_size: int
    block_size: int
    ffn_hidden: int
    bias: bool = True
    tied: bool = True
    gated: bool = False
    base_n_embd: int = 256
    base_n_layer: int = 2

    @property
    def head_size(self) -> int:
        return self.n_embd // self.n_head

    @property
    def width_ratio(self) -> float:
        """How many times wider than the base."""
        return self.n_embd / self.base_n_embd

    @property
    def depth_ratio(self) -> float:
        """How many times deeper than the base."""
        return self.n_layer / self.base_n_layer


NormPlacement: TypeAlias = Literal["pre", "post", "sandwich", "branch-out", "none"]


Positions: TypeAlias = Literal["learned", "sinusoidal", "sinusoidal-fairseq", "rotary", "relative", "alibi", "none"]
"""How a network is told positions. ``sinusoidal`` is Vaswani et al. 2017, section 3.5; fairseq's differs in its
frequencies and in the first position; ``alibi`` is Press et al., arXiv 2108.12409."""

SINUSOIDAL: tuple[Positions, ...] = ("sinusoidal", "sinusoidal-fairseq")

ON_LOGITS: tuple[Positions, ...] = ("relative", "alibi")
"""Positions that are told by adding a number a head to attention logits."""


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The network around the weights. The defaults are GPT-2's; an init or a spec asks for something else.

    Norms stand before each branch (``pre``), after each addition (``post``), before each branch and on its output
    (``sandwich``), on its output alone (``branch-out``) or nowhere. ``sub_norm`` adds one before each branch's output
    projection, ``qk_norm`` one on every head's queries and keys. A ``one-plus`` norm multiplies by 1 + gain, and
    where norms are ``gainless`` they have neither gain nor bias. The branches of a ``parallel`` block read one norm,
    or with ``parallel_norms`` one each. Rotary positions turn the first ``rotary_fraction`` of a head's channels.
    ``channel_scales`` gives skip and branch scales one entry a channel; ``shared_scales`` gives a layer one branch
    scale for both its branches.
    """

    norm_at: NormPlacement = "pre"
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    norm_gain: Literal["plain", "one-plus"] = "plain"
    embed_norm: bool = False
    sub_norm: bool = False
    qk_norm: bool = False
    positions: Positions = "learned"
    parallel: bool = False
    softcap: float | None = None
    channel_scales: bool = False
    shared_scales: bool = False
    gainless: bool = False
    parallel_norms: bool = False
    rotary_fraction: float = 1.0

    @property
    def norm_before(self) -> bool:
        return self.norm_at in ("pre", "sandwich")

    @property
    def norm_branch(self) -> bool:
        return self.norm_at in ("sandwich", "branch-out")

    @property
    def norm_after(self) -> bool:
        return self.norm_at == "post"

    @property
    def final_norm(self) -> bool:
        """Before the head; a post-norm block has just normalised."""
        return self.norm_at not in ("post", "none")

    def reads_alone(self, branch: str) -> bool:
        """Whether a branch, by its prefix (``blocks.0.ffn``), has a norm of its own where norms stand in front.

        All but the MLP of a parallel block that shares attention's.
        """
        return not (self.parallel and not self.parallel_norms and branch.endswith("ffn"))

    def to_json(self) -> dict[str, Any]:
        """Return what identities hash: a field that came later is in it where it is not as GPT-2 has it, so that
        networks keep the digest they had before there was such a field."""
        plain = {one.name: one.default for one in fields(self) if one.name in ADDED_LATER}
        kept = {name: value for name, value in asdict(self).items() if name not in plain or value != plain[name]}
        return {**kept, "final_norm": self.final_norm}


ADDED_LATER = frozenset({"gainless", "parallel_norms", "rotary_fraction"})
"""Fields that the first digests did not know."""

GPT2_TOPOLOGY = Topology()

GPT2_VOCABULARY = 50257
"""Of GPT-2's tokenizer (openai/gpt-2): the vocabulary where no corpus gives one."""

SCALE_SHAPES = ("channel_scales", "shared_scales")
"""Fields that say how multipliers are shaped: an init's choice alone, which no model without multipliers makes."""


def setting(name: str, value: Any) -> str:
    """Return a field and its value as a spec file says them: ``norm_at = "post"``."""
    text = str(value).lower() if isinstance(value, bool | None) else f"{value!r}".replace("'", '"')
    return f"{name} = {text}"
