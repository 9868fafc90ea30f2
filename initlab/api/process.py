"""Settings of a process that runs one command and ends."""

import codecs
import contextlib
import gc
import os
import sys
from collections.abc import Iterator, Sequence

from initlab.files.escaping import visible
from initlab.machine.environment import ALLOCATIONS_PER_COLLECTION

ASCII = str.maketrans(
    {
        **dict(zip("·×±–—→←≤≥≈…✓√•∞∝²μσ", "-x+--><<>~.vr*o~2us", strict=True)),
        **dict(zip("┤│└┴┬┼─█▏", "||++++-#|", strict=True)),
        **{chr(braille): "." for braille in range(0x2801, 0x2900)},
        **{chr(quote): "'" for quote in (0x2018, 0x2019)},
        **{chr(quote): '"' for quote in (0x201C, 0x201D)},
    }
)
"""What stands for the characters that initlab itself writes, each as wide as they are, where there is ASCII only."""


def prepare() -> None:
    """Make of this process one that a command may run in."""
    open_streams()
    collect_garbage_seldom()
    degrade_streams()
    tidy_environment()


def collect_garbage_seldom() -> None:
    """Look for garbage less often than Python does: a command ends before most of it would matter."""
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)


EXIT_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
"""Of a terminal, as libraries read them: what is no number ends a process, and a billion characters fill memory."""

LARGEST_TERMINAL = 10_000
"""Characters a line, or lines."""

SETTINGS_OF_OTHERS = ("MPLBACKEND", "MATPLOTLIBRC")
"""Settings of matplotlib, which would be read before ours; figures are drawn by ours alone."""


def tidy_environment() -> None:
    """Take out of this process's environment what would end a library, and what would let others set up figures."""
    for name in SIZES:
        text = os.environ.get(name, "")
        if not (text.isascii() and text.isdigit() and len(text) < 7 and 0 < int(text) <= LARGEST_TERMINAL):
            os.environ.pop(name, None)
    for name in SETTINGS_OF_OTHERS:
        os.environ.pop(name, None)
    if os.path.lexists("matplotlibrc"):  # matplotlib reads it, whatever it is, from the folder that it is imported in
        with contextlib.chdir(os.sep):
            import matplotlib  # noqa: F401


def open_streams() -> None:
    """Open the streams that a shell closed (``>&-``): a file of ours would get the number, and what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123


def degrade(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what an encoding lacks: a likeness, else the character's number. An error handler of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    likeness = part.translate(ASCII)
    return likeness.encode("ascii", "backslashreplace").decode(), error.end


def degrade_streams() -> None:
    """Have stdout and stderr show a likeness of what their encoding lacks, instead of failing."""
    codecs.register_error("initlab.degrade", degrade)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what a test or a notebook puts in their place may have no encoding
            stream.reconfigure(errors="initlab.degrade")


def plain_usage_error(error: Exception) -> None:
    """Write out what would act on a terminal in a message about flags, which repeats what was typed."""
    message = getattr(error, "message", None)
    if isinstance(message, str):
        error.message = visible(message)  # type: ignore[attr-defined]


@contextlib.contextmanager
def plain_usage_errors() -> Iterator[None]:
    """Write out what would act on a terminal in a message about a flag, and end an interrupt as one, not with 1."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None
    except Exception as error:
        plain_usage_error(error)
        raise


def empty_argument(arguments: Sequence[str]) -> str | None:
    """Return what to say of an argument that names nothing, None where each says something.

    A variable of a shell that is not set leaves one; as a path it would mean the folder that one is in.
    """
    for number, argument in enumerate(arguments):
        if not argument.strip():
            before = arguments[number - 1] if number else ""
            return f"an empty argument{f' after {before}' if before else ''}: is a variable of your shell not set?"
        if argument.startswith("--") and argument.endswith("=") and argument.count("=") == 1:
            return f"{argument} is given nothing: is a variable of your shell not set?"
    return None
