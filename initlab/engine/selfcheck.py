"""Whether lanes are independent on this machine: what resuming and ``--jobs`` rely on, checked in a second."""

import torch

from initlab.data.corpora import load_corpus
from initlab.engine.group import Group
from initlab.machine.execution import Execution, MatmulPrecision
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec


def lanes_are_independent(precision: MatmulPrecision = "highest") -> bool:
    """Train one small run alone and beside two others, as workers do: on one thread.

    True when every record of it is bit-identical.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _alone_equals_together(Execution(matmul_precision=precision))
    finally:
        torch.set_num_threads(threads)


def _alone_equals_together(execution: Execution) -> bool:
    model = ModelSpec(n_layer=2, n_head=2, n_embd=32, block_size=16)
    train = TrainSpec(steps=5, batch_size=4, eval_batches=2)
    specs = [RunSpec(model=model, train=train, seed=seed) for seed in range(3)]
    corpus = load_corpus("synthetic")
    together = _records(Group(specs, [corpus] * 3, execution), lane=1)
    return together == _records(Group(specs[1:2], [corpus], execution), lane=0)


def _records(group: Group, lane: int) -> list[tuple[str, object]]:
    return [(record.kind, record.row) for record in group.run() if record.lane == lane]
