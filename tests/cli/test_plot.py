"""Plots of dots: where they stand can be read back."""

import pytest

from initlab.cli.plot import Curve, plot


def dots(line: str) -> list[int]:
    return [place for place, letter in enumerate(line) if 0x2800 < ord(letter) <= 0x28FF]


def drawn(*curves: Curve, width: int = 60) -> list[str]:
    return plot(curves, title="t", xlabel="layer", width=width)


def test_a_rising_curve_rises_from_the_lower_left_to_the_upper_right() -> None:
    title, *lines = drawn(Curve("a", [1, 10, 100, 1000]))
    body = [line for line in lines if dots(line)]
    assert title == "t (log scale)"
    starts = [dots(line)[0] for line in body]
    assert starts == sorted(starts, reverse=True)
    assert len(body) == 11, "every row is crossed"
    # exponential on a logarithmic axis: a straight line
    steps = [b - a for a, b in zip(starts[1:], starts, strict=False)]
    assert max(steps) - min(steps) <= 2


def test_values_close_to_one_another_are_shown_on_a_linear_axis() -> None:
    lines = drawn(Curve("a", [1.0, 1.0, 1.0]))
    assert lines[0] == "t (linear scale)"
    assert sum(bool(dots(line)) for line in lines) == 1


def test_labels_name_both_ends() -> None:
    lines = drawn(Curve("a", [0.001, 5.0]))
    assert lines[1].split()[0] == "5"
    assert lines[11].split()[0] == "0.001"
    assert lines[-1].split() == ["0", "1", "layer"]


def test_no_line_is_wider_than_asked_and_names_do_not_collide() -> None:
    curves = [Curve(f"init-{number}", [1, 10 + number / 10]) for number in range(4)]
    lines = drawn(*curves, width=50)
    assert max(map(len, lines)) <= 50
    assert sum(f"init-{number}" in line for line in lines for number in range(4)) == 4
    assert max(line.count("init-") for line in lines) == 1


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_nothing_to_show_is_no_plot(values: list[float]) -> None:
    assert drawn(Curve("a", values)) == []


def test_zeros_make_the_axis_linear() -> None:
    assert drawn(Curve("a", [0.0, 1.0, 100.0]))[0] == "t (linear scale)"
