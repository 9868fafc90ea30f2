"""Exact tests: enumerated by hand, and honest about how many seeds they need."""

import itertools

import numpy as np
import pytest

from initlab.stats.permutation import labels_needed, pairs_needed, relabel, sign_flip


def test_three_pairs_can_never_reject() -> None:
    found = sign_flip([1.0, 2.0, 6.0])
    assert found is not None
    assert (found.p, found.smallest_p) == (0.25, 0.25)  # all of one sign: 2 of 8 patterns are as extreme
    assert not found.can_reject
    assert found.describe() == "an exact test needs >= 6 seeds"


def test_sign_flips_against_a_plain_enumeration() -> None:
    differences = [0.3, -0.1, 0.7, 0.2, 0.5, -0.2, 0.9]
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in _signs(7)]
    found = sign_flip(differences)
    assert found is not None
    assert found.p == sum(total >= abs(sum(differences)) - 1e-12 for total in sums) / 128
    assert found.can_reject
    assert "exact p" in found.describe()


def _signs(n: int) -> "itertools.product[tuple[int, ...]]":
    return itertools.product((-1, 1), repeat=n)


def test_seeds_needed() -> None:
    # 2/2⁶ = 0.031 and 2/2⁵ = 0.0625; 2/C(6,3) = 0.1 and 2/C(8,4) = 0.029
    assert (pairs_needed(0.05), pairs_needed(0.0625), labels_needed(0.05)) == (6, 5, 4)
    assert pairs_needed(0.05, family=10) == 9  # 2/2⁹ = 0.0039 ≤ 0.005 < 2/2⁸


def test_relabelling_against_hand_counts() -> None:
    apart = relabel([1.0, 2.0, 3.0], [7.0, 8.0, 9.0])
    assert apart is not None
    assert (apart.p, apart.smallest_p) == (0.1, 0.1)  # the two perfect splits of 20
    assert not apart.can_reject
    uneven = relabel([0.0], [1.0, 2.0, 3.0])
    assert uneven is not None
    # means of the single against the rest: 2, 2/3, 2/3, 2 in size
    assert (uneven.p, uneven.smallest_p) == (0.5, 0.25)


def test_equal_numbers_are_no_evidence_and_too_many_pairs_are_not_enumerated() -> None:
    same = sign_flip([0.0] * 6)
    assert same is not None
    assert same.p == 1.0
    assert sign_flip([1.0] * 21) is None
    assert sign_flip([]) is None
    assert relabel([1.0] * 9, [2.0] * 9) is None


@pytest.mark.parametrize("n", [6, 8])
def test_the_level_is_kept(n: int) -> None:
    generator = np.random.default_rng(n)
    p_values = [found.p for x in generator.standard_t(3, (2000, n)) if (found := sign_flip(x))]
    assert sum(p <= 0.05 for p in p_values) / 2000 <= 0.06
    assert sum(p <= 0.05 for p in p_values) / 2000 > 0.01
