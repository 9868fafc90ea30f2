"""A probe: one number of the residual stream at each of its 2L+1 sites, in ``layers.jsonl`` under its name."""

from torch import Tensor

from initlab.probes.reductions import probe


@probe(
    "residual_kurtosis",
    tap="residual",
    summary="kurtosis of the residual stream; 3 is a Gaussian, more has outliers",
    positive=True,
)
def residual_kurtosis(x: Tensor) -> Tensor:
    """Return the fourth moment over the square of the second, over batch, tokens and channels."""
    return x.pow(4).mean() / x.square().mean().square()
