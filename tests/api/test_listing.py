"""Listings: what is registered, and nothing else."""

import pytest

from initlab.api.listing import KINDS, listing
from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_one_document_one_frame_and_one_text(kind: str) -> None:
    found = listing(kind)
    document = found.to_json()
    assert document["schema_version"] == 1
    assert [item["name"] for item in document["items"]] == found.names == found.to_frame()["name"].tolist()
    assert len(set(found.names)) == len(found) > 0
    assert all(name in repr(found) for name in found.names)
    assert found.names[0] in found._repr_html_()


def test_inits_are_the_registry_and_an_alias_finds_its_item() -> None:
    found = listing("inits")
    assert set(found.names) == {name for name, _ in INITS.items()}
    alias, name = next((alias, name) for name, _ in INITS.items() for alias in INITS.aliases(name))
    assert found[alias].name == name
    assert alias in found
    assert "no-such-init" not in found


def test_an_unknown_name_or_kind_gets_the_nearest() -> None:
    with pytest.raises(InitlabError, match="did you mean 'depth-scaled'"):
        listing("inits")["depth-scald"]
    with pytest.raises(InitlabError, match="did you mean 'inits'"):
        listing("init")
