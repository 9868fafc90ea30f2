"""A diagnosis says what was measured, and what is wrong it calls wrong."""

from pathlib import Path

import pytest

from initlab.engine import diagnosis as module
from initlab.engine.diagnosis import (
    Check,
    Diagnosis,
    check_arithmetic,
    check_disk,
    check_lanes,
    check_torch,
    describe_measurements,
    diagnose,
)
from tests.planning.machines import described


def test_this_machine_is_described_by_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_profile", lambda: described("h100"))
    monkeypatch.setattr(module, "lanes_are_independent", lambda precision: True)
    diagnosis = diagnose()
    assert [device.name for device in diagnosis.devices] == ["cpu", "cuda:0"]
    assert "16 cores usable" in diagnosis.devices[0].description
    assert "NVIDIA H100" in diagnosis.devices[1].description
    assert [check.name for check in diagnosis.checks] == ["torch", "arithmetic", "lanes", "disk"]
    document = diagnosis.to_json()
    assert document["measured"]["devices"] == described("h100").measured["devices"]
    assert document["checks"][0] == {"name": "torch", "ok": True, "message": diagnosis.checks[0].message}


def test_measurements_are_said_for_every_precision() -> None:
    lines = describe_measurements(described("amx"))
    assert lines == [
        "cpu matmuls: highest 197 GF/s, relative error 2e-07; medium 691 GF/s, relative error 2e-03; "
        "bfloat16 1214 GF/s, relative error 2e-03. precision = float32 takes highest; torch.compile where it pays",
        "cpu steps, highest: fused attention is faster at 64, 256, 1024 tokens; "
        "each of 4 lanes together takes 1.07 of one alone",
        "cpu steps, bfloat16: plain attention; each of 4 lanes together takes 1.03 of one alone",
        "2 threads do 1.6 times the matmuls of one: processes of one thread each are used",
    ]
    assert sum(line.startswith("cuda steps") for line in describe_measurements(described("h100"))) == 2


@pytest.mark.parametrize(("version", "ok"), [("2.5.1", False), ("2.6.0", True), ("2.13.0+cpu", True), ("3.0", True)])
def test_an_old_torch_is_refused(version: str, ok: bool) -> None:
    assert check_torch(version).ok == ok


def test_arithmetic_is_float32s_here() -> None:
    check = check_arithmetic()
    assert check.ok
    assert "GF/s a core" in check.message


@pytest.mark.parametrize("broken", ["highest", "medium"])
def test_every_precision_that_float32_may_get_is_checked_for_lanes(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = described("avx512")  # where float32 takes medium, and tiny networks highest
    monkeypatch.setattr(module, "lanes_are_independent", lambda precision: True)
    assert check_lanes(machine).ok
    monkeypatch.setattr(module, "lanes_are_independent", lambda precision: precision != broken)
    assert not check_lanes(machine).ok


def test_one_bad_check_is_bad(tmp_path: Path) -> None:
    good, bad = check_disk(tmp_path), Check("disk", ok=False, message="0 GiB free here")
    machine = described("avx2")
    assert Diagnosis({}, (), machine, (good,)).ok
    diagnosis = Diagnosis({"torch": "2.13.0"}, (), machine, (good, bad))
    assert not diagnosis.ok
    assert diagnosis.describe().splitlines()[-1] == "BAD  disk: 0 GiB free here"
