"""``--plugin``: files and modules, what is said of bad ones, and that what they do not register is not taken."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from initlab.activations.functions import ACTIVATIONS
from initlab.adapters.adapter import ADAPTERS
from initlab.data.corpora import CORPORA
from initlab.errors import InitlabError
from initlab.inits.catalogue import INITS, resolve
from initlab.launchers.launcher import LAUNCHERS
from initlab.launchers.task import Task
from initlab.launchers.train import train_task
from initlab.optimizers.rules import OPTIMIZERS
from initlab.planning.progress import RunOutcome, Silent
from initlab.plugins.loading import PLUGIN_KINDS, load_plugin, loaded_plugins
from initlab.plugins.registry import registries
from initlab.probes.reductions import PROBES, plugin_probes
from initlab.results.folder import SweepFolder
from initlab.running import run_plan
from tests.installing import CORPUS_FILE, INIT_FILE, LAUNCHER_FILE, install
from tests.plugins.processes import forget
from tests.tiny import tiny_sweep, tiny_task

PROBE_FILE = """
from initlab.probes.reductions import PROBES, Probe, probe

@probe("{name}", tap="{tap}", summary="a test")
def measured(x):
    return {value}

entry = Probe(tap="logits", reduce=lambda x: x.mean(), summary="a test")
PROBES.add("{name}_entry", entry)
"""


@pytest.fixture
def wave(plugin_site: Path) -> Path:
    """A file with one init."""
    file = plugin_site / "wave.py"
    file.write_text(INIT_FILE.format(name="wave", std=0.5))
    return file


def test_a_file_is_loaded_once_and_by_its_absolute_path(wave: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(wave.parent)
    assert load_plugin("wave.py:strategy") == f"{wave}:strategy"
    first = INITS.get("wave")
    assert load_plugin(f"{wave}:strategy") == f"{wave}:strategy"
    assert INITS.get("wave") is first
    assert loaded_plugins() == (f"{wave}:strategy",)
    assert resolve("wave:std=0.25").parameters == {"std": 0.25}
    assert not list(wave.parent.rglob("*.pyc")), "a file plug-in leaves no bytecode behind"


def test_two_files_of_one_name_are_two_plug_ins(plugin_site: Path) -> None:
    for name in ("north", "south"):
        (plugin_site / name).mkdir()
        (plugin_site / name / "wave.py").write_text(INIT_FILE.format(name=name, std=0.5))
        load_plugin(f"{plugin_site}/{name}/wave.py:strategy")
    assert resolve("north").name == "north"
    assert resolve("south").name == "south"


def test_a_module_that_is_installed_is_loaded_by_name(plugin_site: Path) -> None:
    install(plugin_site, "shore", {}, {"shore/__init__": "", "shore/wave": INIT_FILE.format(name="wave", std=0.5)})
    assert load_plugin("shore.wave:strategy") == "shore.wave:strategy"
    assert resolve("wave").parameters == {"std": 0.5}


def test_probes_count_as_functions_and_as_entries(plugin_site: Path) -> None:
    file = plugin_site / "peak.py"
    file.write_text(PROBE_FILE.format(name="peak", tap="attn_branch", value="x.abs().amax()"))
    for name in ("measured", "entry"):
        load_plugin(f"{file}:{name}")
    assert plugin_probes() == {"peak": "attn_branch", "peak_entry": "logits"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wave.py", r"--plugin wave\.py: expected path/to/file\.py:name or package\.module:name"),
        ("wave.py:", "expected path/to/file"),
        (":strategy", "expected path/to/file"),
        ("absent.py:strategy", r"cannot be loaded: no such file: .*absent\.py"),
        (".:strategy", "cannot be loaded"),
        ("absent_module:strategy", "cannot be loaded: ModuleNotFoundError: No module named 'absent_module'"),
        ("wave.py:stratgy", r"wave\.py has no attribute 'stratgy'; did you mean 'strategy'\?"),
        (
            "wave.py:normal",
            r"normal is registered as nothing; decorate it with @init, @activation, .* or @adapter",
        ),
        ("json:dumps", "dumps is registered as nothing.*; it registers nothing"),
        ("syntax.py:x", r"cannot be loaded: SyntaxError: .*\(syntax\.py, line 2\)"),
        ("raises.py:x", r"cannot be loaded: KeyError: 'no' \(raises\.py, line 1\)"),
        (
            "taken.py:strategy",
            r"cannot be loaded: init 'gpt2' is registered twice, by initlab\.inits\.gpt2 and by /.*taken\.py$",
        ),
        ("default.py:x", "init 'open': expected a number, a bool or text as the default of std"),
        ("tap.py:x", "no tap 'residul'; did you mean 'residual'"),
        ("loss.py:measured", "probe 'loss' has a name that initlab needs for itself"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_gets_one_message(
    text: str, message: str, wave: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(wave.parent)
    before = [registry.items() for registry in (INITS, ACTIVATIONS, PROBES, OPTIMIZERS)]
    for name, source in {
        "syntax": "x = 1\nx = (",
        "raises": "raise KeyError('no')",
        "taken": INIT_FILE.format(name="gpt2", std=0.5),
        "default": "from initlab.inits.strategy import init\n@init('open', source='?')\ndef x(std): ...",
        "tap": PROBE_FILE.format(name="p", tap="residul", value="x.mean()"),
        "loss": PROBE_FILE.format(name="loss", tap="residual", value="x.mean()"),
    }.items():
        (wave.parent / f"{name}.py").write_text(source)
    with pytest.raises(InitlabError, match=message) as caught:
        load_plugin(text)
    assert "\n" not in str(caught.value)
    assert loaded_plugins() == ()
    if "wave" not in text:
        assert [registry.items() for registry in (INITS, ACTIVATIONS, PROBES, OPTIMIZERS)] == before


def test_a_file_that_was_broken_can_be_mended(wave: Path) -> None:
    good = wave.read_text()
    wave.write_text(good + "raise ValueError")
    with pytest.raises(InitlabError, match="ValueError"):
        load_plugin(f"{wave}:strategy")
    wave.write_text(good)
    load_plugin(f"{wave}:strategy")
    assert resolve("wave").parameters == {"std": 0.5}


def test_a_file_may_not_repeat_what_an_installed_package_offers(wave: Path) -> None:
    install(wave.parent, "shore", {"initlab.inits": {"wave": "shore_wave"}})
    with pytest.raises(
        InitlabError, match=f"init 'wave' is offered by two plug-ins, {wave} and shore: leave one out"
    ):
        load_plugin(f"{wave}:strategy")


def test_an_installed_plug_in_may_be_named_as_well(plugin_site: Path) -> None:
    source = INIT_FILE.format(name="wave", std=0.5)
    install(plugin_site, "shore", {"initlab.inits": {"wave": "shore_wave"}}, {"shore_wave": source})
    load_plugin("shore_wave:strategy")
    assert resolve("wave").parameters == {"std": 0.5}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "init 'odd' returns a int, not a Strategy"),
        ("return 1 / 0", r"the init 'odd' of plug-in .*odd\.py fails: ZeroDivisionError: division by zero \(odd\.py"),
        ("return Strategy(lambda slot: slot.fan / 2)", "the init 'odd' of plug-in .* fails: AttributeError"),
        ("return Strategy(lambda slot: Normal(1.0))", r"init 'odd': the law of .* is a Normal, not a Law"),
    ],
)
def test_an_init_that_is_wrong_when_it_is_used_is_named(body: str, message: str, plugin_site: Path) -> None:
    from tests.networks import tiny

    source = "from initlab.inits.strategy import Strategy, init\nfrom initlab.network.laws import Normal\n"
    source += f"@init('odd', source='?')\ndef odd() -> Strategy:\n    {body}\n"
    (plugin_site / "odd.py").write_text(source)
    load_plugin(f"{plugin_site}/odd.py:odd")
    with pytest.raises(InitlabError, match=message):
        resolve("odd").blueprint(tiny())


def planned(folder: Path, axes: dict[str, list[object]]) -> Task:
    """Return the one task of a planned sweep as another process gets it."""
    return Task.from_json(json.loads(json.dumps(tiny_task(folder, axes).to_json())))


def ignore(step: int, steps: int) -> None:
    return


def test_the_process_that_trains_loads_what_the_one_that_plans_had_loaded(wave: Path, tmp_path: Path) -> None:
    load_plugin(f"{wave}:strategy")
    task = planned(tmp_path / "x", {"init": ["wave"]})
    assert task.plugins == (f"{wave}:strategy",)
    forget(wave)
    train_task(task, ignore)
    run = SweepFolder(tmp_path / "x").run(task.runs[0].id)
    assert run.state().status == "finished"
    config = run.config()
    assert config is not None
    assert config["code"] == [INITS.fingerprint("wave")]
    env = json.loads((run.path / "env.json").read_text())
    assert (env["plugins"], env["probes"]) == ([f"{wave}:strategy"], {})


def test_code_that_changed_after_planning_fails_the_run(wave: Path, tmp_path: Path) -> None:
    load_plugin(f"{wave}:strategy")
    task = planned(tmp_path / "x", {"init": ["wave"]})
    wave.write_text(INIT_FILE.format(name="wave", std=0.7))
    forget(wave)
    train_task(task, ignore)
    state = SweepFolder(tmp_path / "x").run(task.runs[0].id).state()
    assert state.status == "failed"
    assert (state.reason or "").startswith("the code of a plug-in changed after the sweep was planned")


def test_a_plug_in_that_is_gone_when_training_starts_fails_the_runs(wave: Path, tmp_path: Path) -> None:
    load_plugin(f"{wave}:strategy")
    task = planned(tmp_path / "x", {"init": ["wave"], "seed": [0, 1]})
    wave.unlink()
    forget(wave)
    train_task(task, ignore)
    for run in task.runs:
        state = SweepFolder(tmp_path / "x").run(run.id).state()
        assert state.status == "failed"
        assert state.reason is not None
        assert state.reason.startswith(f"--plugin {wave}:strategy cannot be loaded: no such file")


def test_changed_code_is_another_run_and_the_same_code_elsewhere_is_not(wave: Path, tmp_path: Path) -> None:
    def run_id(file: Path) -> str:
        load_plugin(f"{file}:strategy")
        try:
            return tiny_sweep(tmp_path / "x", {"init": ["wave"], "seed": [0]}).runs[0].id
        finally:
            forget(file)

    first = run_id(wave)
    (wave.parent / "elsewhere").mkdir()
    moved = wave.parent / "elsewhere" / "wave.py"
    moved.write_text(wave.read_text())
    assert run_id(moved) == first
    wave.write_text(wave.read_text() + "# the laws are the same; what a hook does could be another\n")
    assert run_id(wave) != first


OPTIMIZER_FILE = """
from dataclasses import dataclass
from initlab.optimizers.rules import Scalar, optimizer

