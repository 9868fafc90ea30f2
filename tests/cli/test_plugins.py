"""Plug-ins from a user's shell: named when broken, trained with by worker processes."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.run import Outcome, initlab
from tests.installing import CORPUS_FILE, INIT_FILE, LAUNCHER_FILE, install
from tests.tiny import FLAGS

ROOT = Path(__file__).parents[2]


def with_site(site: Path, *arguments: str, strict: str = "0") -> Outcome:
    path = os.pathsep.join([str(ROOT), str(site)])
    return initlab(*arguments, PYTHONPATH=path, INITLAB_STRICT_PLUGINS=strict)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two packages: one is fine but for an init whose law fails, the other raises on import."""
    folder = tmp_path / "site"
    modules = {
        "shore/__init__": "print('noise')",
        "shore/wave": INIT_FILE.format(name="wave", std=0.5),
        "shore/late": "from initlab.inits.strategy import init\n@init('late', source='?')\ndef late(): 1 / 0\n",
    }
    install(folder, "shore", {"initlab.inits": {"wave": "shore.wave", "late": "shore.late"}}, modules)
    install(
        folder,
        "rotten",
        {f"initlab.{kind}": {"bad": "rotten"} for kind in ("inits", "activations", "probes")},
        {"rotten": "raise OSError('no such library')"},
    )
    return folder


def test_broken_plug_ins_are_named_on_stderr_and_the_rest_is_listed(site: Path) -> None:
    done = with_site(site, "list", "inits", "--json")
    assert done.code == 0
    items = {item["name"]: item for item in done.json["items"]}
    assert items["wave"]["needs"] == ["weights"]
    assert {"gpt2", "wave"} < set(items)
    assert not {"late", "bad"} & set(items)
    reason = "skipped: plug-in 'rotten' offers the init 'bad' and cannot be loaded: OSError: no such library"
    assert reason in done.err
    assert "skipped: the init 'late' of plug-in shore.late fails: ZeroDivisionError" in done.err
    assert done.err.count("skipped") == 2
    people = with_site(site, "list", "inits")
    assert "skipped" not in people.out
    assert "wave" in people.out


def test_they_harm_no_command_that_does_not_name_them(site: Path, tmp_path: Path) -> None:
    explained = with_site(site, "explain", "gpt2", "--json")
    assert (explained.code, explained.err) == (0, "")
    swept = with_site(site, "sweep", *FLAGS, "--seeds", "1", "-o", str(tmp_path / "x"), "--json")
    assert swept.code == 0, swept.err
    assert swept.err.count("skipped") == 1, "the broken probe, which would be measured in every run"
    assert [run["status"] for run in swept.json["runs"]] == ["finished"]


@pytest.mark.parametrize(
    "arguments", [["explain", "bad"], ["sweep", "--init", "gpt2,bad", "--dry-run"], ["explain", "late"]]
)
def test_one_that_is_asked_for_is_one_clear_error(arguments: list[str], site: Path) -> None:
    done = with_site(site, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert arguments[-1] in errors[0] or "bad" in errors[0]


def test_strictness_makes_a_broken_one_an_error(site: Path) -> None:
    done = with_site(site, "list", "inits", "--json", strict="1")
    assert (done.code, done.out) == (2, "")
    assert "error: plug-in 'rotten' offers the init 'bad'" in done.err


@pytest.mark.parametrize("command", [["list", "inits"], ["explain", "wave"], ["sweep", "--dry-run"]])
def test_a_file_that_cannot_be_loaded_is_a_mistake_everywhere(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text("1 / 0")
    done = initlab(*command, "--plugin", "wave.py:strategy", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    message = (
        "error: --plugin wave.py:strategy cannot be loaded: ZeroDivisionError: division by zero (wave.py, line 1)"
    )
    assert done.err.strip() == message


def test_a_sweep_trains_a_files_init_in_its_workers_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text(INIT_FILE.format(name="wave", std=0.5))
    (tmp_path / "random.py").write_text("raise RuntimeError('a module of the user hides a standard one')")

    def sweep(*more: str) -> Outcome:
        arguments = [*FLAGS, "--init", "gpt2,wave:std=0.25", "--seeds", "1", "-o", "x", "--json", *more]
        return initlab("sweep", *arguments, cwd=tmp_path)

    done = sweep("--plugin", "wave.py:strategy")
    assert done.code == 0, done.err
    ids = {run["init"]: run["id"] for run in done.json["runs"]}
    assert set(ids) == {"gpt2", "wave:std=0.25"}
    assert {run["status"] for run in done.json["runs"]} == {"finished"}
    config = json.loads((tmp_path / "x" / "runs" / ids["wave:std=0.25"] / "config.json").read_text())
    assert config["code"][0].startswith("wave ")

    again = sweep("--plugin", "wave.py:strategy", "--dry-run").json["runs"]
    assert {run["id"]: run["status"] for run in again} == dict.fromkeys(ids.values(), "finished")
    without = sweep()
    assert without.code == 2
    assert "unknown init 'wave'" in without.err
    (tmp_path / "wave.py").write_text(INIT_FILE.format(name="wave", std=0.5) + "# a change\n")
    changed = sweep("--plugin", "wave.py:strategy", "--dry-run").json["runs"]
    assert {run["init"]: run["status"] for run in changed} == {"gpt2": "finished", "wave:std=0.25": "missing"}


def test_a_spec_file_names_and_never_loads(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text(INIT_FILE.format(name="wave", std=0.5))
    for line in ('init = "wave.py:strategy"', 'init = "./wave.py:strategy"', f'init = "{tmp_path}/wave.py:strategy"'):
        (tmp_path / "sweep.toml").write_text(f"[sweep]\n{line}\n")
        done = initlab("sweep", "--dry-run", "sweep.toml", cwd=tmp_path)
        assert done.code == 2
        assert "unknown init" in done.err
    (tmp_path / "sweep.toml").write_text('plugin = "wave.py:strategy"\n[sweep]\ninit = "wave"\n')
    assert "plugin: unknown key" in initlab("sweep", "--dry-run", "sweep.toml", cwd=tmp_path).err


def test_a_sweep_is_trained_by_the_launcher_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        LAUNCHER_FILE.format(name="mine") + CORPUS_FILE.format(name="tides", text="ebb ")
    )
    plugin = ("--plugin", "mine.py:OneByOne")
    arguments = [*FLAGS, "--seeds", "2", "--corpus", "tides", "-o", "x", *plugin]
    done = initlab("sweep", *arguments, "--launcher", "mine:note=hello", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "hello" in done.err
    assert [run["status"] for run in done.json["runs"]] == ["finished", "finished"]
    pids = {json.loads(path.read_text())["pid"] for path in (tmp_path / "x" / "runs").glob("*/env.json")}
    assert len(pids) == 1
    workers = initlab("sweep", *arguments[:-4], "-o", "y", *plugin, "--json", cwd=tmp_path)
    assert [run["status"] for run in workers.json["runs"]] == ["finished", "finished"]
    for kind, name in (("launchers", "mine"), ("corpora", "tides")):
        listed = {
            item["name"]: item["source"]
            for item in initlab("list", kind, *plugin, "--json", cwd=tmp_path).json["items"]
        }
        assert listed[name] == "plug-in"
        assert set(listed.values()) == {"plug-in", "built in"}


def test_a_launcher_that_there_is_not_is_a_mistake(tmp_path: Path) -> None:
    done = initlab("sweep", *FLAGS, "--dry-run", "--launcher", "locl", cwd=tmp_path)
    assert (done.code, done.err.strip()) == (2, "error: unknown launcher 'locl'; did you mean 'local'?")
