"""Whether a person watches: a terminal, and no CI."""

import io
import sys

import pytest

from initlab.api.terminal import is_interactive


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert is_interactive()
    monkeypatch.setenv("CI", "true")
    assert not is_interactive()
    monkeypatch.delenv("CI")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not is_interactive()