@dataclass(frozen=True)
class Settings:
    weight_decay: Scalar
    scale: float = 1.0

@optimizer("descent", settings=Settings, source="a test")
def descent(parameter, gradient, state, settings, lr, step):
    parameter.sub_(lr * (settings.scale * gradient + settings.weight_decay * parameter))
"""


def test_an_optimizer_in_a_file_trains_elsewhere_and_its_code_is_part_of_the_run(
    plugin_site: Path, tmp_path: Path
) -> None:
    file = plugin_site / "descent.py"
    file.write_text(OPTIMIZER_FILE)
    load_plugin(f"{file}:descent")
    fixed: dict[str, list[object]] = {"seed": [0], "train.weight_decay": [0.0]}
    axes: dict[str, list[object]] = {**fixed, "train.optimizer": ["descent:scale=2"], "train.lr": [0.25]}
    task = planned(tmp_path / "own", axes)
    assert task.runs[0].code == (OPTIMIZERS.fingerprint("descent"),)
    forget(file)
    train_task(task, ignore)
    # Without momentum torch's SGD is the same rule, and twice the rate is twice the scale.
    theirs = planned(tmp_path / "sgd", {**fixed, "train.optimizer": ["sgd"], "train.beta1": [0.0], "train.lr": [0.5]})
    train_task(theirs, ignore)
    own, sgd = (
        [row["train_loss"] for row in SweepFolder(Path(one.folder)).run(one.runs[0].id).metrics()]
        for one in (task, theirs)
    )
    assert own == pytest.approx(sgd, rel=1e-5)
    assert own[0] - own[-1] > 1e-3
    file.write_text(OPTIMIZER_FILE + "# changed\n")
    forget(file)
    load_plugin(f"{file}:descent")
    assert planned(tmp_path / "again", axes).runs[0].id != task.runs[0].id


def test_a_probe_is_measured_and_changes_neither_ids_nor_results(plugin_site: Path, tmp_path: Path) -> None:
    axes: dict[str, list[object]] = {"seed": [0], "model.n_layer": [2]}
    plain = planned(tmp_path / "plain", axes)
    train_task(plain, ignore)
    file = plugin_site / "peak.py"  # it writes to what it is given, which must be a copy
    file.write_text(PROBE_FILE.format(name="peak", tap="attn_branch", value="x.zero_().mean() + 7"))
    load_plugin(f"{file}:measured")
    probed = planned(tmp_path / "probed", axes)
    assert [run.id for run in probed.runs] == [run.id for run in plain.runs]
    train_task(probed, ignore)
    with_it, without = (SweepFolder(tmp_path / name).run(plain.runs[0].id) for name in ("probed", "plain"))
    assert with_it.metrics() == without.metrics()
    for row, old in zip(with_it.layers(), without.layers(), strict=True):
        assert row.pop("peak") == [7.0, 7.0]
        assert isinstance(row.pop("peak_entry"), float)
        assert row == old
    env = json.loads((with_it.path / "env.json").read_text())
    assert env["probes"] == {name: PROBES.fingerprint(name) for name in ("peak", "peak_entry")}


def test_a_probe_stands_where_it_is_tapped_also_where_it_is_not_installed(plugin_site: Path, tmp_path: Path) -> None:
    from initlab.results.frames import to_frames
    from initlab.results.reading import load_results

    file = plugin_site / "peak.py"
    file.write_text(PROBE_FILE.format(name="peak", tap="attn_branch", value="x.mean()"))
    load_plugin(f"{file}:measured")
    train_task(planned(tmp_path / "x", {"seed": [0], "model.n_layer": [2]}), ignore)
    forget(file)
    layers = to_frames(load_results(tmp_path / "x")).layers
    sites = {str(name): own["site"].unique().tolist() for name, own in layers.groupby("probe", observed=True)}
    assert sites["peak"] == sites["attn_ms"] == [1, 3]
    assert sites["peak_entry"] == sites["logit_var"] == [4]
    planned(tmp_path / "x", {"seed": [0], "model.n_layer": [2]})  # planned again without it
    assert SweepFolder(tmp_path / "x").document()["plugin_probes"] == {"peak": "attn_branch", "peak_entry": "logits"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x.nothing()", "the probe 'peak' of plug-in .* fails: AttributeError"),
        ("float(x.mean())", r"the probe 'peak' of plug-in .* fails: RuntimeError: .*item\(\)"),
        ("x.mean(-1)", r"the probe 'peak' has to return one real number .* not torch\.float32 of shape \(2, 8\)"),
        ("1.0", r"the probe 'peak' has to return one real number as a tensor of shape \(\), not float"),
        ("x.mean() * 1j", r"not torch\.complex64 of shape \(\)"),
    ],
)
def test_a_probe_that_fails_fails_the_run_by_name(value: str, reason: str, plugin_site: Path, tmp_path: Path) -> None:
    file = plugin_site / "peak.py"
    file.write_text(PROBE_FILE.format(name="peak", tap="residual", value=value))
    load_plugin(f"{file}:measured")
    task = planned(tmp_path / "x", {"seed": [0]})
    train_task(task, ignore)
    state = SweepFolder(tmp_path / "x").run(task.runs[0].id).state()
    assert state.status == "failed"
    with pytest.raises(InitlabError, match=reason):
        raise InitlabError(state.reason)


def test_a_tap_that_does_not_exist_cannot_be_probed() -> None:
    entry = PROBES.get("logit_var")
    with pytest.raises(InitlabError, match="no tap 'logit'; did you mean 'logits'"):
        dataclasses.replace(entry, tap="logit")
    assert dataclasses.replace(entry, tap="residual").quantity.layout == "stream"


KINDS_FILE = (
    INIT_FILE.format(name="wave", std=0.5)
    + CORPUS_FILE.format(name="tides", text="ebb and flow ")
    + PROBE_FILE.format(name="peak", tap="logits", value="x.amax()")
    + LAUNCHER_FILE.format(name="one-by-one")
    + OPTIMIZER_FILE
    + """
