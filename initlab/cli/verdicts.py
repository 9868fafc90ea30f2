"""How verdicts look on a terminal."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from initlab.api.judging import Verdict

COLOURS = {"pass": "green", "SUPPORTED": "green", "fail": "red", "REFUTED": "red", "error": "red"}


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print each verdict with what it is about, its statement and its numbers."""
    for verdict in verdicts:
        about = f" · {verdict.about}" if verdict.about else ""
        console.print(f"{_word(verdict)} [bold]{escape(verdict.id)}[/]{escape(about)}", soft_wrap=True)
        console.print(f"             {verdict.text}\n             {verdict.reason}", soft_wrap=True, markup=False)


def print_statements(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print a line a verdict, without its numbers."""
    for verdict in verdicts:
        console.print(f"{_word(verdict)} {escape(verdict.text)}", soft_wrap=True)


def counted(verdicts: Sequence[Verdict]) -> str:
    """Return ``3 SUPPORTED, 1 REFUTED``."""
    return ", ".join(f"{n} {word}" for word, n in Counter(verdict.verdict for verdict in verdicts).items())


def _word(verdict: Verdict) -> str:
    return f"[{COLOURS.get(verdict.verdict, 'yellow')}]{verdict.verdict:<12}[/]"
