"""``initlab sweep`` from outside: documents, exit codes, and one message for every mistake."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import typer

from initlab.cli.sweep import Terminated, _run, _sigterm_raises
from initlab.results.run_folder import RunWriter, mark_failed
from tests.cli.run import initlab
from tests.tiny import FLAGS, tiny_sweep


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept") / "x"
    done = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--seeds", "3", "-o", str(folder), "--jobs", "1")
    assert done.code == 0, done.err

    return folder


def test_the_table_is_on_stdout_and_progress_on_stderr(swept: Path) -> None:
    again = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--seeds", "3", "-o", str(swept))
    assert again.code == 0
    assert "6 already stored" in again.err
    assert "\x1b" not in again.out + again.err, "no escapes without a terminal"
    assert "gpt2" in again.out
    assert "nanogpt" in again.out
    assert (swept / "report" / "index.html").exists()


def test_the_json_document(swept: Path) -> None:
    done = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--seeds", "3", "-o", str(swept), "--json")
    document = done.json
    assert document["path"] == str(swept)
    assert len(document["runs"]) == 6
    run = document["runs"][0]
    assert set(run) >= {
        *("id", "init", "activation", "seed", "status", "steps", "train_loss", "val_loss", "residual_ms"),
        *("axes", "wall_seconds"),
    }
    assert (run["init"], run["activation"], run["seed"], run["status"]) == ("gpt2", "gelu", 0, "finished")
    assert run["steps"] == 6
    assert len(run["residual_ms"]) == 2, "after the embedding and after each block"
    assert run["wall_seconds"] > 0


def test_failed_diverged_and_missing_runs_are_named_everywhere(swept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    shutil.copytree(swept, folder)
    ids = [run["id"] for run in initlab("status", str(folder), "--json").json["runs"]]
    failed, diverged, missing = ids[:3]
    for run in (failed, diverged, missing):
        shutil.rmtree(folder / "runs" / run)
    mark_failed(folder / "runs" / failed, "planted failure")
    writer = RunWriter.open(folder / "runs" / diverged, {}, {})
    assert writer is not None
    writer.finish({"id": diverged, "diverged": True, "diverged_at": 3, "reason": "planted divergence"})

    status = initlab("status", str(folder), "--json").json
    assert (status["counts"]["failed"], status["counts"]["diverged"], status["counts"]["missing"]) == (1, 1, 1)
    report = initlab("report", str(folder))
    assert report.code == 0
    pages = [
        report.out,
        (folder / "report" / "report.md").read_text(),
        (folder / "report" / "index.html").read_text(),
    ]
    for page in pages:
        for run, word in ((failed, "planted failure"), (diverged, "planted divergence"), (missing, "missing")):
            assert run in page
            assert word in page
    retried = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--seeds", "3", "-o", str(folder), "--retry", "none")
    assert retried.code == 3, "a failed run without a result"
    resumed = initlab("sweep", *FLAGS, "--init", "gpt2,nanogpt", "--seeds", "3", "-o", str(folder))
    assert resumed.code == 0, "divergence alone is a result"
    assert "planted divergence" in resumed.out


def test_a_learning_rate_far_too_high_diverges_and_exits_0(tmp_path: Path) -> None:
    done = initlab("sweep", *FLAGS, "--lr", "10", "--seeds", "1", "--jobs", "1", "-o", str(tmp_path / "x"), "--json")
    assert done.code == 0, done.err
    assert done.json["runs"][0]["status"] == "diverged"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = initlab("sweep", *FLAGS, "--dry-run", "-o", str(tmp_path / "x"))
    assert done.code == 0
    assert "3 runs, 3 to train" in done.out
    assert list(tmp_path.iterdir()) == []


def test_with_nothing_said_the_quickstart_is_planned(tmp_path: Path) -> None:
    done = initlab("sweep", "--dry-run", "--json", cwd=tmp_path)
    runs = done.json["runs"]
    trained = [run for run in runs if run["axes"]["train.steps"] > 0]
    ties = {"pytorch", "pytorch:tie=embedding", "pytorch:tie=none"}
    assert {run["init"] for run in trained} == {"gpt2", "depth-scaled", *ties}
    assert {run["activation"] for run in trained} == {"gelu", "relu"}
    assert {run["axes"]["model.n_layer"] for run in trained} == {2, 8}
    assert {run["seed"] for run in trained} == {0, 1}


def test_flags_win_over_the_spec_file(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text('name = "x"\n[train]\nsteps = 5\n[sweep]\ninit = ["gpt2", "pytorch"]\n')
    done = initlab("sweep", str(tmp_path), "--init", "nanogpt", "--set", "train.lr=1e-3,2e-3", "--dry-run", "--json")
    assert [(run["init"], run["axes"]) for run in done.json["runs"]] == [
        ("nanogpt", {"train.lr": 1e-3}),
        ("nanogpt", {"train.lr": 2e-3}),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--init", "gtp2"], "did you mean 'gpt2'"),
        (["--init", "gpt2:sdt=0.1"], "did you mean 'std'"),
        (["--activation", "geluu"], "did you mean 'gelu'"),
        (["--corpus", "synthetik"], "did you mean 'synthetic'"),
        (["--n-embd", "100", "--n-head", "3"], "not divisible"),
        (["--n-layer", "-1"], "greater than 0"),
        (["--n-layer", "two"], "expected a whole number"),
        (["--set", "model.n_layr=2"], "did you mean 'n_layer'"),
        (["--set", "n_layer"], "KEY=VALUE"),
        (["--seeds", "x"], "--seeds"),
        (["--seeds", "0"], "names no seed"),
        (["--jobs", "0"], "whole number from 1"),
        (["--name", "../x"], "cannot name a folder"),
        (["--vocab-size", "10"], "vocab_size = 10"),
        (["nowhere.toml"], "no such spec file"),
    ],
)
def test_a_mistake_gets_one_message_and_exit_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = initlab("sweep", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == [], "nothing may be written"


def test_an_output_path_that_is_a_file_or_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for out, message in (("file", "is a file"), ("file/below", "cannot write")):
        done = initlab("sweep", *FLAGS, "-o", str(tmp_path / out))
        assert done.code == 2
        assert message in done.err
        assert "Traceback" not in done.err
    assert (tmp_path / "file").read_text() == "precious"


def test_corpora_that_cannot_be_read_as_asked(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("hello")
    for name, message in (("empty.txt", "empty"), ("short.txt", "block_size"), ("absent.txt", "no such file")):
        done = initlab("sweep", *FLAGS, "--corpus", str(tmp_path / name), "-o", str(tmp_path / "x"))
        assert done.code == 2
        assert message in done.err


def test_a_proxy_is_told_what_it_hides(tmp_path: Path) -> None:
    arguments = ["sweep", *FLAGS, "--init", "gpt2", "--seeds", "1", "-n", "1", "-o", "out"]
    hinted = initlab(*arguments, cwd=tmp_path).err
    assert hinted.count("its std does not follow the width") == 1
    told = initlab(*arguments, "--target", "n_embd=64,n_layer=3", cwd=tmp_path)
    assert "at 3 × 64" in told.err
    assert "gpt2:std=0.04" in told.err
    assert "does not follow the width" not in told.err
    assert "What the target would do" in (tmp_path / "out" / "report" / "report.md").read_text()
    assert initlab(*arguments, "--target", "n_lay=3", cwd=tmp_path).code == 2


CLAIMS = """
[[claim]]
id = "falls"
text = "It learns [a little]"
metric = "learnt"
seeds = "every"
min = 0.0
[[claim]]
id = "grows"
text = "The stream grows tenfold"
metric = "growth"
seeds = "every"
min = 10.0
"""


def test_claims_beside_the_spec_are_judged_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(CLAIMS)
    (tmp_path / "sweep.toml").write_text('name = "claimed"\n[sweep]\ninit = ["depth-scaled"]\nseed = [0]\n')
    done = initlab("sweep", str(tmp_path), *FLAGS, "--jobs", "1", "-o", str(tmp_path / "out"))
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if "SUPPORTED" in line or "REFUTED" in line]
    assert [" ".join(line.split()) for line in lines] == [
        "SUPPORTED It learns [a little]",
        "REFUTED The stream grows tenfold",
        f"claims: 1 SUPPORTED, 1 REFUTED; with numbers and reasons: initlab claims {tmp_path / 'out'}",
    ]
    assert json.loads((tmp_path / "out" / "report" / "verdicts.json").read_text())["verdicts"][1]["id"] == "grows"


def test_claims_that_the_sweep_cannot_answer_are_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(CLAIMS.replace("learnt", "nonsense.last"))
    (tmp_path / "sweep.toml").write_text('name = "claimed"\n[sweep]\ninit = ["gpt2"]\nseed = [0]\n')
    done = initlab("sweep", str(tmp_path), *FLAGS, "--jobs", "1", "-o", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert "claims not judged: claims.toml, line 2" in done.out
    assert "REFUTED" not in done.out


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_sweep_that_is_stopped_before_its_plan_is_stored_ends_as_any_other(
    stop: type[BaseException],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(plan: object, progress: object, **how: object) -> None:
        raise stop

    monkeypatch.setattr("initlab.cli.sweep.run_sweep", stopped)
    with pytest.raises(typer.Exit) as ended:
        _run(tiny_sweep(tmp_path / "x", {"seed": [0, 1]}), True, None)
    assert ended.value.exit_code == code
    assert "stopped; 2 missing. To go on" in capsys.readouterr().err


def _terminate_myself() -> None:
    with _sigterm_raises():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_sigterm_stops_a_sweep_and_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated):
        _terminate_myself()
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_than_the_main_one_asks_for_no_signal() -> None:
    before, within = signal.getsignal(signal.SIGTERM), list[object]()

    def work() -> None:
        with _sigterm_raises():
            within.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert within == [before]
