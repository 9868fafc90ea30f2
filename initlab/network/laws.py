"""The vocabulary of inits: slots, and the laws by which they start, act and move.

Everything here is a frozen value without tensors: planning, prediction, documentation and drawing all read
the same laws. An init is a function ``law(slot) -> Law | None`` over these words.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Normal:
    """Gaussian with mean 0."""

    std: float
    name = "normal"
    mean = 0.0
    kurtosis = 3.0

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)


@dataclass(frozen=True)
class TruncNormal:
    """A Gaussian of standard deviation ``sigma`` and mean 0, cut at ±``cut`` sigmas. Its own ``std`` is smaller.

    torch and OLMo speak of sigma; JAX and TensorFlow's variance scaling of the std after the cut: for those there is
    ``of_std``.
    """

    sigma: float
    cut: float
    name = "trunc-normal"
    mean = 0.0

    @classmethod
    def of_std(cls, std: float, cut: float) -> "TruncNormal":
        return cls(std / cls(1.0, cut).std, cut)

    @property
    def std(self) -> float:
        return self.sigma * math.sqrt(self._moment(1))

    @property
    def kurtosis(self) -> float:
        return self._moment(2) / self._moment(1) ** 2

    @property
    def support(self) -> tuple[float, float]:
        return (-self.cut * self.sigma, self.cut * self.sigma)

    def _moment(self, half: int) -> float:
        """Return E z² (half = 1) or E z⁴ (half = 2) of a unit normal cut at ±c.

        By parts: 1 - 2cφ/Z and 3 - 2c(c²+3)φ/Z, with φ the density at c and Z the mass inside.
        """
        c = self.cut
        density = math.exp(-c * c / 2) / math.sqrt(2 * math.pi)
        edge = 2 * c * density / math.erf(c / math.sqrt(2))
        return 1 - edge if half == 1 else 3 - (c * c + 3) * edge


@dataclass(frozen=True)
class Uniform:
    """Uniform on ±√3·std."""

    std: float
    name = "uniform"
    mean = 0.0
    kurtosis = 1.8

    @property
    def support(self) -> tuple[float, float]:
        return (-math.sqrt(3) * self.std, math.sqrt(3) * self.std)


@dataclass(frozen=True)
class Orthogonal:
    """A random matrix with orthonormal rows or columns, times a gain: entries have std gain/√max(shape).

    ``kurtosis`` is the bound for wide matrices; an entry of a unit vector of n numbers has 3n/(n+2).
    """

    std: float
    name = "orthogonal"
    mean = 0.0
    kurtosis = 3.0

    @property
    def support(self) -> tuple[float, float]:
        return (-math.inf, math.inf)


@dataclass(frozen=True)
class Constant:
    """Every entry equal to ``mean``."""

    mean: float
    name = "constant"
    std = 0.0
    kurtosis = 1.0

    @property
    def support(self) -> tuple[float, float]:
        return (self.mean, self.mean)


Dist: TypeAlias = Normal | TruncNormal | Uniform | Orthogonal | Constant
ZEROS = Constant(0.0)
ONES = Constant(1.0)


def scale(dist: Dist, factor: float) -> Dist:
    """Return the distribution of ``factor`` times a draw."""
    if isinstance(dist, Constant):
        return Constant(dist.mean * factor)
    if isinstance(dist, TruncNormal):
        return replace(dist, sigma=dist.sigma * abs(factor))
    return replace(dist, std=dist.std * abs(factor))


@dataclass(frozen=True, kw_only=True)
class Law:
    """How a slot starts (``dist``), is multiplied in the forward pass (``mult``) and moves.

    ``lr``, ``wd`` and ``eps`` are factors on the optimizer's own settings; ``train=False`` freezes the slot.
    The triple (mult, dist, lr) is the abc-parametrisation of Yang & Hu, arXiv 2011.14522. A ``joint`` slot is drawn
    together with others and a ``calibrated`` one from data, both by the init's hook; ``dist`` is then what the hook
    starts from.
    """

    dist: Dist
    mult: float = 1.0
    lr: float = 1.0
    wd: float = 1.0
    eps: float = 1.0
    train: bool = True
    joint: bool = False
    calibrated: bool = False

    @property
    def is_zero(self) -> bool:
        """The slot starts at exactly zero and no hook changes that."""
        return self.dist.mean == 0 and self.dist.std == 0 and not (self.joint or self.calibrated)

    def to_json(self) -> dict[str, Any]:
        hooked = self.joint or self.calibrated
        return {
            "dist": self.dist.name,
            "mean": self.dist.mean,
            "std": None if hooked else self.dist.std,
            **({"cut": self.dist.cut} if isinstance(self.dist, TruncNormal) else {}),
            **{key: getattr(self, key) for key in ("mult", "lr", "wd", "eps", "train", "joint", "calibrated")},
        }
