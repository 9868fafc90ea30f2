"""Schemas by kind of file."""

import pytest

from initlab.api.schemas import FILES, schema
from initlab.errors import InitlabError


@pytest.mark.parametrize("kind", sorted(FILES))
def test_every_kind_is_a_draft_2020_12_schema(kind: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema(kind))


def test_another_kind_gets_the_nearest() -> None:
    with pytest.raises(InitlabError, match="did you mean 'sweep'"):
        schema("sweeps")