from initlab.activations.functions import activation

@activation("ripple", formula="sin x", source="a test", kinks=())
def ripple(x):
    return x.sin()

from initlab.adapters.adapter import adapter
from initlab.adapters.nanogpt import NanoGpt

@adapter("picogpt")
class PicoGpt(NanoGpt):
    summary = "a test"
"""
)
ENTRIES = {
    "strategy": "init",
    "load": "corpus",
    "measured": "probe",
    "OneByOne": "launcher",
    "descent": "optimizer",
    "ripple": "activation",
    "PicoGpt": "adapter",
}
"""What stands in that file, by kind."""


def test_a_file_may_register_every_kind_that_plug_ins_may_add(plugin_site: Path) -> None:
    kinds = {registry.kind for registry in registries() if registry.is_open and registry.kind != "fruit"}
    assert kinds == set(PLUGIN_KINDS) == set(ENTRIES.values())
    file = plugin_site / "everything.py"
    file.write_text(KINDS_FILE)
    assert [load_plugin(f"{file}:{name}") for name in ENTRIES] == [f"{file}:{name}" for name in ENTRIES]
    for registry, name in (
        (INITS, "wave"),
        (CORPORA, "tides"),
        (PROBES, "peak"),
        (LAUNCHERS, "one-by-one"),
        (OPTIMIZERS, "descent"),
        (ACTIVATIONS, "ripple"),
        (ADAPTERS, "picogpt"),
    ):
        assert name in registry
        assert not registry.is_built_in(name)


def test_the_flag_names_every_kind() -> None:
    from initlab.cli.plugins import Plugins

    (option,) = get_args(Plugins)[1:]
    assert all(kind in option.help for kind in PLUGIN_KINDS)


class Notes(Silent):
    """A progress that remembers what it is told."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.notes: list[str] = []

    def group_done(self, group: int, outcomes: Sequence[RunOutcome]) -> None:
        self.done.append(group)

    def note(self, group: int, text: str) -> None:
        self.notes.append(text)


