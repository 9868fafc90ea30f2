"""The reference pages say what is registered."""

import re
from pathlib import Path

import pytest

from initlab.activations.functions import ACTIVATIONS, Activation
from initlab.docs import pages, write
from initlab.inits.catalogue import INITS
from initlab.inits.strategy import InitEntry, Strategy
from initlab.network.laws import Law, Normal

FOLDER = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", pages())
def test_the_page_is_up_to_date(name: str) -> None:
    stale = f"docs/{name} is stale: run `make docs` (python -m initlab.docs docs) and commit it"
    assert (FOLDER / name).read_text() == pages()[name], stale


def test_every_init_has_its_section_and_its_row() -> None:
    page = pages()["inits.md"]
    for name, entry in INITS.items():
        assert page.count(f"\n### {name}\n") == 1
        assert page.count(f"| [{name}](#") == 1
        assert f"- Source: {entry.source}\n" in page
    assert "``" not in page


def test_numbers_are_those_of_the_laws() -> None:
    page = pages()["inits.md"]
    section = page.partition("\n### depth-scaled\n")[2].partition("\n### ")[0]
    assert "| attn_out, ffn_down | 0-11 | normal, std 0.00408248 |" in section  # 0.02/√24
    assert "| query, key, value, ffn_up | 0-11 | normal, std 0.02 |" in section
    section = page.partition("\n### layernorm-scaling\n")[2].partition("\n### ")[0]
    assert "| 0 … 11 | 1, fixed … 0.288675, fixed |" in section  # 1/√12


def test_moments_are_known_ones() -> None:
    row = next(line for line in pages()["activations.md"].splitlines() if line.startswith("| relu |"))
    assert "| 0.3989 | 0.5000 | 0.5000 |" in row  # 1/√(2π), 1/2, 1/2
    assert "-0.0000" not in pages()["activations.md"]


def test_plug_ins_are_on_no_page() -> None:
    def theirs() -> Strategy:
        return Strategy(lambda slot: Law(dist=Normal(1.0)))

    before = pages()
    with (
        INITS.temporarily("theirs", InitEntry(theirs, "a test")),
        ACTIVATIONS.temporarily("theirs", Activation(lambda x: x, "x", "a test")),
    ):
        assert pages() == before


def test_writing_makes_the_pages(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert {file.name: file.read_text() for file in (tmp_path / "new").iterdir()} == pages()


def test_what_shows_that_a_promise_is_kept_exists() -> None:
    root = FOLDER.parent
    named = re.findall(r"`((?:tests|benchmarks)/[^`]*)`", (root / "SECURITY.md").read_text())
    assert len(named) > 10
    assert not [name for name in named if not (root / name).is_file()]
