from pathlib import Path

import pytest

from initlab.data import shakespeare
from initlab.files.cache import cache_folder
from initlab.machine import profile


def test_the_cache_is_where_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "initlab"
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    for unset in ("", None):  # an empty variable counts as unset (XDG base directory specification)
        if unset is None:
            monkeypatch.delenv("XDG_CACHE_HOME")
        else:
            monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == tmp_path / "me" / ".cache" / "initlab"


def test_nobodys_home_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(FileNotFoundError, match="XDG_CACHE_HOME names another"):
        cache_folder()
    assert profile.cached_profile() is None


def test_all_that_is_kept_is_kept_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert shakespeare.cache_path().parent == profile.cache_path().parent == tmp_path / "initlab"
