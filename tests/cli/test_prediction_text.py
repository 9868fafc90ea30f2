"""Predictions for people fit 80 columns and say the document's numbers."""

import io
from typing import Any

from rich.console import Console

from initlab.api.forecast import predict
from initlab.cli.prediction_text import print_over, print_prediction, print_several

SIZES: dict[str, Any] = {"n_layer": 4, "n_embd": 64, "n_head": 4, "block_size": 32}


def printed(show: object, *arguments: object) -> list[str]:
    stream = io.StringIO()
    show(Console(file=stream, width=80), *arguments)  # type: ignore[operator]
    return stream.getvalue().splitlines()


def test_one_prediction() -> None:
    found = predict("depth-scaled", **SIZES)
    lines = printed(print_prediction, found.predictions[0])
    assert max(map(len, lines)) <= 80
    assert any(f"{found['initial_loss']:.4f}" in line for line in lines)


def test_several_and_over_sizes() -> None:
    several = printed(print_several, predict(["gpt2", "xavier"], **SIZES).predictions)
    assert any(line.startswith("gpt2 ") for line in several)
    assert any(line.startswith("xavier ") for line in several)
    over = printed(print_over, predict("gpt2", over="n_layer=2,4,8", **{**SIZES, "n_layer": 2}))
    assert over[0] == "gpt2 over n_layer"
    assert [line.split()[0] for line in over[2:5]] == ["2", "4", "8"]
    assert any("growth over n_layer:" in line for line in over)
