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


def test_all_that_is_kept_is_kept_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert shakespeare.cache_path().parent == profile.cache_path().parent == tmp_path / "initlab"
