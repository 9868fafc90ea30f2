"""Reading and writing the files of the results tree so that a crash at any moment leaves them readable."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.files.atomic import write_text

SCHEMA_VERSION = 1
"""Version of every stored document and part of every run's identity: raise it when the numbers of an unchanged
spec change."""


def canonical_json(content: Any) -> str:
    """Return JSON with sorted keys and no spaces; floats by repr, so equal content has equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def content_hash(content: Any, digits: int = 12) -> str:
    """Return the first hex digits of the sha256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:digits]


def finite(value: Any) -> Any:
    """Return ``value`` with NaN and infinities as None, which is how JSON says them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_json(path: Path, document: dict[str, Any], *, durable: bool = True) -> None:
    """Replace ``path`` atomically by ``document``, with its ``schema_version`` in front; see ``files.atomic``.

    Raises TypeError for what JSON cannot hold, OSError for a folder that cannot be written to.
    """
    document = {"schema_version": SCHEMA_VERSION, **document}
    text = json.dumps(finite(document), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n", durable=durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the document, or None where there is none or it cannot be read as one.

    Raises InitlabError for a document written by a newer initlab.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    version = document.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InitlabError(
            f"{path} has schema_version {version}, this initlab reads up to {SCHEMA_VERSION}: upgrade initlab"
        )
    return document


def json_line(row: dict[str, Any]) -> str:
    return json.dumps(finite(row), separators=(",", ":"), allow_nan=False, ensure_ascii=False) + "\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file; a torn last line, which a killed writer leaves, is dropped."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise InitlabError(
                f"{path}, line {number}: not JSON ({error}); the file was edited or damaged"
            ) from error
    return rows
