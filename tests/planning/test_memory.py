"""The memory a sweep may plan with."""

from initlab.planning.memory import CPU_SHARE, GPU_SHARE, free_bytes
from tests.planning.machines import gpu_machine, machine


def test_only_a_share_of_what_is_free_is_planned_with() -> None:
    assert free_bytes("cuda", gpu_machine(2**30)) == int(GPU_SHARE * 2**30)
    assert 2**26 < free_bytes("cpu", machine()) < CPU_SHARE * 2**50
