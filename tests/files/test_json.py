"""Documents survive crashes: atomic replacement, torn last lines, numbers JSON has no word for."""

import json
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.files.json import SCHEMA_VERSION, json_line, read_json, read_lines, write_json


def test_not_a_number_and_infinity_are_null_at_any_depth(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": float("nan"), "deep": [{"y": [1.5, float("inf")]}]})
    text = (tmp_path / "a.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert read_json(tmp_path / "a.json") == {
        "schema_version": SCHEMA_VERSION,
        "x": None,
        "deep": [{"y": [1.5, None]}],
    }


def test_a_failed_write_leaves_the_old_document(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"value": 1})
    with pytest.raises(TypeError):
        write_json(path, {"value": object()})
    document = read_json(path)
    assert document is not None
    assert document["value"] == 1


def test_a_torn_last_line_is_dropped_and_a_torn_middle_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = json_line({"step": 0}) + json_line({"step": 1})
    path.write_text(whole + '{"step": 2, "los')
    assert read_lines(path) == [{"step": 0}, {"step": 1}]
    path.write_text('{"step": 0, "los\n' + whole)
    with pytest.raises(InitlabError, match="line 1"):
        read_lines(path)


def test_every_prefix_of_a_file_reads_as_a_prefix_of_its_rows(tmp_path: Path) -> None:
    rows = [{"step": step, "train_loss": step / 7} for step in range(4)]
    content = "".join(json_line(row) for row in rows)
    path = tmp_path / "rows.jsonl"
    for length in range(len(content) + 1):
        path.write_text(content[:length])
        read = read_lines(path)
        assert read == rows[: len(read)]
        assert len(read) >= content[:length].count("\n")


def test_absent_and_damaged_documents_read_as_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "absent.json") is None
    (tmp_path / "torn.json").write_text('{"a": ')
    assert read_json(tmp_path / "torn.json") is None
    (tmp_path / "list.json").write_text("[1]")
    assert read_json(tmp_path / "list.json") is None
    assert read_lines(tmp_path / "absent.jsonl") == []


def test_a_document_of_a_newer_initlab_says_to_upgrade(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(InitlabError, match="upgrade"):
        read_json(tmp_path / "a.json")
