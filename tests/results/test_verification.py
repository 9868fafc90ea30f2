"""Every document beside the results is compared too, and named where it is not what was stored."""

from pathlib import Path

import pytest

from initlab.results.reading import Results, load_results
from initlab.results.verification import damaged_beside_results, damaged_environments
from tests.verdicts.planted import Planted, store


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return store(tmp_path / "s", [Planted({0: 2.5, 1: 2.6})])


def test_a_sweep_that_nothing_happened_to(results: Results) -> None:
    assert damaged_beside_results(results) == ()
    assert list(damaged_environments(results)) == []


@pytest.mark.parametrize("name", ["spec.resolved.json", "env.json", "config.json", "status.json"])
@pytest.mark.parametrize("how", ["cut", "changed", "empty", "a folder"])
def test_a_damaged_document_is_named(name: str, how: str, results: Results) -> None:
    run = results.runs[0]
    assert run.done, "read before anything happens to it"
    path = results.path / name if name.startswith("spec") else run.path / name
    content = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": content[:-9], "changed": content.replace(b"1", b"2", 1), "empty": b""}[how])
    named = [line for line in damaged_beside_results(results) if str(path) in line]
    assert len(named) == 1
    assert [path for path, _ in damaged_environments(results)] == ([path] if name == "env.json" else [])


def test_another_runs_environment_is_none_of_this_one(results: Results) -> None:
    first, second = results.runs
    (first.path / "env.json").write_bytes((second.path / "env.json").read_bytes())
    ((path, reason),) = damaged_environments(results)
    assert path == first.path / "env.json"
    assert "another run" in reason


def test_a_document_that_is_gone_is_missed(results: Results) -> None:
    (results.path / "spec.resolved.json").unlink()
    assert damaged_beside_results(results) == (f"{results.path / 'spec.resolved.json'} is gone",)


def test_what_an_earlier_version_stored_has_no_checksums_to_miss(results: Results) -> None:
    from tests.faults.earlier import as_earlier_version

    as_earlier_version(results.path)
    earlier = load_results(results.path)
    assert (earlier.checked, earlier.unchecked) == (False, 2)
    assert damaged_beside_results(earlier) == ()
