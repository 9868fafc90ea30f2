"""A command's process looks for garbage seldom."""

import gc

from initlab.api.process import collect_garbage_seldom


def test_the_threshold_is_far_above_pythons_own() -> None:
    before = gc.get_threshold()
    try:
        collect_garbage_seldom()
        assert gc.get_threshold()[0] > 10 * 2000
    finally:
        gc.set_threshold(*before)
