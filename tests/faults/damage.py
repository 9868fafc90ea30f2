"""Forty ways in which a stored file is not what it was."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Damage: TypeAlias = Callable[[Path, bytes, random.Random], None]
"""Damages the file at a path, whose content is given; ``neighbour`` of it is another run's file of the same name."""

KINDS: dict[str, Damage] = {}


def kind(name: str) -> Callable[[Damage], Damage]:
    def register(damage: Damage) -> Damage:
        KINDS[name] = damage
        return damage

    return register


def _content(name: str, change: Callable[[bytes, random.Random], bytes]) -> None:
    KINDS[name] = lambda path, content, dice: _write(path, change(content, dice))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _flipped(content: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]


def _other_digit(content: bytes, dice: random.Random) -> bytes:
    at = dice.choice([at for at, byte in enumerate(content) if 48 <= byte <= 57])
    return content[:at] + str((content[at] - 47) % 10).encode() + content[at + 1 :]


def _shuffled(content: bytes, dice: random.Random) -> bytes:
    lines = _lines(content)
    return b"".join([*lines[1:], lines[0]])


def _rewritten(content: bytes, change: Callable[[object], object]) -> bytes:
    """Return the first JSON value of a file changed, as another program would write it."""
    try:
        return json.dumps(change(json.loads(content))).encode()
    except ValueError:
        lines = _lines(content)
        return b"".join([json.dumps(change(json.loads(lines[0]))).encode() + b"\n", *lines[1:]])


def _without_a_key(value: object) -> object:
    assert isinstance(value, dict)
    return dict(list(value.items())[:-2])


def _numbers_as_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: _numbers_as_text(one) for key, one in value.items()}
    return f"{value}" if isinstance(value, int | float) else value


_content("empty", lambda content, dice: b"")
_content("one byte", lambda content, dice: content[:1])
_content("cut in half", lambda content, dice: content[: len(content) // 2])
_content("cut by one byte", lambda content, dice: content[:-1])
_content("cut by two bytes", lambda content, dice: content[:-2])
_content("cut at a line end", lambda content, dice: b"".join(_lines(content)[:-1]))
_content("cut at a random byte", lambda content, dice: content[: dice.randrange(1, len(content))])
_content("a byte flipped", _flipped)
_content("another digit", _other_digit)
_content("NUL bytes", lambda content, dice: b"\0" * len(content))
_content("NUL bytes in the second half", lambda c, dice: c[: len(c) // 2] + b"\0" * (len(c) - len(c) // 2))
_content("NUL bytes at the start", lambda c, dice: b"\0" * (len(c) // 3) + c[len(c) // 3 :])
_content("not UTF-8", lambda content, dice: b"\xff\xfe" + content[2:])
_content("random bytes", lambda content, dice: dice.randbytes(len(content)))
_content("UTF-16", lambda content, dice: content.decode("utf-8", "replace").encode("utf-16"))
_content("a byte order mark", lambda content, dice: b"\xef\xbb\xbf" + content)
_content("Windows line ends", lambda content, dice: content.replace(b"\n", b"\r\n"))
_content("shuffled", _shuffled)
_content("doubled", lambda content, dice: content + content)
_content("its last line twice", lambda content, dice: content + _lines(content)[-1])
_content("its first line twice", lambda content, dice: _lines(content)[0] + content)
_content("a line missing", lambda content, dice: b"".join(_lines(content)[:1] + _lines(content)[2:]))
_content("something appended", lambda content, dice: content + b"{}\n")
_content("a space appended", lambda content, dice: content + b" ")
_content("a list", lambda content, dice: b"[1, 2, 3]\n")
_content("an empty object", lambda content, dice: b"{}\n")
_content("null", lambda content, dice: b"null\n")
_content("a number", lambda content, dice: b"17\n")
_content("a text", lambda content, dice: b'"text"\n')
_content("NaN", lambda content, dice: b'{"step": NaN}\n')
_content("a huge integer", lambda content, dice: b'{"step": ' + b"9" * 5000 + b"}\n")
_content("deeply nested", lambda content, dice: b"[" * 100_000 + b"]" * 100_000)
_content("deeply nested objects", lambda content, dice: b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
_content("numbers as texts", lambda content, dice: _rewritten(content, _numbers_as_text))
_content("keys missing", lambda content, dice: _rewritten(content, _without_a_key))
_content("a newer version", lambda content, dice: content.replace(b'"schema_version": 1', b'"schema_version": 99'))


@kind("gone")
def _gone(path: Path, content: bytes, dice: random.Random) -> None:
    path.unlink()


@kind("a folder")
def _folder(path: Path, content: bytes, dice: random.Random) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


@kind("a link that leaves the folder")
def _link(path: Path, content: bytes, dice: random.Random) -> None:
    outside = path.parents[3] / f"outside-{path.name}"
    outside.write_bytes(content)
    path.unlink()
    path.symlink_to(outside)


@kind("a link to nothing")
def _dangling(path: Path, content: bytes, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nothing")


@kind("a fifo")
def _fifo(path: Path, content: bytes, dice: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


@kind("another file of its name")
def _foreign(path: Path, content: bytes, dice: random.Random) -> None:
    others = [other for other in sorted(path.parent.parent.glob(f"*/{path.name}")) if other != path]
    others += [other for other in sorted(path.parents[1].rglob("*.json")) if other != path]
    shutil.copyfile(others[0], path)
