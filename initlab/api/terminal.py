"""Whether a person watches."""

import os
import sys


def is_interactive() -> bool:
    """Return whether stderr is a terminal, outside CI."""
    return sys.stderr.isatty() and not os.environ.get("CI")
