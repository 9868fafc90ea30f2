"""What GitHub Actions shows of verdicts: a step summary, annotations and outputs, within its limits.

The summary of a step may have 1 MiB, and one that is longer is dropped whole; of each kind of annotation a step shows
ten. Outside Actions nothing here is called.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from initlab.files.escaping import markdown, visible
from initlab.files.untrusted import check_output
from initlab.verdicts.verdict import Verdict

SUMMARY_BYTES = 900_000
"""What a summary may come to with what the step has already written: below the 1 MiB that loses all of it."""

ANNOTATIONS = 9
"""Annotations of a kind, leaving the tenth for how many more there are."""

ORDER = ("error", "fail", "REFUTED", "inconclusive", "UNDECIDED", "SUPPORTED", "pass")
MARKS = {"error": "💥", "fail": "❌", "REFUTED": "❌", "inconclusive": "❔", "UNDECIDED": "❔"}
KINDS = {"error": "error", "fail": "error", "inconclusive": "warning"}


def publish(verdicts: list[Verdict], title: str, outputs: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """Append to the files that ``env`` names, and return the annotation lines to print; nothing outside Actions."""
    if env.get("GITHUB_ACTIONS") != "true":
        return []
    if name := env.get("GITHUB_STEP_SUMMARY"):
        path = Path(name)
        there = path.stat().st_size if path.exists() else 0
        _append(path, summary(verdicts, title, SUMMARY_BYTES - there))
    if name := env.get("GITHUB_OUTPUT"):
        _append(Path(name), "".join(f"{key}={_one_line(value)}\n" for key, value in outputs.items()))
    return annotations(verdicts)


def summary(verdicts: list[Verdict], title: str, limit: int = SUMMARY_BYTES) -> str:
    """Return Markdown of at most ``limit`` bytes, the worst first; says how many rows did not fit."""
    count = Counter(verdict.verdict for verdict in verdicts)
    counted = ", ".join(f"{count[word]} {word}" for word in ORDER if count[word])
    head = f"### {_cell(title)}\n\n{counted or 'nothing to check'}\n\n"
    head += "| | check | where | value | 95% interval | limit | n | reason |\n|---|---|---|---|---|---|---|---|\n"
    reserve = 200
    parts, size = [head], len(head.encode())
    ranked = sorted(verdicts, key=_rank)
    for number, verdict in enumerate(ranked):
        row = _row(verdict)
        size += len(row.encode())
        if size > limit - reserve:
            parts.append(f"\n{len(ranked) - number} more checks did not fit; all are in the JSON and JUnit output.\n")
            break
        parts.append(row)
    text = "".join(parts)
    return text if len(text.encode()) <= limit else ""


def annotations(verdicts: list[Verdict]) -> list[str]:
    """Return workflow commands for what is not green, at most ten of a kind."""
    lines = []
    for kind in ("error", "warning"):
        found = [verdict for verdict in sorted(verdicts, key=_rank) if KINDS.get(verdict.verdict) == kind]
        lines += [_annotation(kind, f"{v.id}: {v.about}" if v.about else v.id, v.reason) for v in found[:ANNOTATIONS]]
        if len(found) > ANNOTATIONS:
            lines.append(_annotation(kind, "initlab gate", f"and {len(found) - ANNOTATIONS} more"))
    return lines


def escape_data(text: str) -> str:
    """Escape the message of a workflow command."""
    return visible(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def escape_property(text: str) -> str:
    """Escape a property of a workflow command, where colons and commas mean something too."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _annotation(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={escape_property(title)}::{escape_data(message)}"


def _row(verdict: Verdict) -> str:
    value = verdict.value if isinstance(verdict.value, str) else _number(verdict.value)
    interval = verdict.ci.describe(_number, " to ") if verdict.ci else ""
    limit = verdict.limit
    bounds = " to ".join(_number(one) for one in limit) if isinstance(limit, list) else _number(limit)
    mark = MARKS.get(verdict.verdict, "✅")
    cells = (f"{mark} {verdict.verdict}", verdict.id, verdict.about, value, interval, bounds, str(verdict.n))
    return "| " + " | ".join(_cell(text) for text in (*cells, verdict.reason)) + " |\n"


def _number(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _rank(verdict: Verdict) -> int:
    return ORDER.index(verdict.verdict) if verdict.verdict in ORDER else len(ORDER)


def _cell(text: str) -> str:
    """A table's cell is one line; a bar would end it, and names and reasons are other people's text."""
    return markdown(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _append(path: Path, text: str) -> None:
    check_output(path, "GitHub's summary")  # whoever opens a fifo waits for its reader
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
