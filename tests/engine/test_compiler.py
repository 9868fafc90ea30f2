"""A compiled step is the same step, and one that cannot be compiled runs as it is."""

import shutil
from typing import Any

import pytest
import torch

from initlab.data.corpora import load_corpus
from initlab.engine.compiler import MOST_GRAPHS, can_compile, compiled
from initlab.engine.group import Group
from initlab.machine.execution import Execution
from initlab.spec.run import ModelSpec, RunSpec, TrainSpec


def losses(execution: Execution, **train: Any) -> list[list[float]]:
    model = ModelSpec(n_layer=1, n_head=2, n_embd=16, block_size=8)
    settings = TrainSpec(steps=10, batch_size=2, eval_batches=1, **train)
    specs = [RunSpec(model=model, train=settings, init=init) for init in ("gpt2", "depth-scaled")]
    found: list[list[float]] = [[], []]
    for record in Group(specs, [load_corpus("synthetic")] * 2, execution).run():
        if record.kind == "metrics":
            found[record.lane].append(record.row["train_loss"])
    return found


def fake_compiler(monkeypatch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    """Stand in for torch.compile, which takes a minute: rounds differently, as it does."""

    def compile_(step: Any, **options: Any) -> Any:
        seen.append(options)

        def run(*args: Any) -> Any:
            gradients, found = step(*args)
            return gradients, found * (1 + 2**-20)

        return run

    monkeypatch.setattr(torch, "compile", compile_)


def test_probing_a_compiled_step_changes_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    fake_compiler(monkeypatch, seen)
    execution = Execution("cpu", "highest", 4, compiled=True)
    assert losses(execution, probe_interval=1) == losses(execution, probe_interval=10)
    assert losses(execution) != losses(Execution("cpu", "highest", 4))
    assert seen[0] == {"dynamic": False, "mode": "default"}


def test_a_compiled_network_has_its_number_of_lanes_whoever_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU every number of lanes is another network; padding fills it up and leaves no record."""
    computed: list[int] = []

    def compile_(step: Any, **options: Any) -> Any:
        def run(*args: Any) -> Any:
            computed.append(len(args[2]))
            return step(*args)

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    filled = losses(Execution("cpu", "highest", 4, compiled=True))
    assert set(computed) == {4}
    assert filled == losses(Execution("cpu", "highest", 4))
    computed.clear()
    assert losses(Execution("cpu", "highest", 1, compiled=True)) == losses(Execution("cpu", "highest", 1))
    assert set(computed) == {2}, "one lane is compiled as a network of its own: its (2, T) tokens"


def test_torch_does_not_stop_compiling_after_a_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_compiler(monkeypatch, [])
    compiled(lambda: None, Execution())
    assert torch._dynamo.config.recompile_limit == torch._dynamo.config.accumulated_recompile_limit == MOST_GRAPHS


@pytest.mark.parametrize("lanes", [1, 4])
def test_what_cannot_be_compiled_runs_as_it_is(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(step: Any, **options: Any) -> Any:
        def run(*args: Any) -> Any:
            raise torch._dynamo.exc.Unsupported("no such thing")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.warns(RuntimeWarning, match="not compiled, which costs speed alone: no such thing"):
        found = losses(Execution("cpu", "highest", lanes, compiled=True))
    assert found == losses(Execution("cpu", "highest", lanes))


def test_an_error_of_the_run_itself_is_not_taken_for_the_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError("planted")

    monkeypatch.setattr(torch, "compile", lambda step, **options: step)
    with pytest.raises(ValueError, match="planted"):
        compiled(broken, Execution())(1)


def test_a_gpu_gets_cuda_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    fake_compiler(monkeypatch, seen)
    compiled(lambda: None, Execution("cuda"))
    assert seen[0]["mode"] == "reduce-overhead"


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not can_compile("cpu")


@pytest.mark.slow
@pytest.mark.skipif(not can_compile("cpu"), reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_by_torch_losses_differ_by_rounding_alone() -> None:
    plain, fast = losses(Execution("cpu", "highest", 1)), losses(Execution("cpu", "highest", 1, compiled=True))
    for one, other in zip(plain, fast, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
