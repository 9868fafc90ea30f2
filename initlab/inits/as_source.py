"""``as_source``: from what a spec asks to the network of its init's source, and in what the two differ."""

from typing import Any

from initlab.activations.functions import ACTIVATIONS
from initlab.errors import InitlabError
from initlab.inits.strategy import Init, resolve
from initlab.network.blueprint import Blueprint
from initlab.network.slots import BIAS, NORM_BIAS
from initlab.network.source_network import SourceNetwork
from initlab.network.topology import setting
from initlab.spec.run import ModelSpec, RunSpec


def sourced(model: ModelSpec, init: str, activation: str | None = None) -> tuple[ModelSpec, str]:
    """Return a model and an activation as they are trained: those of the init's source, where the model asks for it.

    ``activation`` is None where nobody named one. Doing it again changes nothing. Raises InitlabError where the
    source has no network, or where a field that was given says something else than the source.
    """
    if not model.as_source:
        return model, activation or RunSpec().activation
    resolved = resolve(init)
    network = network_of(resolved)
    theirs = source_settings(resolved, network)
    asked = {name: getattr(model, name) for name in theirs if name in model.model_fields_set}
    named = {} if activation is None else {"activation": ACTIVATIONS.canonical(activation)}
    given = {**{name: value for name, value in asked.items() if value is not None}, **named}
    _check_agreement(resolved.name, given, {**theirs, "activation": network.activation})
    return model.model_copy(update=theirs), network.activation


def network_of(init: Init) -> SourceNetwork:
    """Return the network of an init's source; raises InitlabError where it has none."""
    if isinstance(init.entry.network, str):
        raise InitlabError(
            f"as_source: init {init.name!r} has no network of a source: {init.entry.network}; leave as_source out"
        )
    return init.entry.network


def source_settings(init: Init, network: SourceNetwork) -> dict[str, Any]:
    """Return the fields of the model that make the network of an init's source."""
    return network.settings(init.strategy.topology, init.strategy.tied)


def _check_agreement(init: str, given: dict[str, Any], theirs: dict[str, Any]) -> None:
    wrong = [name for name, value in given.items() if value != theirs[name]]
    if wrong:
        sets, has = (", ".join(setting(name, values[name]) for name in wrong) for values in (given, theirs))
        raise InitlabError(
            f"as_source takes the network of the source of init {init!r}, which has {has}, but {sets} is given too; "
            f"leave {' and '.join(wrong)} out, or as_source"
        )


def differences(
    init: Init, blueprint: Blueprint, activation: str, *, ffn_matched: bool = False
) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which a network is not the init's source's, each with its value here and there.

    ``ffn_matched`` is the model's, which its sizes alone do not tell. Empty where the source has no network.
    """
    if isinstance(init.entry.network, str):
        return {}
    network = init.entry.network
    theirs = {**source_settings(init, network), "activation": network.activation}
    biased = any(slot.role in (BIAS, NORM_BIAS) for slot, _ in blueprint.laws)
    other = {
        "bias": biased,
        "tied": blueprint.dims.tied,
        "ffn_matched": ffn_matched,
        "activation": activation,
    }
    ours = {name: other[name] if name in other else getattr(blueprint.topology, name) for name in theirs}
    return {name: (ours[name], value) for name, value in theirs.items() if ours[name] != value}
