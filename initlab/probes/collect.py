"""Taps that measure: reductions on the way forward, gradient moments on the way back."""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from initlab.errors import InitlabError
from initlab.probes.reductions import PROBES, Probe


class GradientMoment(torch.autograd.Function):
    """The identity, whose second argument receives the mean square of the first one's gradient as its own.

    So one backward pass gives the gradient's second moment at every site of the stream, with no tensor kept.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, sink: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        return

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.square().mean()


class Collector:
    """A tap that applies every registered probe; ``sinks`` has one scalar a residual site."""

    def __init__(self, sinks: Tensor) -> None:
        self._sinks = iter(sinks.unbind())
        self._values: dict[str, list[Tensor]] = defaultdict(list)

    def __call__(self, place: str, x: Tensor) -> Tensor:
        for name, probe in PROBES.items():
            if probe.place == place:
                self._values[name].append(measure(name, probe, x.detach()))
        return GradientMoment.apply(x, next(self._sinks)) if place == "residual" else x

    def values(self) -> dict[str, Tensor]:
        """Return each probe's values over sites, in the order of the forward pass."""
        return {name: torch.stack(values) for name, values in self._values.items()}


def measure(name: str, probe: Probe, x: Tensor) -> Tensor:
    """Return what a probe makes of ``x``; raises InitlabError naming a plug-in that fails or returns no number.

    A plug-in gets a copy: what it measures must not change, whatever it does to its input.
    """
    if PROBES.is_built_in(name):
        return probe.reduce(x)
    with PROBES.blame(name, probe):
        value = probe.reduce(x.clone())
    if not isinstance(value, Tensor) or value.shape != () or value.is_complex():
        got = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InitlabError(f"the probe {name!r} wants to return one real number as a tensor of shape (), not {got}")
    return value


def n_sites(n_layer: int) -> int:
    """Sites of the residual stream: after the embedding, after each attention and after each MLP."""
    return 2 * n_layer + 1
