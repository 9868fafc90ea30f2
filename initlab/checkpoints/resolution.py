"""What checkpoint is asked for, and whether its format can hold it: known without torch, before anything is drawn."""

from dataclasses import dataclass

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.adapter import ADAPTERS, Adapter
from initlab.adapters.native import NATIVE
from initlab.data.corpus import Corpus
from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import brief
from initlab.files.limits import MEMORY
from initlab.inits.catalogue import blueprint_for
from initlab.inits.strategy import resolve
from initlab.machine.capacity import computer_bytes
from initlab.network.blueprint import Blueprint
from initlab.network.topology import GPT2_TOPOLOGY
from initlab.spec.run import ModelSpec

DTYPES = ("float32", "float64", "bfloat16")
"""Number formats of a checkpoint's tensors, by torch's names."""


@dataclass(frozen=True, kw_only=True)
class CheckpointSpec:
    """An init at some sizes, in a format by name.

    ``activation`` None is the format's own; ``corpus`` None calibrates on random tokens.
    """

    format: str
    model: ModelSpec
    init: str
    vocab_size: int
    activation: str | None = None
    seed: int = 0
    dtype: str = "float32"
    corpus: Corpus | None = None

    def __post_init__(self) -> None:
        """Raise InitlabError for a number format that no checkpoint is written in, and for no seed."""
        if self.dtype not in DTYPES:
            raise InitlabError(f"dtype: no number format {self.dtype!r}{did_you_mean(self.dtype, DTYPES)}")
        if type(self.seed) is not int or not 0 <= self.seed < 2**63:
            raise InitlabError(f"seed: expected a whole number from 0 to 2^63 - 1, got {brief(self.seed)}")


@dataclass(frozen=True, kw_only=True)
class ResolvedCheckpoint:
    """What a spec means: its format's adapter, and the network that is drawn."""

    format: str
    adapter: Adapter
    activation: str
    blueprint: Blueprint


def resolve_checkpoint(spec: CheckpointSpec) -> ResolvedCheckpoint:
    """Return what a spec means.

    Raises InitlabError where the format has no place for a feature of the network, naming the feature, and for a
    corpus that does not fit the network.
    """
    name = ADAPTERS.canonical(spec.format)
    adapter = ADAPTERS.get(name)
    activation = ACTIVATIONS.canonical(spec.activation or adapter.activation)
    blueprint = blueprint_for(_completed(spec, adapter), spec.init, activation, spec.vocab_size)
    with ADAPTERS.blame(name, adapter):
        reason = adapter.misfit(blueprint, activation)
    if reason:
        network = f"the network of init {blueprint.init!r}"
        raise InitlabError(f"format {name} cannot hold {network}: {reason}; format {NATIVE} holds any network")
    size = 8 if spec.dtype == "float64" else 4
    MEMORY.of(computer_bytes()).check(
        size * blueprint.network.n_parameters, f"init {blueprint.init!r}, all parameters"
    )
    if spec.corpus is not None:
        spec.corpus.check(block_size=blueprint.dims.block_size, vocab_size=blueprint.dims.vocab_size)
    return ResolvedCheckpoint(format=name, adapter=adapter, activation=activation, blueprint=blueprint)


def _completed(spec: CheckpointSpec, adapter: Adapter) -> ModelSpec:
    """Return the model with the format's choice of what neither the user nor the init has chosen."""
    topology = resolve(spec.init).strategy.topology
    left_open = {
        field: value
        for field, value in adapter.defaults.items()
        if field not in spec.model.model_fields_set
        and getattr(topology, field, None) == getattr(GPT2_TOPOLOGY, field, None)
    }
    return spec.model.model_copy(update=left_open)
