import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from initlab.machine import environment
from initlab.machine.environment import (
    KEEP_FREED_MEMORY,
    available_cores,
    cpu_name,
    git_sha,
    hardware,
    versions,
    worker_environment,
)


def test_versions_are_the_installed_ones() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["torch"] == metadata.version("torch")
    assert found["initlab"] == metadata.version("initlab")
    assert list(found) == ["python", *environment.PACKAGES]


def test_an_absent_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("no-such-package-anywhere",))
    assert versions()["no-such-package-anywhere"] is None


def test_every_dependency_is_listed() -> None:
    declared = [Requirement(text) for text in metadata.requires("initlab") or []]
    here = {one.name for one in declared if one.marker is None or one.marker.evaluate({"extra": ""})}
    assert here <= set(environment.PACKAGES)


def test_the_commit_is_a_sha_or_nothing() -> None:
    sha = git_sha()
    assert sha is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", sha)


def test_outside_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "initlab" / "environment.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_sha.__wrapped__() is None
    monkeypatch.setenv("PATH", "")
    assert git_sha.__wrapped__() is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot pin a process to cores")
def test_cores_are_those_this_process_may_use() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from initlab.machine.environment import available_cores; print(available_cores())"
    pinned = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert pinned.stdout.strip() == "1"
    assert available_cores() == len(os.sched_getaffinity(0))


def test_hardware_is_plain_data() -> None:
    found = hardware()
    assert found == {"platform": platform.platform(), "processor": cpu_name(), "cores": available_cores()}
    assert found["cores"] >= 1


def test_a_worker_has_one_thread_whatever_the_user_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "123")
    monkeypatch.setenv("INITLAB_TEST", "kept")
    found = worker_environment()
    assert (found["OMP_NUM_THREADS"], found["MKL_CBWR"]) == ("1", "AUTO,STRICT")
    assert found["MALLOC_TRIM_THRESHOLD_"] == "123", "how memory is kept is the user's to say"
    assert found["MALLOC_TOP_PAD_"] == KEEP_FREED_MEMORY["MALLOC_TOP_PAD_"]
    assert found["INITLAB_TEST"] == "kept"
