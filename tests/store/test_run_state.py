"""The words for where a run may stand."""

from typing import get_args

from initlab.store.run_state import DONE, STATUSES, UNSOUND, Status


def test_every_status_is_sound_or_unsound_and_two_are_results() -> None:
    assert {*STATUSES, *UNSOUND} == set(get_args(Status))
    assert not set(STATUSES) & set(UNSOUND)
    assert {"finished", "diverged"} == DONE < set(STATUSES)
