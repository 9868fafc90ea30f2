"""What an init does: the law of every slot, for any sizes."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from initlab.activations.functions import ACTIVATIONS
from initlab.api.axes import Values, one_model
from initlab.files.public import PublicTable
from initlab.inits.as_source import differences, sourced
from initlab.inits.catalogue import Init, blueprint_for, resolve
from initlab.inits.describe import LawRow, law_rows, plain_text
from initlab.network.blueprint import Blueprint
from initlab.network.topology import GPT2_VOCABULARY, setting
from initlab.plugins.loading import load_plugins
from initlab.spec.run import ModelSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Explanation(PublicTable):
    """An init at given sizes: ``init`` is its full name, ``needs`` what a trainer must honour besides the weights.

    ``activation`` and ``model`` are what it is applied to, the source's where ``model.as_source``.
    """

    entry: Init
    blueprint: Blueprint
    activation: str
    model: ModelSpec

    @property
    def init(self) -> str:
        return self.entry.name

    @property
    def needs(self) -> list[str]:
        return self.blueprint.needs

    @cached_property
    def differs(self) -> dict[str, tuple[Any, Any]]:
        """The model's fields in which the network is not the source's, each with its value here and there."""
        return differences(self.entry, self.blueprint, self.activation, ffn_matched=self.model.ffn_matched)

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """What the source's network has that no field of the model can express."""
        network = self.entry.entry.network
        return () if isinstance(network, str) else network.unlike

    @cached_property
    def slots(self) -> list[dict[str, Any]]:
        """One entry a slot: its name, role, layer, shape and law; ``std`` is that of the slot's entries."""
        return [
            {
                "slot": slot.name,
                "role": slot.role,
                "layer": slot.layer,
                "shape": list(slot.shape),
                "of": slot.of,
                "aliases": list(slot.aliases),
                "drawn_as": self.blueprint.drawn_as(slot),
                **law.to_json(),
            }
            for slot, law in self.blueprint.laws
        ]

    @property
    def rows(self) -> list[LawRow]:
        """The laws for people: one row for every set of layers whose slots of one name share a law."""
        return law_rows(self.blueprint)

    @property
    def heading(self) -> list[str]:
        """Lines for people: name and summary, why, source, needs, and how the network differs from GPT-2's."""
        entry = self.entry.entry
        return [
            f"{self.init}  {plain_text(entry.summary)}",
            *filter(None, [plain_text(entry.why)]),
            f"source: {entry.source}",
            f"needs: {', '.join(self.needs)}",
            f"network: {self.blueprint.describe() or 'as GPT-2'}",
            self._source_line(),
        ]

    def _source_line(self) -> str:
        """Say how this network and the source's differ."""
        network = self.entry.entry.network
        if isinstance(network, str):
            return f"the source's network: none, {network}"
        lacking = f"; not modelled: {'; '.join(self.not_modelled)}" if self.not_modelled else ""
        if not self.differs:
            return f"the source's network: as here, with activation {self.activation!r}{lacking}"
        there = ", ".join(
            f"{setting(name, value)} (here {setting(name, ours).partition(' = ')[2]})"
            for name, (ours, value) in self.differs.items()
        )
        return f"the source's network: {there}; as_source takes it{lacking}"

    def document(self) -> dict[str, Any]:
        return {
            "init": self.init,
            "status": self.entry.entry.status,
            "dims": asdict(self.blueprint.dims),
            "needs": self.needs,
            "topology": self.blueprint.topology.to_json(),
            "activation": self.activation,
            "source_network": self._source_network(),
            "slots": self.slots,
        }

    def _source_network(self) -> dict[str, Any] | None:
        if isinstance(self.entry.entry.network, str):
            return None
        differs = {name: {"here": ours, "there": theirs} for name, (ours, theirs) in self.differs.items()}
        return {"taken": self.model.as_source, "differs": differs, "not_modelled": list(self.not_modelled)}

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a slot: slot, role, layer, shape, of, aliases, drawn_as, and its law."""
        import pandas as pd

        return pd.DataFrame(self.slots)

    def describe(self) -> str:
        laws = (f"  {row.slot}{f' [{row.layers}]' if row.layers else ''}: {row.start}" for row in self.rows)
        return "\n".join([*self.heading, *laws])


def explain(
    init: str, activation: str | None = None, *, plugins: tuple[str, ...] | list[str] = (), **sizes: Values
) -> Explanation:
    """Return the law of every slot an init sets; ``sizes`` are fields of the model, such as ``n_layer=12``.

    ``activation`` is gelu where nobody says otherwise, and ``as_source=True`` takes it and the network around the
    weights from the init's source. Raises InitlabError for an unknown init, activation or field, for sizes that no
    model has, and for a source without a network or with another than the fields say.

    >>> import initlab
    >>> laws = initlab.explain("depth-scaled", n_layer=12, n_embd=768, n_head=12).to_frame()
    >>> laws.query("role == 'attn_out'")["std"].round(6).unique().tolist()
    [0.004082]
    """
    load_plugins(plugins)
    entry = resolve(init)
    model, used = sourced(one_model(sizes), init, activation)
    used = ACTIVATIONS.canonical(used)
    return Explanation(entry, blueprint_for(model, init, used, GPT2_VOCABULARY), used, model)
