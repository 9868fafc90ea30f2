"""What a machine was measured to do is measured once, kept, and never taken for another machine's."""

import json
from pathlib import Path

import pytest

from initlab.errors import InitlabError
from initlab.machine import profile as module
from initlab.machine.profile import MachineProfile, cache_path, cached_profile, machine_key, machine_profile
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
    assert cached_profile() is None
    first = machine_profile()
    assert machine_profile() == first == cached_profile()
    assert len(measurements) == 1


@pytest.mark.parametrize("change", [{"cores": 9999}, {"torch": "0.0"}, {"version": 0}])
def test_another_machines_numbers_are_not_believed(change: dict[str, object], measurements: list[int]) -> None:
    machine_profile()
    stored = json.loads(cache_path().read_text())
    stored["key"].update(change)
    cache_path().write_text(json.dumps(stored))
    assert cached_profile() is None
    machine_profile()
    assert len(measurements) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 3}', "null", "[" * 200_000])
def test_a_damaged_cache_is_measured_anew(text: str, measurements: list[int]) -> None:
    machine_profile()
    cache_path().write_text(text)
    assert machine_profile().measured == MEASURED
    assert len(measurements) == 2


@pytest.mark.parametrize("lost", ["cores", "highest", "devices"])
def test_a_cache_that_lacks_what_planning_asks_for_is_none(lost: str, measurements: list[int]) -> None:
    machine_profile()
    stored = cache_path().read_text()
    cache_path().write_text(stored.replace(f'"{lost}"', '"lost"'))
    assert cache_path().read_text() != stored
    assert machine_profile().measured == MEASURED
    assert len(measurements) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(
    measurements: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert machine_profile().key == machine_key()
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
    assert machine(products={"medium": medium}).float32_matmul_precision("cpu") == expected


def test_a_device_that_is_not_there_is_a_users_mistake() -> None:
    with pytest.raises(InitlabError, match="no device 'cuda' on this machine; it has cpu"):
        machine().device("cuda")


def test_the_measurement_itself(tmp_path: Path) -> None:
    # Its numbers are this moment's; that they are there, of the promised accuracy, and believed again is not.
    found = machine_profile()
    products = found.device("cpu")["products"]
    assert products["highest"]["error"] < module.FLOAT32_TOLERANCE < products["bfloat16"]["error"]
    assert all(path["gflops"] > 0 for path in products.values())
    assert found.float32_matmul_precision("cpu") in ("highest", "medium")
    assert MachineProfile.from_json(json.loads(json.dumps(found.to_json()))) == found == cached_profile()
