"""The single-run loss, mapped over lanes: the one place where the lane axis is added."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from initlab.engine.dropout import CounterDropout
from initlab.layers import Hook, untouched
from initlab.model import GPT, skeleton
from initlab.probes.collect import Collector, n_sites
from initlab.slots import Network

Tensors: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """One step's input of every lane: (N, B, T) tokens and targets, (N,) dropout keys."""

    tokens: Tensor
    targets: Tensor
    keys: Tensor


class LaneModel:
    """N networks of one shape as one batched function. All tensors have a leading lane axis.

    Gradients are taken of ``parameters``. A tensor among ``constants`` is a factor on the parameter of that name, or,
    where no parameter has its name, a slot that never moves.
    """

    def __init__(self, network: Network, activation: Callable[[Tensor], Tensor], dropout: float) -> None:
        self._model: GPT = skeleton(network, activation)
        self._sites = n_sites(network.dims.n_layer)
        self._dropout = dropout
        self._train = vmap(grad_and_value(self._loss))
        self._probe = vmap(grad_and_value(self._probed_loss, argnums=(0, 1), has_aux=True))
        self._evaluate = vmap(self._eval_loss)

    def step(self, parameters: Tensors, constants: Tensors, batch: Batch) -> tuple[Tensors, Tensor]:
        """Return gradients and the (N,) losses in nats per token."""
        gradients, losses = self._train(parameters, constants, batch.tokens, batch.targets, batch.keys)
        return _contiguous(gradients), losses

    def probe(self, parameters: Tensors, constants: Tensors, batch: Batch) -> tuple[Tensors, Tensor, Tensors]:
        """Like ``step``, and what the probes saw: (N, sites) each."""
        lanes = batch.tokens.shape[0]
        dtype = next(iter(parameters.values())).dtype
        sinks = torch.zeros(lanes, self._sites, dtype=dtype, device=batch.tokens.device)
        (gradients, moments), (losses, seen) = self._probe(
            parameters, sinks, constants, batch.tokens, batch.targets, batch.keys
        )
        return _contiguous(gradients), losses, {**seen, "grad_rms": moments.sqrt()}

    def evaluate(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the (N,) losses without dropout."""
        with torch.no_grad():
            return self._evaluate(parameters, constants, tokens, targets)

    def activations(self, parameters: Tensors, constants: Tensors, tokens: Tensor) -> Tensors:
        """Return what the taps see without dropout, by place: (N, sites, B, T, C), sites as the forward pass goes."""
        with torch.no_grad():
            return vmap(self._tapped)(parameters, constants, tokens)

    def _call(self, parameters: Tensors, constants: Tensors, *args: Any, tap: Hook, drop: Hook) -> Tensor:
        scaled = {name: p * constants[name] if name in constants else p for name, p in parameters.items()}
        return functional_call(self._model, {**constants, **scaled}, args, {"tap": tap, "drop": drop})[1]

    def _drop(self, key: Tensor) -> Hook:
        return CounterDropout(self._dropout, key) if self._dropout else untouched

    def _loss(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor, key: Tensor) -> Tensor:
        return self._call(parameters, constants, tokens, targets, tap=untouched, drop=self._drop(key))

    def _eval_loss(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor) -> Tensor:
        return self._call(parameters, constants, tokens, targets, tap=untouched, drop=untouched)

    def _tapped(self, parameters: Tensors, constants: Tensors, tokens: Tensor) -> Tensors:
        seen: dict[str, list[Tensor]] = defaultdict(list)

        def tap(place: str, x: Tensor) -> Tensor:
            seen[place].append(x)
            return x

        self._call(parameters, constants, tokens, tap=tap, drop=untouched)
        return {place: torch.stack(sites) for place, sites in seen.items()}

    def _probed_loss(
        self, parameters: Tensors, sinks: Tensor, constants: Tensors, tokens: Tensor, targets: Tensor, key: Tensor
    ) -> tuple[Tensor, Tensors]:
        collector = Collector(sinks)
        loss = self._call(parameters, constants, tokens, targets, tap=collector, drop=self._drop(key))
        return loss, collector.values()


def _contiguous(gradients: Tensors) -> Tensors:
    """Lay gradients out as their parameters: how vmap leaves them depends on the number of lanes, and torch's
    fused AdamW reads memory in order, whatever the strides say."""
    return {name: gradient.contiguous() for name, gradient in gradients.items()}
