"""A command's process: garbage, streams that cannot hold a character, arguments that name nothing."""

import codecs
import gc

import pytest

from initlab.api.process import collect_garbage_seldom, degrade, empty_argument, plain_usage_error


def test_the_threshold_is_far_above_pythons_own() -> None:
    before = gc.get_threshold()
    try:
        collect_garbage_seldom()
        assert gc.get_threshold()[0] > 10 * 2000
    finally:
        gc.set_threshold(*before)


def test_a_likeness_stands_for_what_an_encoding_lacks() -> None:
    codecs.register_error("initlab.test", degrade)
    assert "gpt2 · ×2 ± σ…".encode("ascii", "initlab.test") == rb"gpt2 - x2 + s."
    assert "日\ud800\u2801".encode("ascii", "initlab.test") == rb"\u65e5\ud800."
    assert "\ud800·".encode("utf-8", "initlab.test") == rb"\ud800" + "·".encode()
    with pytest.raises(UnicodeDecodeError):
        degrade(UnicodeDecodeError("utf-8", b"", 0, 0, ""))


@pytest.mark.parametrize("arguments", [["sweep", "-o", ""], ["sweep", "--out="], ["status", " "], [""]])
def test_an_argument_that_names_nothing(arguments: list[str]) -> None:
    assert empty_argument(arguments) is not None


def test_arguments_that_name_something() -> None:
    assert empty_argument(["sweep", "--set", "train.lr=1", "--set=x=", "-o", ".", "-"]) is None


def test_a_message_about_flags_repeats_nothing_that_acts() -> None:
    error = RuntimeError()
    error.message = "no option --\x1b[2J"  # type: ignore[attr-defined]
    plain_usage_error(error)
    assert error.message == "no option --\\x1b[2J"  # type: ignore[attr-defined]
    plain_usage_error(RuntimeError("without one"))
