"""What is left of an error that nobody foresaw: its traceback, in a file that the one line about it names."""

import os
import platform
import re
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from initlab.files.cache import cache_folder

EXIT_UNEXPECTED = 70
"""EX_SOFTWARE of sysexits.h. No other end of a command has it: 1 means a red gate."""


LONGEST_MESSAGE, LONGEST_WORD = 4_000, 400
"""Characters of what is said of a mistake, and of one word in it."""


def shortened(message: str) -> str:
    """Return a message without what a wrong value made longer than anybody reads."""
    message = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][: LONGEST_WORD // 2]}...", message)
    rest = len(message) - LONGEST_MESSAGE
    return message if rest <= 0 else f"{message[:LONGEST_MESSAGE]}... ({rest:,} characters more)"


def log_failure(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """Write an error's traceback and the command to a new file, and return where it is; None where none can be made.

    Environment variables are left out: they may hold secrets.
    """
    text = "\n".join(
        [
            f"initlab {metadata.version('initlab')}, Python {platform.python_version()}, {platform.platform()}",
            f"arguments: {list(arguments)!r}",
            "".join(traceback.format_exception(error)),
        ]
    )
    for place in (_failures, lambda: Path(tempfile.gettempdir())):
        try:
            folder = place()
            folder.mkdir(parents=True, exist_ok=True)
            prefix = time.strftime("initlab-%Y%m%d-%H%M%S-")
            descriptor, name = tempfile.mkstemp(".log", prefix, folder)  # a name nobody can have prepared as a link
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return Path(name)
        except OSError:
            continue
    return None


def _failures() -> Path:
    return cache_folder() / "failures"


def describe_failure(error: BaseException, log: Path | None) -> str:
    """Return the one line about an error that nobody foresaw."""
    what = "out of memory" if isinstance(error, MemoryError) else f"unexpected {type(error).__name__}: {error}"
    first = (what.splitlines() or [""])[0][:300]
    where = f"the traceback is in {log}" if log else "its traceback could be written nowhere"
    return f"{first}; {where}; a bug of initlab: please report it with that file"
