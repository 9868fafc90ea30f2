"""A check-up is one value with the command's document."""

import pytest

from initlab.api.checkup import doctor
from initlab.engine import diagnosis
from initlab.engine.diagnosis import Check, Device, Diagnosis
from tests.planning.machines import machine


def test_the_document_has_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check("torch", True, "2.6 or newer"), Check("disk", False, "0 GiB free here"))
    value = Diagnosis({"torch": "2.6"}, (Device("cpu", "a CPU"),), machine(), checks)
    monkeypatch.setattr(diagnosis, "diagnose", lambda: value)
    found = doctor()
    assert not found.ok
    document = found.to_json()
    assert document["schema_version"] == 1
    assert [check["name"] for check in document["checks"]] == ["torch", "disk"]
    assert "BAD  disk: 0 GiB free here" in repr(found)
