"""What a run costs, against numbers derived by hand and against what torch does when the network really runs."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from initlab.network.slot_table import Network
from initlab.planning.cost import activation_entries, lane_bytes, run_flops, run_seconds
from initlab.planning.expand import PlannedRun, expand
from initlab.spec.sweep import Grid, SweepSpec
from tests.networks import holding, random_values

SIZES: dict[str, Any] = {"model.n_layer": 2, "model.n_head": 4, "model.n_embd": 32, "model.block_size": 16}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gated": {"activation": "swiglu"},
    "gated, as many parameters": {"activation": "geglu", "model.ffn_matched": True, "model.n_embd": 48},
    "untied, rotary, without biases": {"model.tied": False, "model.positions": "rotary", "model.bias": False},
    "parallel, RMSNorm, qk_norm": {"model.parallel": True, "model.norm": "rmsnorm", "model.qk_norm": True},
    "relative positions, multipliers": {"model.positions": "relative", "init": "u-mup"},
}


def planned(**fixed: Any) -> PlannedRun:
    named = {key.replace("__", "."): value for key, value in fixed.items()}
    (run,) = expand(SweepSpec(fixed={**SIZES, "model.vocab_size": 70, **named}, grids=(Grid({"seed": [0]}),)))
    return run


def network(fixed: dict[str, Any]) -> Network:
    return planned(**fixed).blueprint.network


def two_matrices(run: PlannedRun) -> int:
    """Forward operations a token of a planner that counts two matrices in every MLP."""
    dims = run.dims
    matrices = dims.n_layer * (4 * dims.n_embd**2 + 2 * dims.n_embd * dims.ffn_hidden) + dims.vocab_size * dims.n_embd
    return 2 * matrices + 4 * dims.n_layer * dims.block_size * dims.n_embd


@pytest.mark.parametrize(
    ("activation", "tied", "forward"),
    [
        # C=16, F=64, T=8, V=70, one layer: 4·16² + 2·16·64 + 70·16 = 4192 weights, and 4·8·16 for attention.
        ("gelu", True, 2 * 4192 + 512),
        ("gelu", False, 2 * 4192 + 512),  # the table of an untied network is looked up, not multiplied with
        ("swiglu", True, 2 * (4192 + 16 * 64) + 512),
        ("swiglu", False, 2 * (4192 + 16 * 64) + 512),
    ],
)
def test_flops_by_hand(activation: str, tied: bool, forward: int) -> None:
    """Trained: 3 × forward × 11 batches of 12·8 tokens (the last one is probed only); evaluated at step 0 and 10."""
    sizes = {"model.n_layer": 1, "model.n_head": 2, "model.n_embd": 16, "model.block_size": 8}
    run = planned(**sizes, activation=activation, model__tied=tied, train__steps=10)
    assert run_flops(run) == forward * (3 * 11 * 12 * 8 + 2 * 20 * 12 * 8)
    assert (two_matrices(run) == forward) == (activation == "gelu"), "two matrices are not enough for gated MLPs"


@pytest.mark.parametrize("fixed", NETWORKS.values(), ids=NETWORKS)
def test_flops_of_a_step_as_torch_counts_them(fixed: dict[str, Any]) -> None:
    """Torch counts 2·m·k·n for every product of m × k by k × n that runs, masked ones too. So do we, exactly."""
    run = planned(**fixed, train__steps=0, train__batch_size=3)
    model = holding(run.blueprint.network, random_values(run.blueprint.network.slots), run.spec.activation)
    tokens = torch.randint(run.dims.vocab_size, (3, run.dims.block_size))
    with FlopCounterMode(display=False) as counter:
        loss = model(tokens, tokens)[1]
        loss.backward()
    assert run_flops(run) == counter.get_total_flops()
    assert (3 * 3 * run.dims.block_size * two_matrices(run) == counter.get_total_flops()) == (not run.dims.gated)


def test_a_faster_machine_spends_less_on_products_alone() -> None:
    run = planned()
    slow, fast = (run_seconds(run, flops_per_second=rate) for rate in (1e9, 2e9))
    assert slow - fast == pytest.approx(run_flops(run) / 2e9)


def test_bytes_by_hand() -> None:
    """C=32, F=128, L=2, V=70, T=16, H=4, B=3, float32, no biases.

    Parameters: a block has 4·32² + 2·32·128 = 12288 in matrices and 2·32 in norms; (70 + 16)·32 = 2752 in tables and
    32 in the last norm: 27488, four times. Activations of 48 tokens: in each block 8·32 around attention's matrices,
    2·(32 + 128) around the MLP's, 128 of the activation, 2·32 of the stream and 3·4·16 of attention: 960, twice, and
    3·70 = 210 at the end.
    """
    run = planned(train__batch_size=3, model__bias=False)
    assert lane_bytes(run, fused=False) == 4 * (4 * 27488 + 48 * (2 * 960 + 210))
    assert lane_bytes(run, fused=True) == 4 * (4 * 27488 + 48 * (2 * 768 + 210))
    sgd = planned(train__batch_size=3, model__bias=False, train__optimizer="sgd")  # one buffer, where AdamW has two
    assert lane_bytes(sgd, fused=False) == 4 * (3 * 27488 + 48 * (2 * 960 + 210))


def test_bytes_of_a_gated_mlp_by_hand() -> None:
    """A third matrix of 32·128 a block; it reads 32, writes 128, and the activation makes 128 more of those."""
    plain, gated = (planned(train__batch_size=3, model__bias=False, activation=name) for name in ("silu", "swiglu"))
    more = lane_bytes(gated, fused=False) - lane_bytes(plain, fused=False)
    assert more == 4 * (4 * 2 * 32 * 128 + 48 * 2 * (32 + 2 * 128))


def test_float64_and_an_untied_head_take_more() -> None:
    single, double = (planned(train__precision=precision) for precision in ("float32", "float64"))
    assert lane_bytes(double, fused=False) == 2 * lane_bytes(single, fused=False)
    untied = planned(model__tied=False)
    assert lane_bytes(untied, fused=False) - lane_bytes(single, fused=False) == 4 * 4 * 70 * 32


@pytest.mark.parametrize("fixed", NETWORKS.values(), ids=NETWORKS)
def test_activations_are_about_what_autograd_keeps(fixed: dict[str, Any]) -> None:
    """Gradients in flight come on top of what autograd keeps: more is planned for, and less than twice as much.

    Of what it keeps, masks and positions are shared by all sequences: with 8 of them they are an eighth of one's.
    """
    described = network(fixed)
    model = holding(described, random_values(described.slots), planned(**fixed).spec.activation)
    tokens = torch.randint(described.dims.vocab_size, (8, described.dims.block_size))
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in parameters and x.is_floating_point():
            kept[storage.data_ptr()] = storage.nbytes() // 4
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        model(tokens, tokens)
    measured, estimate = sum(kept.values()) / tokens.numel(), activation_entries(described, fused=False)
    assert measured < estimate < 2 * measured
