"""What claims and gates answer, in the form in which it is printed, stored and published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from initlab.files.json import SCHEMA_VERSION, finite
from initlab.stats.summaries import Interval, Sides

NOT_MEASURED = ("law", "default", "drift")
"""What a verdict names as its metric where it looked at code and fields: its ``n`` counts no seeds."""


@dataclass(frozen=True)
class Verdict:
    """``verdict`` is pass, fail, inconclusive or error for a gate; SUPPORTED, REFUTED or UNDECIDED for a claim.

    ``about`` names the cell or slots; ``value``, ``ci`` and ``limit`` are in the metric's unit, ``n`` counts seeds
    (or what else was looked at). ``complete`` is False where runs are missing or failed. ``sides`` says whether
    ``ci`` has both ends; one that is missing is infinite here and null in JSON, and there is no ``value`` then.
    """

    id: str
    text: str
    verdict: str
    reason: str
    about: str = ""
    metric: str = ""
    value: float | str | None = None
    limit: Any = None
    ci: Interval | None = None
    n: int = 0
    complete: bool = True
    sides: Sides | None = None
    parts: tuple["Verdict", ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        document = {
            "id": self.id,
            "text": self.text,
            "verdict": self.verdict,
            "value": self.value,
            "limit": self.limit,
            "ci": list(self.ci) if self.ci else None,
            "sides": self.sides,
            "n": self.n,
            "reason": self.reason,
            "about": self.about,
            "metric": self.metric,
        }
        if self.parts:
            document["parts"] = [part.to_json() for part in self.parts]
        plain: dict[str, Any] = finite(document)
        return plain


def fewest_seeds(verdicts: Iterable[Verdict]) -> int | None:
    """Return the fewest seeds that a verdict on measured numbers rests on; None where none was measured."""
    measured = [one for verdict in verdicts for one in verdict.parts or (verdict,)]
    return min((one.n for one in measured if one.n and one.metric not in NOT_MEASURED), default=None)


def document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the public JSON document."""
    return {"schema_version": SCHEMA_VERSION, "verdicts": [verdict.to_json() for verdict in verdicts]}
