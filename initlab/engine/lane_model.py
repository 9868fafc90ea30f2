"""The single-run loss, mapped over lanes: the one place where the lane axis is added."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from torch.utils._pytree import tree_leaves, tree_map

from initlab.engine.compiler import compiled
from initlab.engine.dropout import CounterDropout
from initlab.engine.stateless import Stateless
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.model.gpt import GPT, skeleton
from initlab.model.layers import Hook, identity
from initlab.network.slot_table import Network
from initlab.probes.collect import Collector, n_sites
from initlab.probes.reductions import PROBES, Probe

Tensors: TypeAlias = dict[str, Tensor]

SINKS = "grad_rms of every site"
"""Among the leaves of a probed step, beside the slots: (N, sites) zeros whose gradients are the stream's moments."""


@dataclass(frozen=True)
class Batch:
    """One step's input of every lane."""

    tokens: Tensor  # (N, B, T)
    targets: Tensor  # (N, B, T)
    keys: Tensor  # (N,), of the dropout masks


class LaneModel:
    """N networks of one shape as one batched function. All tensors have a leading lane axis.

    Gradients are taken of ``parameters``. A tensor among ``constants`` is a factor on the parameter of that name, or,
    where no parameter has its name, a slot that never moves. ``probes`` are what a probed step measures, by name;
    None means every probe that is registered.
    """

    def __init__(
        self,
        network: Network,
        activation: Callable[[Tensor], Tensor],
        dropout: float,
        execution: Execution | None = None,
        probes: Mapping[str, Probe] | None = None,
    ) -> None:
        execution = execution or Execution()
        self.probes = dict(PROBES.items()) if probes is None else probes
        # torch has no batching rule for the CPU's fused attention: vmap would be a slow loop over lanes. And dropout
        # is of attention's weights, which the fused kernel never shows.
        has_rule = execution.lanes == 1 or execution.device != "cpu"
        self._fused = execution.fused and has_rule and not dropout
        stateless = _compilable if execution.compiled else Stateless  # torch.compile cannot follow Stateless
        self._model = stateless(skeleton(network, activation, fused=self._fused))
        self._tappable = stateless(skeleton(network, activation))  # fused attention hides what the taps look at
        self._sites = n_sites(network.dims.n_layer)
        self._dropout = dropout
        self._execution = execution
        together = execution.lanes > 1
        # vmap's gradients of x @ weight.mT come transposed; an embedding's, one lane's and a compiled step's do not.
        by_vmap = together and not execution.compiled
        matrices = {slot.name for slot in network.slots if slot.is_linear and not slot.is_embedding}
        self._transposed = matrices if by_vmap else set()
        self._train = differentiated(self._loss, together)
        if execution.compiled:
            step = grad_and_value(self._loss)
            self._train = compiled(vmap(step), execution) if together else _one_by_one(compiled(step, execution))
        self._probe = differentiated(self._probed_loss, together)
        self._evaluate = vmap(self._eval_loss) if together else _one_by_one(self._eval_loss)

    def match_strides(self, parameters: Tensors) -> Tensors:
        """Return the parameters with matrices in memory as their gradients come, input by output.

        So these need no copy; shapes stay (N, out, in).
        """
        return {name: x.mT.contiguous().mT if name in self._transposed else x for name, x in parameters.items()}

    def step(self, parameters: Tensors, constants: Tensors, batch: Batch) -> tuple[Tensors, Tensor]:
        """Return gradients and the (N,) losses in nats per token."""
        with matmul_precision(self._execution.matmul_precision):
            gradients, losses = self._train(parameters, constants, batch.tokens, batch.targets, batch.keys)
        return _match_strides(gradients, parameters), losses

    def probe(self, parameters: Tensors, constants: Tensors, batch: Batch) -> tuple[Tensors, Tensor, Tensors]:
        """Return what ``step`` does, and the probes' values: (N, sites) each.

        A step that is compiled or fuses attention rounds differently from the one that measures, so losses and
        gradients then are that step's own: probing must change nothing.
        """
        lanes = batch.tokens.shape[0]
        dtype = next(iter(parameters.values())).dtype
        sinks = torch.zeros(lanes, self._sites, dtype=dtype, device=batch.tokens.device)
        with matmul_precision(self._execution.matmul_precision):
            gradients, (losses, values) = self._probe(
                {**parameters, SINKS: sinks}, constants, batch.tokens, batch.targets, batch.keys
            )
        values = {**values, "grad_rms": gradients.pop(SINKS).sqrt()}
        if self._execution.compiled or self._fused:
            gradients, losses = self.step(parameters, constants, batch)
        return _match_strides(gradients, parameters), losses, values

    def evaluate(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the (N,) losses without dropout, of (N, B, T) tokens and targets."""
        with torch.no_grad(), matmul_precision(self._execution.matmul_precision):
            return self._evaluate(parameters, constants, tokens, targets)

    def _call(self, parameters: Tensors, constants: Tensors, *args: Any, tap: Hook, drop: Hook) -> Tensor:
        scaled = {name: p * constants[name] if name in constants else p for name, p in parameters.items()}
        with _rounded_operands(self._execution):
            model = self._model if tap is identity else self._tappable
            loss: Tensor = model({**constants, **scaled}, *args, tap=tap, drop=drop)[1]
            return loss

    def _drop(self, key: Tensor) -> Hook:
        return CounterDropout(self._dropout, key) if self._dropout else identity

    def _loss(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor, key: Tensor) -> Tensor:
        return self._call(parameters, constants, tokens, targets, tap=identity, drop=self._drop(key))

    def _eval_loss(self, parameters: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor) -> Tensor:
        return self._call(parameters, constants, tokens, targets, tap=identity, drop=identity)

    def _probed_loss(
        self, leaves: Tensors, constants: Tensors, tokens: Tensor, targets: Tensor, key: Tensor
    ) -> tuple[Tensor, Tensors]:
        parameters = {name: x for name, x in leaves.items() if name != SINKS}
        collector = Collector(leaves[SINKS], self.probes)
        loss = self._call(parameters, constants, tokens, targets, tap=collector, drop=self._drop(key))
        return loss, collector.values()


def _compilable(network: GPT) -> Callable[..., Any]:
    """Return the network as a function of its tensors that torch.compile can follow."""

    def call(tensors: Tensors, *args: Any, **hooks: Any) -> Any:
        return functional_call(network, tensors, args, hooks)

    return call


def differentiated(function: Callable[..., Any], together: bool) -> Callable[..., Any]:
    """Return a function of stacked leaves that returns their gradients, and what ``function`` does of every lane.

    ``function`` returns a loss, alone or first. What ``torch.func.grad_and_value`` does with one graph less: that
    records its own backward pass, for a tenth of a step, and has every worker import the compiler.
    """
    over_lanes = vmap(function) if together else function

    def run(leaves: Tensors, *rest: Any) -> tuple[Tensors, Any]:
        leaves = {name: x.detach().requires_grad_() for name, x in leaves.items()}
        results = over_lanes(leaves, *rest)
        losses = results[0] if isinstance(results, tuple) else results
        # No lane's loss depends on another's leaves, so the gradient of the sum is every lane's own.
        gradients = torch.autograd.grad(losses.sum(), list(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, gradients, strict=True)), tree_map(Tensor.detach, results)

    return run if together else _one_by_one(run)


def _match_strides(gradients: Tensors, parameters: Tensors) -> Tensors:
    """Return gradients in memory as their parameters: torch's fused kernels read memory in order, not by strides."""
    return {
        name: x if x.stride()[1:] == parameters[name].stride()[1:] else torch.empty_like(parameters[name]).copy_(x)
        for name, x in gradients.items()
    }


def _one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """What ``vmap`` does, lane after lane: each a network by itself, whose kernels can do more at once."""

    def run(*stacked: Any) -> Any:
        lanes = range(tree_leaves(stacked)[0].shape[0])
        results = [function(*tree_map(lambda x, n=n: x[n], stacked)) for n in lanes]
        if len(results) == 1:
            return tree_map(lambda x: x.unsqueeze(0), results[0])
        return tree_map(lambda *xs: torch.stack(xs), *results)

    return run


@contextmanager
def matmul_precision(precision: MatmulPrecision) -> Iterator[None]:
    """Multiply float32 matrices inside a ``with`` block at ``precision``; float64 has only one."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "highest" else "medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _rounded_operands(execution: Execution) -> AbstractContextManager[Any]:
    """bfloat16 products: autocast rounds their operands; weights, norms, softmax and loss stay float32."""
    if execution.matmul_precision != "bfloat16":
        return nullcontext()
    # A pass casts every weight once: a cache of casts would hold memory and spare nothing.
    return torch.autocast(execution.device.partition(":")[0], torch.bfloat16, cache_enabled=False)
