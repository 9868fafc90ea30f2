"""Power fails at any moment: a run that counts as finished has all its bytes, and what was finished stays."""

import shutil
from pathlib import Path

import pytest

from initlab.results.litter import clear_litter
from initlab.results.run_folder import RunDirectory
from tests.faults.disk import POLICIES, Operation, Policy, logged, replay
from tests.faults.lives import bury, litter, live, run_path, stored, wrong


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Operation], dict[str, bytes]]:
    sweep = tmp_path_factory.mktemp("logged") / "sweep"
    sweep.mkdir()
    with logged(sweep) as log:
        assert live(sweep)
    return log, stored(sweep)


def faults_after(log: list[Operation], to: Path, policy: Policy, seed: int, right: dict[str, bytes]) -> list[str]:
    """Let the power fail after these operations; return what is wrong then, and after the same is tried again."""
    replay(log, to, policy, seed)
    faults = []
    if run_path(to).is_dir():
        if found := wrong(to, right):
            faults.append(found)
        reading = RunDirectory(run_path(to)).reading(thorough=True)
        if reading.summary is not None and stored(to) != right:
            faults.append("a thorough reading took it for finished")
        if reading.state.status == "damaged":  # a sweep would put it into quarantine
            shutil.rmtree(run_path(to))
        else:
            bury(to)
    live(to)
    clear_litter(to)  # as the next sweep would, of a run that was finished before
    faults += [] if stored(to) == right else ["the next attempt ended otherwise"]
    return faults + ([f"left {left}"] if (left := litter(to)) else [])


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
        found = faults_after(log[:moment], tmp_path / f"{moment}", policy, moment, right)
        faults += [f"after {moment}, {log[moment - 1]}: {fault}" for fault in found]
        shutil.rmtree(tmp_path / f"{moment}")
    assert faults == []


def test_what_is_finished_is_there_after_the_power_failed(
    life: tuple[list[Operation], dict[str, bytes]], tmp_path: Path
) -> None:
    log, right = life
    for policy in POLICIES:
        replay(log, tmp_path / policy, policy)
        assert stored(tmp_path / policy) == right, policy


def test_rows_that_nobody_synced_would_be_noticed(
    life: tuple[list[Operation], dict[str, bytes]], tmp_path: Path
) -> None:
    """The twin: the same life without its syncs loses what it said it had stored."""
    log, right = life
    careless = [operation for operation in log if not (operation.kind == "sync" and "jsonl" in operation.path)]
    assert len(careless) == len(log) - 2
    replay(careless, tmp_path, "all names")
    assert stored(tmp_path) != right
