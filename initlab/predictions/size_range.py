"""A range of model sizes to predict over, and the law that growth follows from one to the next."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import brief
from initlab.spec.fields import FIELDS, SIZES
from initlab.spec.run import ModelSpec, with_sizes
from initlab.theory.growth import Growth, fit

POINTS = 12
"""Sizes that a range ``2..96`` is looked at, its ends among them."""


@dataclass(frozen=True)
class SizeRange:
    """A size of the model and the values it takes, in order."""

    field: str
    values: tuple[float, ...]

    def model(self, base: ModelSpec, value: float) -> ModelSpec:
        """Return the model at one value; raises InitlabError where there is none."""
        return with_sizes(base, {self.field: value}, f"--over {self.field}")


def parse_size_range(text: str, base: ModelSpec) -> SizeRange:
    """Return the sizes that ``n_layer=2..96`` or ``n_layer=2,4,8`` names; raises InitlabError of anything else.

    A range is walked in even steps of the logarithm, rounded to whole sizes that ``base``'s heads divide.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not values:
        raise InitlabError(f"--over {text}: expected SIZE=FIRST..LAST or SIZE=A,B,C")
    if name not in SIZES:
        raise InitlabError(f"--over {text}: no size {name!r}{did_you_mean(name, SIZES)}")
    ends = re.fullmatch(r"([0-9]{1,12})\.\.([0-9]{1,12})", values)
    if ends:
        first, last = (int(end) for end in ends.groups())
        return SizeRange(name, _range(first, last, base.n_head if name == "n_embd" else 1, text))
    try:
        number = float if FIELDS[f"model.{name}"].kind == "number" else int
        several = {number(value) for value in values.split(",")}
    except ValueError as error:
        raise InitlabError(f"--over {text}: {brief(values)} are no sizes; expected 2..96 or 2,4,8") from error
    if not all(map(math.isfinite, several)):
        raise InitlabError(f"--over {text}: {brief(values)} are not all finite")
    return SizeRange(name, tuple(sorted(several)))


def law_over(sizes: SizeRange, values: Sequence[float]) -> Growth | None:
    """Return the law that one value a size follows; None of fewer than three, or of any not positive and finite."""
    if len(values) < 3 or not all(math.isfinite(value) and value > 0 for value in values):
        return None
    return fit(values, sizes.values)


def _range(first: int, last: int, step: int, text: str) -> tuple[int, ...]:
    low, high = math.ceil(max(first, 1) / step) * step, last // step * step
    if not 0 < first < last or low > high:
        raise InitlabError(f"--over {text}: expected a rising range of multiples of {step}")
    even = (low * (high / low) ** (index / (POINTS - 1)) for index in range(POINTS))
    return tuple(sorted({round(value / step) * step for value in even} | {low, high}))
