"""How verdicts look on a terminal."""

import io

from rich.console import Console

from initlab.cli.verdicts import counted, print_statements, print_verdicts
from initlab.verdicts.verdict import Verdict

VERDICTS = [
    Verdict("a", "it grows [x]", "SUPPORTED", "×2 [1.5, 3]", about="gpt2"),
    Verdict("b", "it falls", "REFUTED", "it does not"),
    Verdict("c", "it stays", "REFUTED", "nor that"),
]


def test_counts_and_texts_are_as_they_are() -> None:
    assert counted(VERDICTS) == "1 SUPPORTED, 2 REFUTED"
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    print_verdicts(console, VERDICTS)
    print_statements(console, VERDICTS)
    text = stream.getvalue()
    assert "it grows [x]" in text
    assert "×2 [1.5, 3]" in text
    assert text.count("REFUTED") == 4
