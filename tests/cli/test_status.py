"""``status`` and ``doctor``."""

from pathlib import Path

from tests.cli.run import initlab


def test_doctor_finds_this_machine_able() -> None:
    done = initlab("doctor", "--json")
    assert done.code == 0, done.out
    document = done.json
    assert set(document) == {"schema_version", "versions", "devices", "precision", "measured", "checks"}
    assert {check["name"]: check["ok"] for check in document["checks"]} == {
        "torch": True,
        "arithmetic": True,
        "lanes": True,
        "disk": True,
    }


def test_status_of_something_else_is_a_users_mistake(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        done = initlab("status", str(path))
        assert done.code == 2
        assert "Traceback" not in done.err
