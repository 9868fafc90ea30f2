"""The network that an init's source puts around the weights, declared beside the init and nowhere else.

An init's laws say how tensors start, and its topology what those laws need around them. What else its source builds
(norms without biases, gated MLPs, rotary positions) is declared here in the words of the model's fields, and is taken
with ``as_source``: an init can so be compared with others on one network, or seen on the one that it was made for.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from initlab.network.topology import NormPlacement, Positions, Topology


@dataclass(frozen=True, kw_only=True)
class SourceNetwork:
    """What the source's network is, by the model's fields; None is as the init's own topology and tie have it.

    Sizes are no part of it. ``activation`` is a registered name; ``unlike`` says what the source has that no field of
    the model can express.
    """

    norm_at: NormPlacement | None = None
    norm: Literal["layernorm", "rmsnorm"] | None = None
    embed_norm: bool | None = None
    sub_norm: bool | None = None
    qk_norm: bool | None = None
    gainless: bool | None = None
    positions: Positions | None = None
    rotary_fraction: float | None = None
    parallel: bool | None = None
    parallel_norms: bool | None = None
    softcap: float | None = None
    tied: bool | None = None
    bias: bool = True
    ffn_matched: bool = False
    activation: str = "gelu"
    unlike: tuple[str, ...] = ()

    def settings(self, topology: Topology, tied: bool) -> dict[str, Any]:
        """Return the model's fields that make this network, for an init of that topology and tie."""
        declared = {name: value for name, value in asdict(self).items() if name not in ("activation", "unlike")}
        own = {**asdict(topology), "tied": tied}
        return {name: own[name] if value is None else value for name, value in declared.items()}
