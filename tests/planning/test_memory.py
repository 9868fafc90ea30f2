"""What a lane needs of memory."""

from typing import Any

from initlab.network.topology import Dims
from initlab.planning.memory import CPU_SHARE, GPU_SHARE, free_bytes, lane_bytes
from initlab.spec.run import RunSpec, TrainSpec
from tests.planning.machines import gpu_machine, machine

SIZES: dict[str, Any] = {
    "n_layer": 2,
    "n_head": 4,
    "n_embd": 32,
    "vocab_size": 65,
    "block_size": 16,
    "ffn_hidden": 128,
}


def test_by_hand() -> None:
    """C=32, F=128, L=2, V=65, T=16, H=4, B=3, float32.

    Parameters: 2·(4·32² + 2·32·128) + (65 + 16)·32 = 24576 + 2592 = 27168, four times. Activations of 48 tokens: in
    each block 12·32 + 3·128 + 3·4·16 = 960, twice, and 3·65 = 195 at the end.
    """
    spec = RunSpec(train=TrainSpec(batch_size=3))
    assert lane_bytes(spec, Dims(**SIZES), fused=False) == 4 * (4 * 27168 + 48 * (2 * 960 + 195))
    assert lane_bytes(spec, Dims(**SIZES), fused=True) == 4 * (4 * 27168 + 48 * (2 * 768 + 195))


def test_float64_and_an_untied_head_take_more() -> None:
    single, double = (RunSpec(train=TrainSpec(precision=precision)) for precision in ("float32", "float64"))
    tied, untied = Dims(**SIZES), Dims(**SIZES, tied=False)
    assert lane_bytes(double, tied, fused=False) == 2 * lane_bytes(single, tied, fused=False)
    assert lane_bytes(single, untied, fused=False) - lane_bytes(single, tied, fused=False) == 16 * 65 * 32


def test_only_a_share_of_what_is_free_is_planned_with() -> None:
    assert free_bytes("cuda", gpu_machine(2**30)) == int(GPU_SHARE * 2**30)
    assert 2**26 < free_bytes("cpu", machine()) < CPU_SHARE * 2**50
