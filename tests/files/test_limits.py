"""How much may be read or asked for, and how that is raised."""

import pytest

from initlab.errors import InitlabError
from initlab.files.limits import RUNS, Limit

FEW = Limit("MAX_THINGS", 3, "things")


def test_what_is_within_the_limit_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    FEW.check(3, "here")
    monkeypatch.setenv("INITLAB_MAX_THINGS", "4")
    FEW.check(4, "here")
    assert FEW.of(9).most == 9


def test_what_is_beyond_it_is_told_how_to_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InitlabError, match=r"^here: 4 things are more than the 3 that are allowed; INITLAB_"):
        FEW.check(4, "here")
    with pytest.raises(InitlabError, match=r"10\^15 and more things"):
        FEW.check(10**30, "here")
    monkeypatch.setenv("INITLAB_MAX_THINGS", "2")
    with pytest.raises(InitlabError, match="the 2 that are allowed"):
        FEW.check(3, "here")


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e3", "²", "9" * 30])
def test_a_variable_that_is_no_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNS.variable, text)
    with pytest.raises(InitlabError, match=r"INITLAB_MAX_RUNS=.*expected a whole number from 1"):
        RUNS.check(1, "sweep")
