"""The file: atomic, the same bytes every time, readable by others, and never written over another by accident."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from initlab.checkpoints.build import Checkpoint, make_checkpoint
from initlab.checkpoints.request import Request
from initlab.checkpoints.write import check_target, write_checkpoint
from initlab.errors import InitlabError
from initlab.spec.run import ModelSpec

SIZES = ModelSpec(n_layer=1, n_head=2, n_embd=16, block_size=8)
REQUEST = Request("nanogpt", SIZES, "depth-scaled", 23)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return make_checkpoint(REQUEST)


def test_what_is_written_is_read(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "init.safetensors"
    digest = write_checkpoint(path, checkpoint)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = load_file(path)
    assert loaded.keys() == checkpoint.contents.tensors.keys()
    assert all(torch.equal(loaded[name], x) for name, x in checkpoint.contents.tensors.items())
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == checkpoint.metadata
    assert [item.name for item in tmp_path.iterdir()] == ["init.safetensors"]


WRITE = """
import sys
from pathlib import Path
from initlab.checkpoints.build import make_checkpoint
from initlab.checkpoints.request import Request
from initlab.checkpoints.write import write_checkpoint
from initlab.spec.run import ModelSpec
sizes = ModelSpec(n_layer=1, n_head=2, n_embd=16, block_size=8)
init = sys.argv[2]
print(write_checkpoint(Path(sys.argv[1]), make_checkpoint(Request("nanogpt", sizes, init, 23))))
"""


def test_the_same_checkpoint_is_the_same_bytes_in_every_process(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def elsewhere(name: str, init: str = "depth-scaled") -> str:
        command = [sys.executable, "-c", WRITE, str(tmp_path / name), init]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()

    here = write_checkpoint(tmp_path / "here", checkpoint)
    assert {elsewhere("one"), elsewhere("two")} == {here}
    assert elsewhere("three", "gpt2") != here


def test_a_failed_write_leaves_what_was_there(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "init.safetensors"
    path.write_text("what was there")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.torch.save_file", full)
        with pytest.raises(InitlabError, match="No space left on device"):
            write_checkpoint(path, checkpoint)
    assert [item.read_text() for item in tmp_path.iterdir()] == ["what was there"]
    write_checkpoint(path, checkpoint)
    assert path.stat().st_size > 1000


def test_the_file_is_as_readable_as_any_other(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "init.safetensors", checkpoint)
    (tmp_path / "other").touch()
    assert (tmp_path / "init.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_targets(tmp_path: Path) -> None:
    file = tmp_path / "init.safetensors"
    check_target(file, force=False)
    check_target(tmp_path / "new" / "folders" / "init.safetensors", force=False)
    assert (tmp_path / "new" / "folders").is_dir()
    file.touch()
    check_target(file, force=True)
    with pytest.raises(InitlabError, match="--force replaces it"):
        check_target(file, force=False)
    for force in (True, False):
        with pytest.raises(InitlabError, match="is a folder"):
            check_target(tmp_path, force=force)
    with pytest.raises(InitlabError, match="cannot write"):
        check_target(file / "below.safetensors", force=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_nobody_may_write_in(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(InitlabError, match="no permission"):
        check_target(locked / "init.safetensors", force=False)
