"""Numbers that a float can hold: where a prediction leaves them, it says where and gives none."""

import math
from collections.abc import Mapping, Sequence

from initlab.errors import InitlabError


class OutOfRange(InitlabError):
    """A second moment is beyond the largest float, so there is no prediction."""


def require_finite(curves: Mapping[str, Sequence[float]]) -> None:
    """Raise OutOfRange naming the first curve and site that is not finite."""
    for name, curve in curves.items():
        for site, value in enumerate(curve):
            if not math.isfinite(value):
                where = f" at site {site} of {len(curve)}" if len(curve) > 2 else ""
                raise OutOfRange(
                    f"no prediction: {name} leaves the range of floating-point numbers{where}; "
                    "a smaller std, fewer layers or a norm would keep it inside"
                )
