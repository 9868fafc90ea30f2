"""Whether this machine can run sweeps, and with what."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initlab.engine.diagnosis import Diagnosis


def doctor() -> "Diagnosis":
    """Check this machine: versions, devices, what it was measured to be fast at, and whether sweeps can be relied on.

    The first time on a machine that takes a few seconds of measuring. Raises InitlabError where torch cannot compute.

    >>> import initlab
    >>> diagnosis = initlab.doctor()
    >>> diagnosis.devices[0].name, sorted(check.name for check in diagnosis.checks)
    ('cpu', ['arithmetic', 'disk', 'lanes', 'torch'])
    """
    from initlab.engine.diagnosis import diagnose  # with torch, which every other verb starts without

    return diagnose()
