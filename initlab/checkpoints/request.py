"""What checkpoint is asked for, and whether its format can hold it: known without torch, before anything is drawn."""

from dataclasses import dataclass

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.formats import ANY, FORMATS, Format
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError
from initlab.inits.catalogue import blueprint_for, resolve
from initlab.network.blueprint import Blueprint
from initlab.network.topology import GPT2_TOPOLOGY
from initlab.spec.run import ModelSpec


@dataclass(frozen=True)
class Request:
    """What is asked for. ``activation`` None is the format's own; ``corpus`` None calibrates on random tokens."""

    format: str
    model: ModelSpec
    init: str
    vocab_size: int
    activation: str | None = None
    seed: int = 0
    dtype: str = "float32"
    corpus: Corpus | None = None


@dataclass(frozen=True)
class Plan:
    """The network that a request makes, in a format by name; ``form`` is None for initlab's own names."""

    name: str
    form: Format | None
    activation: str
    blueprint: Blueprint


def planned(request: Request) -> Plan:
    """Return what a request makes.

    Raises InitlabError where the format has no place for a feature of the network, naming the feature, and for a
    corpus that does not fit the network.
    """
    name = FORMATS.canonical(request.format)
    form = FORMATS.get(name)
    activation = ACTIVATIONS.canonical(request.activation or (form.activation if form else "gelu"))
    model = fitted(request.model, request.init, form)
    blueprint = blueprint_for(model, request.init, activation, request.vocab_size)
    reason = form.misfit(blueprint, activation) if form else None
    if reason:
        network = f"the network of init {blueprint.init!r}"
        raise InitlabError(f"format {name} cannot hold {network}: {reason}; format {ANY} holds any network")
    if request.corpus is not None:
        request.corpus.check(block_size=blueprint.dims.block_size, vocab_size=blueprint.dims.vocab_size)
    return Plan(name, form, activation, blueprint)


def fitted(model: ModelSpec, init: str, form: Format | None) -> ModelSpec:
    """Return the model with the format's choice of what neither the user nor the init has chosen."""
    defaults, topology = form.defaults if form else {}, resolve(init).strategy.topology
    left_open = {
        field: value
        for field, value in defaults.items()
        if field not in model.model_fields_set
        and getattr(topology, field, None) == getattr(GPT2_TOPOLOGY, field, None)
    }
    return model.model_copy(update=left_open)
