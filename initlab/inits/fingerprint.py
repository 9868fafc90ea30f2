"""Which code that did not come with initlab a run depends on."""

from initlab.activations.functions import ACTIVATIONS
from initlab.inits.strategy import INITS
from initlab.optimizers.rules import OPTIMIZERS
from initlab.plugins.parameters import split_name
from initlab.spec.run import RunSpec


def plugin_code(spec: RunSpec) -> tuple[str, ...]:
    """Return fingerprints of the code that did not come with initlab and can change the run's numbers.

    Probes cannot: they get copies, and no random numbers.
    """
    fingerprints = (
        INITS.fingerprint(split_name(spec.init)[0]),
        ACTIVATIONS.fingerprint(spec.activation),
        OPTIMIZERS.fingerprint(split_name(spec.train.optimizer)[0]),
    )
    return tuple(code for code in fingerprints if code is not None)
