"""Names of tensors by slot: where a family keeps each part of a decoder, and which slots share one tensor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from initlab.adapters.adapter import Slice
from initlab.network.slots import Slot


@dataclass(frozen=True, kw_only=True)
class Names:
    """The modules that hold each slot's tensors: the head, what is outside the blocks, and what is inside one.

    All but the head's begin with ``root``, and a block's with ``root`` and ``block``. Slots that share a module are
    stacked along their outputs, in the order of the forward pass.
    """

    root: str
    outside: Mapping[str, str]
    block: str
    inside: Mapping[str, str]
    head: str = "lm_head"

    def tensor(self, slot: str) -> str:
        """Return the name of the tensor that holds a slot of a network without multipliers."""
        path, _, kind = slot.rpartition(".")
        if path == "lm_head":
            return f"{self.head}.{kind}"
        if not path.startswith("blocks."):
            return f"{self.root}{self.outside[path]}.{kind}"
        _, layer, part = path.split(".", 2)
        return f"{self.root}{self.block.format(layer)}.{self.inside[part]}.{kind}"

    def located(self, tensors: Iterable[str]) -> "Names | None":
        """Return the names as they are in a model: under the usual root, without it, or below others' prefixes.

        A bare decoder lacks the root, a compiled model's names begin with _orig_mod. None where there is no
        token table, or more than one.
        """
        table = f"{self.outside['token_embedding']}.weight"
        tables = [name for name in tensors if name == table or name.endswith(f".{table}")]
        if len(tables) != 1:
            return None
        root = tables[0].removesuffix(table)
        return replace(self, root=root, head=root.removesuffix(self.root) + self.head)

    def layers(self, tensors: Iterable[str]) -> int:
        """Return how many blocks there are, counted from 0 without a gap."""
        before, after = (self.root + self.block).split("{}")
        numbers = {name.removeprefix(before).partition(after + ".")[0] for name in tensors if name.startswith(before)}
        count = 0
        while str(count) in numbers:
            count += 1
        return count


def stacked(names: Names, slots: Iterable[Slot], *, conv1d: bool) -> dict[str, Slice]:
    """Return where each slot lies, by its name: slots that share a tensor one after another along their outputs.

    ``conv1d`` models keep the matrices of blocks as (fan_in, fan_out).
    """
    sharing: dict[str, list[Slot]] = {}
    for slot in slots:
        sharing.setdefault(names.tensor(slot.name), []).append(slot)
    slices = {}
    for tensor, parts in sharing.items():
        start = 0
        for slot in parts:
            end = start + slot.shape[0]
            outputs = ((start, end),) if len(parts) > 1 else ()
            transposed = conv1d and slot.layer is not None and len(slot.shape) == 2
            slices[slot.name] = Slice(tensor=tensor, outputs=outputs, transposed=transposed)
            start = end
    return slices
