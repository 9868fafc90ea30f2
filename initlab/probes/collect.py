"""The hook that measures: reductions on the way forward, gradient moments on the way back."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from initlab.errors import InitlabError
from initlab.network.taps import RESIDUAL, sites
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
    """A hook for the model that applies probes at their taps; ``sinks`` is (2L+1,), a scalar a residual site."""

    def __init__(self, sinks: Tensor, probes: Mapping[str, Probe]) -> None:
        self._sinks = iter(sinks.unbind())
        self._values: dict[str, list[Tensor]] = defaultdict(list)
        self._probes: dict[str, list[tuple[str, Probe]]] = defaultdict(list)
        for name, probe in probes.items():
            self._probes[probe.tap].append((name, probe))

    def __call__(self, tap: str, x: Tensor) -> Tensor:
        for name, probe in self._probes[tap]:
            self._values[name].append(measure(name, probe, x.detach()))
        return GradientMoment.apply(x, next(self._sinks)) if tap == RESIDUAL else x

    def values(self) -> dict[str, Tensor]:
        """Return each probe's values, (sites of its tap,), in the order of the forward pass."""
        return {name: torch.stack(values) for name, values in self._values.items()}


def measure(name: str, probe: Probe, x: Tensor) -> Tensor:
    """Return what a probe makes of ``x``, a tensor as its tap shows it: a tensor of shape ().

    A plug-in gets a copy: what it measures must not change, whatever it does to its input. Raises InitlabError naming
    one that fails or returns no number.
    """
    if PROBES.is_ours(probe):
        return probe.reduce(x)
    with PROBES.blame(name, probe):
        value = probe.reduce(x.clone())
    if not isinstance(value, Tensor) or value.shape != () or value.is_complex():
        got = f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InitlabError(f"the probe {name!r} has to return one real number as a tensor of shape (), not {got}")
    return value


def n_sites(n_layer: int) -> int:
    """Return how many sites the residual stream has, 2L+1: where gradients are measured."""
    return len(sites(RESIDUAL, n_layer))
