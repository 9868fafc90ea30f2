"""Diverged runs: counted in a rate (see ``rates``), and kept in every mean as having learnt nothing.

A run that blew up has no final loss. Leaving it out would reward the setting that loses its worst seeds, so it
counts as ending where it began; and so does a run that ended above its start (as in Wortsman et al., arXiv
2309.14322).
"""

import math


def censored(loss: float | None, initial: float) -> float:
    """Return the loss a run counts with, in nats: its own, at most the loss at initialisation."""
    if loss is None or not math.isfinite(loss):
        return initial
    return min(loss, initial)
