"""``initlab gate`` and ``initlab claims`` from outside, on real sweeps."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.run import initlab
from tests.tiny import FLAGS

GATES = """
[drift]
[[gate]]
id = "loss"
metric = "final_loss"
max_regression = "2%"
floor = 0.01
[[gate]]
id = "growth"
metric = "growth"
max = 50
seeds = "every"
"""
CLAIMS = """
title = "A test"
[[claim]]
id = "out-projections"
text = "Residual projections are scaled down by depth"
[[claim.law]]
init = "nanogpt"
roles = ["attn_out", "ffn_down"]
equals = 0.02
times = "1/sqrt(2*n_layer)"
[[claim]]
id = "grows"
metric = "growth"
max = 0.5
"""


def _sweep(folder: Path, *flags: str) -> Path:
    done = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--jobs", "1", "-o", str(folder), *flags)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gates")
    (folder / "gates.toml").write_text(GATES)
    (folder / "claims.toml").write_text(CLAIMS)
    return _sweep(folder / "base", "--lr", "1e-2")


@pytest.fixture(scope="module")
def worse(baseline: Path) -> Path:
    return _sweep(baseline.parent / "worse", "--lr", "1e-5")


def test_the_same_sweep_is_green(baseline: Path) -> None:
    done = initlab("gate", str(baseline), str(baseline.parent), "--baseline", str(baseline), "--json", "--strict")
    assert done.code == 0, done.err
    assert {verdict["verdict"] for verdict in done.json["verdicts"]} == {"pass"}
    assert set(done.json["verdicts"][0]) >= {"id", "text", "verdict", "value", "limit", "ci", "n", "reason"}
    assert len(done.json["verdicts"]) == 6


def test_a_changed_learning_rate_is_red_and_named(baseline: Path, worse: Path, tmp_path: Path) -> None:
    summary, output, junit = tmp_path / "s.md", tmp_path / "o", tmp_path / "deep" / "j.xml"
    command = ("gate", str(worse), str(baseline.parent / "gates.toml"), "--baseline", str(baseline))
    done = initlab(
        *(*command, "--junit", str(junit)),
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_OUTPUT=str(output),
    )
    assert done.code == 1
    assert "train.lr 0.01 -> 1e-05" in done.out
    assert "::error title=config-drift::" in done.out
    assert "verdict=fail" in output.read_text()
    assert "config-drift" in summary.read_text()
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    quiet = initlab(*command, "--json", GITHUB_ACTIONS="true")
    assert quiet.code == 1
    assert json.loads(quiet.out)["verdicts"], "annotations go to stderr where stdout is a document"


def test_missing_runs_are_no_verdict(baseline: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(baseline, torn)
    shutil.rmtree(next(iter(sorted((torn / "runs").iterdir()))))
    done = initlab("gate", str(torn), str(baseline.parent), "--baseline", str(baseline))
    assert done.code == 3
    assert "missing" in done.out
    assert initlab("claims", str(torn), str(baseline.parent)).code == 3


def test_open_questions_fail_only_under_strict(baseline: Path, tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(
        '[[gate]]\nid = "x"\nmetric = "final_loss"\nwhere = {init = "gpt2"}\nmax = 0\n'
    )
    single = _sweep(tmp_path / "single", "--seeds", "1")
    assert initlab("gate", str(single), str(tmp_path)).code == 0
    assert initlab("gate", str(single), str(tmp_path), "--strict").code == 4


def test_claims(baseline: Path) -> None:
    done = initlab("claims", str(baseline), str(baseline.parent), "--json")
    assert done.code == 0, "a refuted claim is a result"
    first, second = done.json["verdicts"]
    assert (first["id"], first["verdict"]) == ("out-projections", "SUPPORTED")
    assert (second["id"], second["verdict"]) == ("grows", "REFUTED")
    assert second["value"] > 0.5
    shown = initlab("claims", str(baseline), str(baseline.parent))
    assert "SUPPORTED" in shown.out
    assert "Residual projections" in shown.out
    assert "seeds cannot see" in shown.err
    by_file = initlab("claims", str(baseline), str(baseline.parent), "--family", "file", "--json")
    assert (by_file.code, by_file.json["family"], done.json["family"]) == (0, "file", "claim")
    assert "cannot see" in done.json["blind_spot"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gate", "{base}", "absent.toml"], "no such gates file"),
        (["gate", "absent", "{folder}"], "no such folder"),
        (["gate", "{base}", "{folder}"], "--baseline DIR"),
        (["gate", "{base}", "{folder}", "--baseline", "absent"], "no such folder"),
        (["gate", "{base}", "{folder}/claims.toml"], "unknown key"),
        (["claims", "{base}", "{folder}/gates.toml"], "unknown key"),
        (["claims", "{base}", "{folder}", "--family", "fil"], "did you mean 'file'"),
        (["claims", "{base}", "{folder}", "--junit", "{folder}/gates.toml/x.xml"], "cannot write"),
    ],
)
def test_mistakes_are_one_message_and_exit_2(baseline: Path, arguments: list[str], message: str) -> None:
    done = initlab(*(one.format(base=baseline, folder=baseline.parent) for one in arguments))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
