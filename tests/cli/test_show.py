"""``show`` and ``prune``."""

from pathlib import Path

from tests.cli.run import initlab
from tests.verdicts.planted import Planted, store


def test_a_run_is_shown_and_an_orphan_pruned(tmp_path: Path) -> None:
    results = store(tmp_path / "s", [Planted({0: 2.5})])
    shown = initlab("show", str(results.runs[0].path))
    assert shown.code == 0, shown.err
    assert "train.lr = 0.001" in shown.out
    document = initlab("show", results.runs[0].id[:6], "--json", INITLAB_OUT=str(tmp_path)).json
    assert (document["id"], document["status"]) == (results.runs[0].id, "finished")

    orphan = results.path / "runs" / "orphan"
    orphan.mkdir()
    cache = str(tmp_path / "none")
    dry = initlab("prune", str(results.path), "--dry-run", TORCHINDUCTOR_CACHE_DIR=cache)
    assert f"would remove {orphan}" in dry.out
    assert orphan.is_dir()
    assert list(initlab("prune", str(results.path), "--json", TORCHINDUCTOR_CACHE_DIR=cache).json["removed"]) == [
        str(orphan)
    ]
    assert not orphan.exists()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for arguments in (("show", "none"), ("show", str(tmp_path / "runs" / "none")), ("prune", str(tmp_path))):
        done = initlab(*arguments)
        assert done.code == 2, done.err
        assert "Traceback" not in done.err
