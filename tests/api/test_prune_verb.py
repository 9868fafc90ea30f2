"""What prune removes is what its dry run says, and nothing else."""

import getpass
import tempfile
from pathlib import Path

import pytest

from initlab.api.prune_verb import prune
from tests.verdicts.planted import Planted, store


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = store(tmp_path / "s", [Planted({0: 2.5})]).path
    (path / "runs" / "orphan").mkdir()
    (path / "runs" / "orphan" / "metrics.jsonl").write_bytes(b"x" * 1000)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    compiled(tmp_path).mkdir()
    (compiled(tmp_path) / "kernel.py").write_bytes(b"x" * 500)
    return path


def compiled(tmp_path: Path) -> Path:
    """Where torch keeps what it compiled (torch._inductor.runtime.cache_dir_utils.default_cache_dir)."""
    return tmp_path / f"torchinductor_{getpass.getuser()}"


def test_a_dry_run_says_what_goes_and_removes_nothing(sweep: Path, tmp_path: Path) -> None:
    expected = {str(sweep / "runs" / "orphan"): 1000, str(compiled(tmp_path)): 500}
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
        compiled(tmp_path),
        compiled(tmp_path) / "kernel.py",
    }
    assert "nothing to remove" in prune(sweep).describe()


def test_a_cache_that_is_a_link_is_nobodys(sweep: Path, tmp_path: Path) -> None:
    compiled(tmp_path).rename(tmp_path / "elsewhere")
    compiled(tmp_path).symlink_to(tmp_path / "elsewhere")
    prune(sweep)
    assert (tmp_path / "elsewhere" / "kernel.py").is_file()


def test_a_folder_that_somebody_chose_stays(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable may name a home: what it names is nobody's to remove, and nor is the other folder then."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "home"))
    assert list(prune(sweep).sizes) == [str(sweep / "runs" / "orphan")]
    assert (tmp_path / "home" / "thesis.tex").is_file()
    assert compiled(tmp_path).is_dir()
