"""Where things are kept that can be had again: downloads, and what a machine was measured to do."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return initlab's folder in the user's cache: $XDG_CACHE_HOME/initlab, by default ~/.cache/initlab.

    Whether it exists, or can be made, is for who writes into it to find out. Raises FileNotFoundError where neither
    the environment nor the system knows a home: nothing is kept then.
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(cache) if cache else Path.home() / ".cache") / "initlab"
    except RuntimeError as error:
        raise FileNotFoundError(2, "no home folder is known; XDG_CACHE_HOME names another", "~") from error
