"""TOML files that people write: read, checked against a pydantic model, every mistake with its line.

Knows nothing of what the files are about.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from initlab.errors import InitlabError, did_you_mean

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class TomlFile:
    """A file as read: its text, for the lines of its keys, and what it says."""

    path: Path
    text: str
    document: dict[str, Any]

    def where(self, location: Iterable[str | int]) -> str:
        """Return ``file, line N: key.path`` of a key, given as pydantic gives it: names, and numbers in lists."""
        location = tuple(location)
        line = location_line(self.text, location)
        place = f"{self.path}, line {line}" if line else str(self.path)
        return f"{place}: {'.'.join(str(part) for part in location)}" if location else place

    def parse(self, model: type[M]) -> M:
        """Return the document as ``model``; raises InitlabError naming every wrong key, its line, what is legal."""
        try:
            return model.model_validate(self.document)
        except ValidationError as error:
            raise InitlabError("\n".join(self._explain(problem, model) for problem in error.errors())) from error

    def _explain(self, problem: Any, model: type[BaseModel]) -> str:
        location, message = problem["loc"], problem["msg"].removeprefix("Value error, ")
        where = self.where(location)
        if problem["type"] == "extra_forbidden":
            return f"{where}: unknown key{did_you_mean(str(location[-1]), fields_at(model, location[:-1]))}"
        if problem["type"] == "missing":
            return f"{self.where(location[:-1])}: {location[-1]!r} is missing"
        if problem["type"] == "literal_error":
            options = re.findall(r"'([^']*)'", message)
            return f"{where}: {problem['input']!r} is not one of them{did_you_mean(str(problem['input']), options)}"
        message = message[0].lower() + message[1:]
        return f"{where}: {message}" + ("" if problem["type"] == "value_error" else f", got {problem['input']!r}")


def read_toml(path: Path, what: str) -> TomlFile:
    """Read a TOML file; raises InitlabError naming the file, where there is none or it is not TOML.

    ``what`` says what kind of file was looked for: ``"spec file"``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InitlabError(f"{path}: no such {what}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InitlabError(f"{path}: cannot be read as text ({error})") from error
    try:
        return TomlFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InitlabError(f"{path}: not TOML: {error}") from error


def fields_at(model: type[BaseModel], location: Iterable[str | int]) -> set[str]:
    """Return the keys that are legal in the table at ``location``."""
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or here is None:
            continue
        field = here.model_fields.get(part)
        here = _model_in(field.annotation) if field else None
    return set(here.model_fields) if here else set()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside ``list[Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def location_line(text: str, location: tuple[str | int, ...]) -> int | None:
    """Return the line (from 1) of the deepest part of ``location`` that can be found, None of nothing.

    A number after a name is a place in an array of tables: ``("gate", 2, "metric")`` is ``metric`` under the third
    ``[[gate]]``.
    """
    best: tuple[int, int] | None = None
    header: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _HEADER.match(line):
            header = _numbered(_parts(found[2]), found[1] == "[[", counts)
            here = header
        elif found := _KEY.match(line):
            here = (*header, *_parts(found[1]))
        else:
            continue
        if location[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


def _parts(key: str) -> tuple[str, ...]:
    """Split a dotted key; a quoted part counts whole."""
    return tuple(part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", key))


def _numbered(names: tuple[str, ...], is_array: bool, counts: dict[str, int]) -> tuple[str | int, ...]:
    """Return a header's location, with the number of the array element it opens or stands in."""
    location: tuple[str | int, ...] = ()
    for depth in range(1, len(names) + 1):
        name = ".".join(names[:depth])
        location += (names[depth - 1],)
        if is_array and depth == len(names):
            counts[name] = counts.get(name, -1) + 1
            for inner in [key for key in counts if key.startswith(f"{name}.")]:
                del counts[inner]
        if name in counts:
            location += (counts[name],)
    return location
