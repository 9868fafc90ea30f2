from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from initlab.engine import selfcheck
from initlab.engine.group import Group, Record


class Crowded(Group):
    """Lanes that feel their neighbours: ``where`` says in which record, and by one bit is enough."""

    where = ("metrics", "grad_norm")

    def run(self) -> Iterator[Record]:
        kind, key = self.where
        for record in super().run():
            changed: dict[str, Any] = dict(record.row)
            if record.kind == kind and len(self._lanes) > 1:
                changed[key] = changed[key] * (1 + 2**-50)
            yield replace(record, row=changed)


def test_lanes_are_independent_here() -> None:
    assert selfcheck.lanes_are_independent()


@pytest.mark.parametrize("where", [("metrics", "grad_norm"), ("layers", "logit_var"), ("summary", "val_loss")])
def test_one_bit_in_any_record_is_seen(where: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Crowded, "where", where)
    monkeypatch.setattr(selfcheck, "Group", Crowded)
    assert not selfcheck.lanes_are_independent()


def test_an_undisturbed_group_passes_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Crowded, "where", ("no such kind", ""))
    monkeypatch.setattr(selfcheck, "Group", Crowded)
    assert selfcheck.lanes_are_independent()
