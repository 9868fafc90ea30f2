"""The sizes a law may depend on, and the network around the weights: norms, positions, caps."""

from dataclasses import asdict, dataclass
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


Positions: TypeAlias = Literal["learned", "sinusoidal", "rotary", "relative", "none"]


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The network around the weights. The defaults are GPT-2's; an init or a spec asks for something else.

    Norms stand before each branch (``pre``), after each addition (``post``), before each branch and on its output
    (``sandwich``), on its output alone (``branch-out``) or nowhere. ``sub_norm`` adds one before each branch's output
    projection, ``qk_norm`` one on every head's queries and keys. A ``one-plus`` norm multiplies by 1 + gain.
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

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "final_norm": self.final_norm}


GPT2_TOPOLOGY = Topology()

GPT2_VOCABULARY = 50257
"""Of GPT-2's tokenizer (openai/gpt-2): the vocabulary where no corpus gives one."""

SCALE_SHAPES = ("channel_scales", "shared_scales")
"""Fields that say how multipliers are shaped: an init's choice alone, which no model without multipliers makes."""


def setting(name: str, value: Any) -> str:
    """Return a field and its value as a spec file says them: ``norm_at = "post"``."""
    text = str(value).lower() if isinstance(value, bool | None) else f"{value!r}".replace("'", '"')
    return f"{name} = {text}"
