"""What a run costs, in operations, seconds and bytes, summed over the slots that its network has.

Nothing here knows which matrices a block has: a network with one more, such as a gated MLP's, costs one more.
"""

from collections.abc import Iterable

from initlab.network.slot_table import Network
from initlab.network.slots import FFN_INPUT_ROLES, Slot
from initlab.optimizers.rules import resolve
from initlab.planning.expand import PlannedRun
from initlab.spec.run import RunSpec

FLOPS_PER_SECOND = 85e9
SECONDS_PER_ENTRY = 40e-9
"""One core of a 2024 server CPU: matrix products, and what a step costs per entry of the residual stream besides.
An estimate where the machine was not measured; see docs/performance.md."""

COMPILED_TIME_SHARE = 0.8
"""Of the time of a step that is not compiled, on a CPU: 0.76 was measured with four lanes, 0.86 with one."""

WORKER_BYTES = 400 * 2**20
"""A process with torch imported, before it holds a network."""


def run_flops(run: PlannedRun) -> int:
    """Return the useful floating-point operations of one run's matrix products.

    A multiplication and an addition are two. The backward pass counts twice the forward one: a product for the
    gradient of each operand (PaLM, arXiv 2204.02311, appendix B).
    """
    forward = run.blueprint.network.matmul_flops_per_token
    return forward * (3 * _train_tokens(run.spec) + _eval_tokens(run.spec))


def run_seconds(run: PlannedRun, *, flops_per_second: float = FLOPS_PER_SECOND) -> float:
    """Return the estimated seconds of one run on one core."""
    entries = run.dims.n_layer * run.dims.n_embd * (_train_tokens(run.spec) + _eval_tokens(run.spec) / 3)
    return run_flops(run) / flops_per_second + entries * SECONDS_PER_ENTRY


def lane_bytes(run: PlannedRun, *, fused: bool) -> int:
    """Return an estimate of the bytes one lane needs while it trains: its parameters' state, and its activations.

    ``fused`` says that attention's weights are never stored.
    """
    size = 8 if run.spec.train.precision == "float64" else 4
    network = run.blueprint.network
    tokens = run.spec.train.batch_size * run.dims.block_size
    copies = 2 + len(resolve(run.spec.train.optimizer).entry.buffers)  # a parameter, its gradient, and its state
    return size * (copies * network.n_parameters + tokens * activation_entries(network, fused=fused))


def activation_entries(network: Network, *, fused: bool) -> int:
    """Return how many numbers one token of a full context leaves for the backward pass, gradients in flight included.

    In each block what every matrix reads and writes, once more what the activation makes of the hidden units, the
    stream after both branches, and attention's logits, weights and their gradient, of which ``fused`` keeps none. At
    the end the logits, their softmax and their gradient.
    """
    dims = network.dims
    weights = 0 if fused else 3 * dims.n_head * dims.block_size
    blocks = sum(map(_slot_entries, _matrices(network))) + dims.n_layer * (2 * dims.n_embd + weights)
    return blocks + 3 * dims.vocab_size


def _matrices(network: Network) -> Iterable[Slot]:
    return (slot for slot in network.slots if slot.is_hidden)


def _slot_entries(slot: Slot) -> int:
    hidden = slot.fan_out if slot.role in FFN_INPUT_ROLES else 0
    return slot.fan_in + slot.fan_out + hidden


def _train_tokens(spec: RunSpec) -> int:
    """Tokens of all batches that gradients are taken of; the last one is probed only."""
    return (spec.train.steps + 1) * spec.train.batch_size * spec.model.block_size


def _eval_tokens(spec: RunSpec) -> int:
    train = spec.train
    evaluations = 0 if train.steps == 0 else 1 + -(-train.steps // train.eval_interval)
    return evaluations * train.eval_batches * train.batch_size * spec.model.block_size
