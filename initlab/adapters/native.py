"""initlab's own names: every network, its multipliers among its tensors, each slot a tensor of its own name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from initlab.adapters.adapter import Adapter, ModelState, Slice, SlotMap, adapter
from initlab.errors import InitlabError
from initlab.network.blueprint import Blueprint
from initlab.network.slot_table import Network, possible_slots
from initlab.network.slots import FFN_UP, TOKEN_EMBEDDING, weight_name
from initlab.network.topology import Dims, Topology

NATIVE = "initlab"
"""The format that holds every network."""


@adapter(NATIVE)
class Native(Adapter):
    summary: ClassVar[str] = "initlab's own names: holds every network"
    folds: ClassVar[bool] = False

    def recognises(self, state: ModelState) -> bool:
        return {weight_name(TOKEN_EMBEDDING), weight_name(FFN_UP, 0)} <= set(state.shapes)

    def read(self, state: ModelState) -> SlotMap:
        """``state.config`` is what a checkpoint says of itself under ``initlab`` in its metadata."""
        if not {"dims", "topology"} <= set(state.config):
            raise InitlabError(
                "tensors in initlab's names say neither heads nor norms: expected the file's metadata as the config, "
                "with dims and topology"
            )
        dims, topology = _parsed(state.config)
        slots = tuple(slot for slot in possible_slots(dims, topology) if slot.name in state.shapes)
        network = Network(dims, topology, slots)
        for name, shape in network.shapes.items():
            if state.shapes[name] != shape:
                raise InitlabError(f"{name} has shape {state.shapes[name]}, expected {shape} at these sizes")
        unmapped = tuple(name for name in state.shapes if name not in network.shapes)
        return _slot_map(network, unmapped=unmapped, activation=state.config.get("activation"))

    def misfit(self, blueprint: Blueprint, activation: str) -> str | None:
        return None

    def written(self, blueprint: Blueprint) -> SlotMap:
        return _slot_map(blueprint.network)

    def config(self, blueprint: Blueprint, activation: str) -> dict[str, Any]:
        return {}


def _parsed(config: Mapping[str, Any]) -> tuple[Dims, Topology]:
    fields = {name: value for name, value in config["topology"].items() if name != "final_norm"}
    try:
        return Dims(**config["dims"]), Topology(**fields)
    except TypeError as error:
        raise InitlabError(f"dims and topology of the config are not those of a network: {error}") from error


def _slot_map(network: Network, **known: Any) -> SlotMap:
    return SlotMap(network=network, slices={name: Slice(tensor=name) for name in network.shapes}, **known)
