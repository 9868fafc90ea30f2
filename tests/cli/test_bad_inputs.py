"""Nearly two hundred bad inputs: each ends with one clear message and exit code 2, whatever believing it would cost.

``benchmarks/bad_inputs.py`` runs the same table in processes of their own, and prints how long and large each was.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initlab.cli.main import app
from initlab.files.escaping import UNSAFE
from initlab.plugins.registry import registries
from tests.cli.bad_inputs import TABLE, Bad, plant
from tests.verdicts.planted import Planted, store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give commands in a folder with every bad file there is."""
    root = tmp_path_factory.mktemp("bad")
    plant(root)
    before = Path.cwd()
    os.chdir(root / "work")
    store(Path("stored"), [Planted({0: 1.0, 1: 1.1}), Planted({0: 1.2, 1: 1.1}, init="xavier")])
    yield root
    os.chdir(before)


def test_the_table_is_long_and_repeats_nothing() -> None:
    assert len({bad.arguments for bad in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: " ".join(bad.arguments)[:60].replace("\x1b", "ESC"))
def test_a_bad_input_is_one_message(bad: Bad, folder: Path) -> None:
    files = set(folder.rglob("*"))
    done = CliRunner().invoke(app, list(bad.arguments), env={"COLUMNS": "400", "TERM": "dumb"})
    said = " ".join(done.output.split())
    assert bad.message in said
    assert done.exit_code == bad.code, done.output
    assert "Traceback" not in said
    assert not UNSAFE.search(done.output)
    assert len(done.output) < 8_000
    assert set(folder.rglob("*")) == files, "nothing is written"


def test_nothing_was_left_behind(folder: Path) -> None:
    assert not (folder / "work" / "ran").exists()
    assert "exits" not in " ".join(sys.modules)
    assert not any("gpt3" in registry.broken for registry in registries())
