"""Mistakes in TOML files are named with their line and the nearest right thing."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from initlab.errors import InitlabError
from initlab.files.toml import TomlFile, fields_at, location_line, read_toml

TEXT = """\
title = "x"
[[gate]]
id = "a"
"dotted.key" = 1

[[gate]]
id = "b"
[gate.where]
init = "gpt2"
[[gate]]
where = { init = "x" }
kind = "bad"
"""


class Where(BaseModel):
    model_config = ConfigDict(extra="forbid")
    init: str = ""


class Gate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    where: Where | None = None
    kind: Literal["good", "better"] = "good"


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    gate: list[Gate] = []


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("title",), 1),
        (("gate", 0, "id"), 3),
        (("gate", 0, "dotted.key"), 4),
        (("gate", 1, "id"), 7),
        (("gate", 1, "where", "init"), 9),
        (("gate", 1, "absent"), 6),
        (("gate", 2, "where", "init"), 11),
        (("absent",), None),
    ],
)
def test_lines(location: tuple[str | int, ...], line: int | None) -> None:
    assert location_line(TEXT, location) == line


def test_legal_keys_of_a_place() -> None:
    assert fields_at(Document, ()) == {"title", "gate"}
    assert fields_at(Document, ("gate", 3)) == {"id", "where", "kind"}
    assert fields_at(Document, ("gate", 3, "where")) == {"init"}
    assert fields_at(Document, ("absent",)) == set()


def _file(tmp_path: Path, text: str) -> TomlFile:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return read_toml(path, "test file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "title = 'x'\n[[gate]]\nid = 'a'\nknd = 'good'\n",
            r"line 4: gate\.0\.knd: unknown key; did you mean 'kind'",
        ),
        (
            "title = 'x'\n[[gate]]\nid = 'a'\nkind = 'beter'\n",
            r"line 4: gate\.0\.kind: unknown choice 'beter'; did you mean 'better'",
        ),
        ("title = 'x'\n[[gate]]\nkind = 'good'\n", r"line 2: gate\.0: 'id' is missing"),
        ("title = 3\n", r"line 1: title: expected text, got 3"),
        ("title = 'x'\n[[gate]]\nid = 'a'\nwhere = { initt = 'x' }\n", r"line 4: gate\.0\.where\.initt.*'init'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InitlabError, match=message):
        _file(tmp_path, text).parse(Document)


def test_a_good_file_is_parsed(tmp_path: Path) -> None:
    text = "title = 'x'\n[[gate]]\nid = 'a'\nwhere = { init = 'gpt2' }\n"
    assert _file(tmp_path, text).parse(Document).gate[0].where == Where(init="gpt2")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match="no such test file"):
        read_toml(tmp_path / "absent.toml", "test file")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InitlabError, match="cannot be read as text"):
        read_toml(tmp_path / "binary.toml", "test file")
    with pytest.raises(InitlabError, match="not TOML"):
        _file(tmp_path, "a = = 3")
