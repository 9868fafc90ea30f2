"""What prune removes is what its dry run says, and nothing else."""

from pathlib import Path

import pytest

from initlab.api.prune_verb import prune
from tests.verdicts.planted import Planted, store


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = store(tmp_path / "s", [Planted({0: 2.5})]).path
    (path / "runs" / "orphan").mkdir()
    (path / "runs" / "orphan" / "metrics.jsonl").write_bytes(b"x" * 1000)
    cache = tmp_path / "compiled"
    cache.mkdir()
    (cache / "kernel.py").write_bytes(b"x" * 500)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    return path


def test_a_dry_run_says_what_goes_and_removes_nothing(sweep: Path, tmp_path: Path) -> None:
    expected = {str(sweep / "runs" / "orphan"): 1000, str(tmp_path / "compiled"): 500}
    before = sorted(tmp_path.rglob("*"))
    dry = prune(sweep, dry_run=True)
    assert dry.sizes == expected == dry.to_json()["removed"]
    assert "would remove 2 in all, 0.0 MB" in dry.describe()
    assert sorted(tmp_path.rglob("*")) == before
    done = prune(sweep)
    assert done.sizes == expected
    gone = {path for path in before if not path.exists()}
    assert gone == {
        sweep / "runs" / "orphan",
        sweep / "runs" / "orphan" / "metrics.jsonl",
        tmp_path / "compiled",
        tmp_path / "compiled" / "kernel.py",
    }
    assert "nothing to remove" in prune(sweep).describe()


def test_a_cache_that_is_a_link_is_nobodys(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "compiled")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "link"))
    prune(sweep)
    assert (tmp_path / "compiled" / "kernel.py").is_file()
