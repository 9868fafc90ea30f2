"""The JSON documents of a sweep's folder, each with a checksum of its own: what is read is what was written.

A document that is absent, one that the disk does not give and one that is not what was stored are three things: the
first is None, the second ``Unreadable`` and left alone, the third ``Damaged`` and put into quarantine by a sweep.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from initlab.errors import InitlabError
from initlab.files.atomic import write_bytes
from initlab.files.below import WRONG_KIND, Folder
from initlab.files.json import SCHEMA_VERSION, finite
from initlab.files.system_errors import explain_os_error

Check = Callable[[dict[str, Any]], None]
"""Raises ValueError, KeyError or TypeError for a document that is not what it should be."""

CHECKSUM = "sha256"
_BEFORE, _AFTER = f',\n "{CHECKSUM}": "'.encode(), b'"\n}\n'


class Unreadable(InitlabError):
    """The system did not give what may be there: it is named, and neither missing nor touched."""


class Damaged(InitlabError):
    """What is there is not what was stored."""


def write_document(path: Path, document: dict[str, Any], *, durable: bool = True) -> bytes:
    """Replace ``path`` by a document with its ``schema_version`` in front and its checksum at its end; return it.

    Raises TypeError for what JSON cannot hold, OSError for a folder that cannot be written to.
    """
    whole = finite({"schema_version": SCHEMA_VERSION, **document})
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False).removesuffix("\n}").encode("utf-8")
    content = text + _BEFORE + hashlib.sha256(text).hexdigest().encode() + _AFTER
    write_bytes(path, content, durable=durable)
    return content


def read_document(
    folder: Folder, name: str, check: Check | None = None, *, checked: bool = False
) -> dict[str, Any] | None:
    """Return a document without its checksum, None where there is none; one of an earlier version has no checksum.

    ``checked`` says that it must have one. Raises Damaged, Unreadable, and InitlabError for a document written by a
    newer initlab.
    """
    content = read_content(folder, name)
    if content is not None and checked and not has_checksum(content):
        parse_document(content, folder.path / name, check)  # which may have more to say
        raise Damaged(f"{folder.path / name} is damaged: its checksum is gone")
    return None if content is None else parse_document(content, folder.path / name, check)


def has_checksum(content: bytes) -> bool:
    """Whether a document ends as this version writes them."""
    return content.endswith(_AFTER) and content[: -len(_AFTER) - 64].endswith(_BEFORE)


def read_content(folder: Folder, name: str) -> bytes | None:
    """Return a file's bytes, None where there is none; raises Damaged and Unreadable."""
    try:
        return folder.read(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise_for(error, folder.path / name)


def raise_for(error: OSError, path: Path) -> NoReturn:
    """Raise Damaged for what is no plain file or folder, Unreadable for everything else that the system says."""
    if error.errno in WRONG_KIND:
        raise Damaged(f"{path} is a link, or no plain file or folder") from error
    raise Unreadable(f"{path} cannot be read: {explain_os_error(error)}") from error


def parse_document(content: bytes, path: Path, check: Check | None = None) -> dict[str, Any]:
    """Return the document that a file holds; raises as ``read_document``."""
    document = parse_json(content, path)
    if not isinstance(document, dict):
        raise Damaged(f"{path} is damaged: not a JSON object")
    version = document.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int:
        raise Damaged(f"{path} is damaged: schema_version is {version!r:.40}")
    if version > SCHEMA_VERSION:
        raise InitlabError(
            f"{path} has schema_version {version}, this initlab reads up to {SCHEMA_VERSION}: upgrade initlab"
        )
    if check is not None:
        try:
            check(document)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise Damaged(f"{path} is damaged: {_said(error)}") from error
    stored = document.pop(CHECKSUM, None)
    text, found, rest = content.rpartition(_BEFORE)
    if stored is not None and (not found or rest != hashlib.sha256(text).hexdigest().encode() + _AFTER):
        raise Damaged(f"{path} is damaged: it is not what was stored, by its checksum")
    return document


def parse_json(content: bytes, path: Path) -> Any:
    """Return any JSON value; raises Damaged for what is none, or nested too deeply to be read."""
    if not content:
        raise Damaged(f"{path} is damaged: it is empty")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path} is damaged: not JSON ({_said(error)})") from error


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _said(error: BaseException) -> str:
    text = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
    return (text or type(error).__name__).splitlines()[0][:200]
