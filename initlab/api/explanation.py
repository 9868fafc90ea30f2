"""What an init does: the law of every slot, for any sizes."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from initlab.api.axes import Values, one_model
from initlab.files.public import PublicTable
from initlab.inits.catalogue import Init, blueprint_for, resolve
from initlab.inits.describe import LawRow, law_rows, plain_text
from initlab.network.blueprint import Blueprint
from initlab.network.topology import GPT2_VOCABULARY
from initlab.plugins.loading import load_plugins

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Explanation(PublicTable):
    """An init at given sizes: ``init`` is its full name, ``needs`` what a trainer must honour besides the weights."""

    entry: Init
    blueprint: Blueprint

    @property
    def init(self) -> str:
        return self.entry.name

    @property
    def needs(self) -> list[str]:
        return self.blueprint.needs

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
        ]

    def document(self) -> dict[str, Any]:
        return {
            "init": self.init,
            "status": self.entry.entry.status,
            "dims": asdict(self.blueprint.dims),
            "needs": self.needs,
            "topology": self.blueprint.topology.to_json(),
            "slots": self.slots,
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a slot: slot, role, layer, shape, of, aliases, drawn_as, and its law."""
        import pandas as pd

        return pd.DataFrame(self.slots)

    def describe(self) -> str:
        laws = (f"  {row.slot}{f' [{row.layers}]' if row.layers else ''}: {row.start}" for row in self.rows)
        return "\n".join([*self.heading, *laws])


def explain(
    init: str, activation: str = "gelu", *, plugins: tuple[str, ...] | list[str] = (), **sizes: Values
) -> Explanation:
    """Return the law of every slot an init sets; ``sizes`` are fields of the model, such as ``n_layer=12``.

    Raises InitlabError for an unknown init, activation or field, and for sizes that no model has.

    >>> import initlab
    >>> laws = initlab.explain("depth-scaled", n_layer=12, n_embd=768, n_head=12).to_frame()
    >>> laws.query("role == 'attn_out'")["std"].round(6).unique().tolist()
    [0.004082]
    """
    load_plugins(plugins)
    entry = resolve(init)
    return Explanation(entry, blueprint_for(one_model(sizes), init, activation, GPT2_VOCABULARY))
