"""Which code that did not come with initlab a run depends on."""

from initlab.activations.functions import ACTIVATIONS
from initlab.inits.catalogue import INITS
from initlab.spec.run import RunSpec


def plugin_code(spec: RunSpec) -> tuple[str, ...]:
    """Return fingerprints of the code that did not come with initlab and can change the run's numbers.

    Probes cannot: they get copies, and no random numbers.
    """
    found = (INITS.fingerprint(spec.init.partition(":")[0].strip()), ACTIVATIONS.fingerprint(spec.activation))
    return tuple(code for code in found if code is not None)
