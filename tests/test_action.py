"""The GitHub Action: its inputs are declared, none is pasted into a script, and its gate step calls what exists."""

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from initlab.verdicts.statement import read_gates

ROOT = Path(__file__).parents[1]
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")


def _declared(section: str) -> set[str]:
    body = re.search(rf"^{section}:\n(.*?)(?=^\S)", ACTION, re.M | re.S)
    assert body
    return set(re.findall(r"^  ([\w-]+):$", body[1], re.M))


def _scripts() -> dict[str, str]:
    """Return the shell scripts of the named steps."""
    found = re.findall(r"- name: ([\w ]+)\n(?:      .*\n)*?      run: (?:\|\n((?:        .*\n|\n)+)|(.*)\n)", ACTION)
    return {name: textwrap.dedent(block) or line for name, block, line in found}


def test_every_input_that_is_used_is_declared_and_the_other_way_round() -> None:
    assert set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", ACTION)) == _declared("inputs")
    assert _declared("outputs") == {"verdict", "report-path"}


def test_scripts_contain_no_expressions() -> None:
    scripts = _scripts()
    assert set(scripts) == {"Install initlab", "Sweep", "Gate"}
    assert not [name for name, script in scripts.items() if "${{" in script]


def _gate_step(tmp_path: Path, **env: str) -> list[str]:
    """Run the step with a stand-in for initlab; return the arguments that it got."""
    stub = tmp_path / "bin" / "initlab"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    given = dict.fromkeys(("GATES", "BASELINE", "MAX_REGRESSION"), "")
    given |= {"SPEC": "experiments/ci", "OUT": "out", "METRIC": "final_loss", "STRICT": "false", **env}
    path = f"{stub.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-e", "-o", "pipefail", "-c", _scripts()["Gate"]],
        env={**os.environ, **given, "PATH": path, "RUNNER_TEMP": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, ["gate", "out", "experiments/ci", "--junit", "out/junit.xml"]),
        ({"SPEC": "experiments/ci/sweep.toml"}, ["gate", "out", "experiments/ci", "--junit", "out/junit.xml"]),
        (
            {"GATES": "my gates.toml", "BASELINE": "a b", "STRICT": "true"},
            ["gate", "out", "my gates.toml", "--junit", "out/junit.xml", "--baseline", "a b", "--strict"],
        ),
    ],
)
def test_the_gate_step(tmp_path: Path, env: dict[str, str], expected: list[str]) -> None:
    assert _gate_step(tmp_path, **env) == expected


def test_a_regression_without_a_gates_file(tmp_path: Path) -> None:
    arguments = _gate_step(tmp_path, MAX_REGRESSION="2%", METRIC='final"_loss')
    assert arguments[2] == str(tmp_path / "gates.toml"), "a quote in an input ends no string"
    gates, _ = read_gates(tmp_path / "gates.toml")
    assert gates.gate[0].max_regression == pytest.approx(0.02)
    assert gates.drift is not None


def test_the_gates_of_ci_are_read() -> None:
    gates, _ = read_gates(ROOT / "experiments" / "ci")
    assert gates.needs_baseline
    assert {gate.id for gate in gates.gate} >= {"loss", "diverged", "ranking"}
