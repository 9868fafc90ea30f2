"""Real text that is always there: the running interpreter's own standard library, as bytes.

It differs between Python versions, and the corpus's hash says so.
"""

import sysconfig
from pathlib import Path

from initlab.data.text import Piece
from initlab.errors import InitlabError


def stdlib_pieces(folder: Path | None = None) -> list[Piece]:
    """Read the top-level modules of the standard library, sorted by name."""
    folder = folder or Path(sysconfig.get_paths()["stdlib"])
    pieces = []
    for path in sorted(folder.glob("*.py")):
        try:
            pieces.append(Piece(path.name, path.read_bytes()))
        except OSError:
            continue  # a few unreadable files leave enough; none at all is the error below
    if not pieces:
        raise InitlabError(
            f"this Python keeps no readable standard-library sources in {folder}; "
            "take --corpus synthetic or a text file"
        )
    return pieces
