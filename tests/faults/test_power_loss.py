"""Power fails at any moment: a run that counts as finished has all its bytes, and what was finished stays."""

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.disk import POLICIES, Operation, Policy, logged, replay
from tests.faults.lives import live, stored
from tests.faults.powerless import life_after, logged_sweep, sweep_after


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Operation], dict[str, bytes]]:
    sweep = tmp_path_factory.mktemp("logged") / "sweep"
    sweep.mkdir()
    with logged(sweep) as log:
        assert live(sweep)
    return log, stored(sweep)


@pytest.mark.parametrize("policy", POLICIES)
def test_after_every_operation(
    policy: Policy, life: tuple[list[Operation], dict[str, bytes]], tmp_path: Path
) -> None:
    log, right = life
    assert len(log) > 50, "or nothing was logged"
    kinds = {operation.kind for operation in log}
    assert kinds == {"create", "write", "sync", "link", "rename", "mkdir", "remove"}
    faults = []
    for moment in range(len(log) + 1):
        found = life_after(log[:moment], tmp_path / f"{moment}", policy, f"{moment}", right)
        faults += [f"after {moment}, {log[moment - 1]}: {fault}" for fault in found]
        shutil.rmtree(tmp_path / f"{moment}")
    assert faults == []


def test_what_is_finished_is_there_after_the_power_failed(
    life: tuple[list[Operation], dict[str, bytes]], tmp_path: Path
) -> None:
    log, right = life
    for policy in POLICIES:
        replay(log, tmp_path / policy, policy, random.Random(1))
        assert stored(tmp_path / policy) == right, policy


def test_rows_that_nobody_synced_would_be_noticed(
    life: tuple[list[Operation], dict[str, bytes]], tmp_path: Path
) -> None:
    """The twin: the same life without its syncs loses what it said it had stored."""
    log, right = life
    careless = [operation for operation in log if not (operation.kind == "sync" and "jsonl" in operation.path)]
    assert len(careless) == len(log) - 2
    replay(careless, tmp_path, "all names", random.Random(1))
    assert stored(tmp_path) != right


@pytest.mark.usefixtures("one_thread")
def test_a_whole_sweep_after_operations_that_are_drawn(tmp_path: Path) -> None:
    log, right = logged_sweep(tmp_path / "logged")
    assert {path for one in log for path in (one.path, one.to)} >= {"sweep.json", "spec.resolved.json"}
    dice = random.Random(14)
    for _ in range(12):
        moment, policy = dice.randrange(len(log)), dice.choice(POLICIES)
        to = tmp_path / f"{moment} {policy}"
        assert sweep_after(log[:moment], to, policy, f"{moment}", right) == [], (moment, policy, log[moment - 1])
