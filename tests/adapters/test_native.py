"""initlab's own names hold every network, multipliers and all."""

from dataclasses import asdict
from typing import Any

import pytest

from initlab.adapters.native import Native
from initlab.adapters.recognition import model_state, read_model
from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS
from tests.adapters.models import blueprint


def config_of(network: Any) -> dict[str, Any]:
    return {"dims": asdict(network.dims), "topology": network.topology.to_json()}


@pytest.mark.parametrize("init", [name for name, _ in INITS.items()])
def test_every_network_is_written_and_read(init: str) -> None:
    one = blueprint(init=init)
    written = Native().written(one)
    assert written.network == one.network
    found = read_model(one.network.shapes, config_of(one))
    assert (found.family, found.network, found.slices) == ("initlab", one.network, written.slices)
    assert all(part.tensor == name for name, part in found.slices.items())


def test_what_the_tensors_do_not_say_must_be_told() -> None:
    one = blueprint()
    with pytest.raises(InitlabError, match="expected the file's metadata as the config, with dims and topology"):
        read_model(one.network.shapes)
    with pytest.raises(InitlabError, match=r"not those of a network: .*n_heads"):
        read_model(one.network.shapes, {**config_of(one), "dims": {"n_heads": 4}})
    wide = config_of(blueprint(n_embd=64))
    with pytest.raises(InitlabError, match=r"token_embedding\.weight has shape \(23, 32\), expected \(23, 64\)"):
        read_model(one.network.shapes, wide)
    assert not Native().recognises(model_state({"model.embed_tokens.weight": (3, 2)}))