@pytest.mark.usefixtures("one_thread")
def test_a_sweep_of_plug_ins_alone_is_trained_by_a_plug_in(plugin_site: Path, tmp_path: Path) -> None:
    file = plugin_site / "everything.py"
    file.write_text(KINDS_FILE)
    load_plugin(f"{file}:strategy")
    axes: dict[str, list[object]] = {"init": ["wave"], "activation": ["ripple"], "data.corpus": ["tides"]}
    axes |= {"train.optimizer": ["descent"], "seed": [0, 1]}
    plan = tiny_sweep(tmp_path / "x", axes, jobs=2, measure=True)
    notes = Notes()
    run_plan(replace(plan, launcher="one-by-one:note=hello"), notes)
    assert [plan.folder.run(run.id).state().status for run in plan.runs] == ["finished", "finished"]
    assert notes.done == list(range(len(plan.groups)))
    assert set(notes.notes) == {"hello"}
    run = plan.folder.run(plan.runs[0].id)
    assert all(isinstance(row["peak"], float) for row in run.layers())
    env = json.loads((run.path / "env.json").read_text())
    assert env["pid"] == os.getpid(), "no process stood between"


def test_a_launcher_that_there_is_not_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    plan = tiny_sweep(tmp_path / "x", {"seed": [0]}, measure=True)
    with pytest.raises(InitlabError, match="unknown launcher 'locl'; did you mean 'local'"):
        run_plan(replace(plan, launcher="locl"))
    assert not (tmp_path / "x" / "sweep.json").exists()
