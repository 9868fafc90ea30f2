"""Fingerprints: of code that did not come with initlab, and of nothing else."""

from pathlib import Path

from initlab.inits.fingerprint import plugin_code
from initlab.plugins.loading import load_plugin
from initlab.spec.run import RunSpec
from tests.installing import INIT_FILE, undone


def test_what_is_built_in_has_none() -> None:
    assert plugin_code(RunSpec()) == ()


def test_a_plug_ins_code_changes_it_and_where_it_lies_does_not(plugin_site: Path) -> None:
    codes, text = [], INIT_FILE.format(name="late", std=0.1)
    for folder, content in (("a", text), ("b", text), ("c", text + "\n# changed\n")):
        (plugin_site / folder).mkdir()
        file = plugin_site / folder / "mine.py"
        file.write_text(content)
        with undone():
            load_plugin(f"{file}:strategy")
            codes.append(plugin_code(RunSpec(init="late")))
    assert codes[0] == codes[1]
    assert len(codes[0]) == 1
    assert codes[2] != codes[0]
