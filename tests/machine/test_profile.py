"""What a machine was measured to do is measured once, kept, and never taken for another machine's."""

import json
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.machine import profile as module
from initlab.machine.profile import Machine, cache_path, cached_machine, machine_key, this_machine
from tests.planning.machines import MEASURED, machine


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often somebody measures, and let nobody wait for it."""
    count: list[int] = []

    def measure() -> dict[str, object]:
        count.append(1)
        return MEASURED

    monkeypatch.setattr(module, "_measure", measure)
    return count


def test_it_is_measured_once(measurements: list[int]) -> None:
    assert cached_machine() is None
    first = this_machine()
    assert this_machine() == first == cached_machine()
    assert len(measurements) == 1


@pytest.mark.parametrize("change", [{"cores": 9999}, {"torch": "0.0"}, {"version": 0}])
def test_another_machines_numbers_are_not_believed(change: dict[str, object], measurements: list[int]) -> None:
    this_machine()
    stored = json.loads(cache_path().read_text())
    stored["key"].update(change)
    cache_path().write_text(json.dumps(stored))
    assert cached_machine() is None
    this_machine()
    assert len(measurements) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 3}', "null"])
def test_a_damaged_cache_is_measured_anew(text: str, measurements: list[int]) -> None:
    this_machine()
    cache_path().write_text(text)
    assert this_machine().found == MEASURED
    assert len(measurements) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(
    measurements: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert this_machine().key == machine_key()
    assert len(measurements) == 1


@pytest.mark.parametrize(
    ("medium", "expected"),
    [
        ({"gflops": 240.0, "error": 4e-7}, "medium"),
        ({"gflops": 2400.0, "error": 5e-4}, "highest"),  # TF32: fast, and not float32
        ({"gflops": 50.0, "error": 2e-7}, "highest"),
    ],
)
def test_float32_takes_the_fastest_path_of_its_accuracy(medium: dict[str, float], expected: str) -> None:
    assert machine(products={"medium": medium}).float32_products("cpu") == expected


def test_a_device_that_is_not_there_is_a_users_mistake() -> None:
    with pytest.raises(InitlabError, match="no device 'cuda' on this machine; it has cpu"):
        machine().device("cuda")


def test_the_measurement_itself(tmp_path: Path) -> None:
    # Its numbers are this moment's; that they are there, of the promised accuracy, and believed again is not.
    found = this_machine()
    products = found.device("cpu")["products"]
    assert products["highest"]["error"] < module.LIKE_FLOAT32 < products["bfloat16"]["error"]
    assert all(path["gflops"] > 0 for path in products.values())
    assert found.float32_products("cpu") in ("highest", "medium")
    assert Machine.from_json(json.loads(json.dumps(found.to_json()))) == found == cached_machine()
