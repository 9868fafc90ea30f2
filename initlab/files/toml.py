"""TOML files that people write: read, checked against a pydantic model, every mistake with its line.

Knows nothing of what the files are about.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from initlab.errors import InitlabError, did_you_mean
from initlab.files.escaping import LONGEST_SHOWN, brief, one_line
from initlab.files.limits import DOCUMENT_BYTES
from initlab.files.untrusted import read_untrusted

M = TypeVar("M", bound=BaseModel)

DEEPEST = 32
"""Tables and lists inside each other; what people write has four."""

MOST_MISTAKES = 20
"""Of one file that are told at once; to find the line of each, all of the file is read."""

LARGEST_INTEGER = 2**64
"""TOML's own whole numbers have 64 bits."""


Location: TypeAlias = tuple[str | int, ...]
"""Where a key stands, as pydantic gives it: names, and numbers of elements of lists."""


@dataclass(frozen=True)
class TomlFile:
    """A file as read: its text, for the lines of its keys, and what it says."""

    path: Path
    text: str
    document: dict[str, Any]

    def where(self, location: Location) -> str:
        """Return ``file, line N: key.path`` of a key."""
        line = location_line(self.text, location)
        place = f"{self.path}, line {line}" if line else str(self.path)
        key = ".".join(one_line(str(part)[:LONGEST_SHOWN]) for part in location)
        return f"{place}: {key}" if location else place

    def parse(self, model: type[M]) -> M:
        """Return the document as ``model``; raises InitlabError naming every wrong key, its line, what is legal."""
        try:
            return model.model_validate(self.document)
        except ValidationError as error:
            raise InitlabError(explain(error, model, self.where)) from error


def explain(error: ValidationError, model: type[BaseModel], where: Callable[[Location], str]) -> str:
    """Return every mistake that pydantic found in values for ``model``, one a line.

    Each is named by ``where`` it stands, with what was expected and the nearest legal spelling. A check of several
    fields together stands at the one that its message begins with.
    """
    problems = error.errors()
    more = [f"and {len(problems) - MOST_MISTAKES:,} mistakes more"] if len(problems) > MOST_MISTAKES else []
    return "\n".join([*(_explained(problem, model, where) for problem in problems[:MOST_MISTAKES]), *more])


def _explained(problem: Any, model: type[BaseModel], where: Callable[[Location], str]) -> str:
    location, message, value = problem["loc"], problem["msg"].removeprefix("Value error, "), problem["input"]
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{where(location)}: unknown key{did_you_mean(str(location[-1]), fields_at(model, location[:-1]))}"
    if kind == "missing":
        return f"{where(location[:-1])}: {location[-1]!r} is missing"
    if kind == "literal_error":
        legal = re.findall(r"'([^']*)'", message)
        return f"{where(location)}: unknown choice {brief(value)}{did_you_mean(brief(value), legal)}"
    if kind == "value_error":
        first = message.split(maxsplit=1)[:1]
        named = first if first and first[0] in fields_at(model, location) else []
        return f"{where((*location, *named))}: {message[0].lower() + message[1:]}"
    expected = EXPECTED.get(kind)
    said = f"expected {expected.format(**context)}" if expected else message[0].lower() + message[1:]
    return f"{where(location)}: {said}, got {brief(value)}"


EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "finite_number": "a finite number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number from {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number up to {le}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}
"""What pydantic's kinds of mistakes would have had instead; others are said in its own words."""


def read_toml(path: Path, what: str, *, below: Path | None = None) -> TomlFile:
    """Read a TOML file; raises InitlabError naming the file, where there is none or it is not TOML.

    ``what`` says what kind of file was looked for: ``"spec file"``. A file that was found in the folder ``below``,
    and not named itself, may be no link that leaves the folder.
    """
    try:
        text = read_untrusted(path, what, DOCUMENT_BYTES, below=below).decode("utf-8")
    except FileNotFoundError as error:
        raise InitlabError(f"{path}: no such {what}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InitlabError(f"{path}: cannot be read as text ({error})") from error
    file = TomlFile(path, text.replace("\r\n", "\n"), parse_toml(text, str(path)))
    _check_values(file)
    return file


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return what a TOML text says; raises InitlabError, naming ``where`` it stands, for a text that is none.

    Tables and lists that lie deeper in each other than ``DEEPEST``, and numbers of thousands of digits, are none.
    """
    if _MANY_DOTS.search(text):
        raise InitlabError(f"{where}: a key of more than {DEEPEST} parts; what initlab reads has at most four")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InitlabError(f"{where}: not TOML: {error}") from error
    except RecursionError as error:
        raise InitlabError(
            f"{where}: not TOML that can be read: its lists or tables are nested too deeply"
        ) from error
    except ValueError as error:  # Python refuses to read numbers of thousands of digits
        raise InitlabError(f"{where}: not TOML that can be read: {error}") from error
    if any(len(location) > DEEPEST for location, _ in _values(document)):
        raise InitlabError(f"{where}: its tables and lists are nested more than {DEEPEST} deep")
    return document


_MANY_DOTS = re.compile(r"(?:(?:(?<![\w-])[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){33}")
"""A key of so many parts that tomllib's time, which grows with the square of their number, would be felt."""


def _check_values(file: TomlFile) -> None:
    """Raise InitlabError for a number that no field of any file has: NaN, infinite, or of more than 64 bits."""
    for location, value in _values(file.document):
        if isinstance(value, float) and not math.isfinite(value):
            raise InitlabError(f"{file.where(location)}: expected a finite number, got {value}")
        if isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
            raise InitlabError(f"{file.where(location)}: {brief(value)} is no number of 64 bits")


def _values(document: dict[str, Any]) -> Iterator[tuple[Location, Any]]:
    """Yield every value with its location, without recursion; below ``DEEPEST`` only that there is more."""
    waiting: list[tuple[Location, Any]] = [((), document)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, dict | list) and len(location) <= DEEPEST:
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [((*location, key), part) for key, part in parts]
        else:
            yield location, value


def fields_at(model: type[BaseModel], location: Location) -> set[str]:
    """Return the keys that are legal in the table at ``location``."""
    table: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or table is None:
            continue
        field = table.model_fields.get(part)
        table = _model_in(field.annotation) if field else None
    return set(table.model_fields) if table else set()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside ``list[Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def location_line(text: str, location: Location) -> int | None:
    """Return the line (from 1) of the deepest part of ``location`` that stands in the text, None of nothing.

    A number after a name is a place in an array of tables: ``("gate", 2, "metric")`` is ``metric`` under the third
    ``[[gate]]``.
    """
    best: tuple[int, int] | None = None
    header: Location = ()
    counts: dict[str, int] = {}
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole[:LONGEST_LINE]
        if match := _HEADER.match(line):
            key = header = _numbered(_parts(match[2]), match[1] == "[[", counts)
        elif match := _KEY.match(line):
            key = (*header, *_parts(match[1]))
        else:
            continue
        if location[: len(key)] == key and (best is None or len(key) > best[0]):
            best = (len(key), number)
    return best[1] if best else None


LONGEST_LINE = 1_000
"""Characters of a line in which its key is looked for."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


def _parts(key: str) -> tuple[str, ...]:
    """Split a dotted key; a quoted part counts whole."""
    return tuple(part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", key))


def _numbered(names: tuple[str, ...], is_array: bool, counts: dict[str, int]) -> Location:
    """Return a header's location, with the number of the array element it opens or stands in."""
    location: Location = ()
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
