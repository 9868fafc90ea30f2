"""The example package, installed as an installer does it: listed, explained, and trained with by worker processes."""

import json
import math
import os
import tomllib
from pathlib import Path

import pytest
import torch

from initlab.activations.functions import moments
from initlab.inits.catalogue import resolve
from initlab.optimizers.rules import SlotSettings
from initlab.optimizers.rules import resolve as resolve_optimizer
from initlab.plugins.loading import load_plugin
from tests.cli.run import Outcome, initlab
from tests.installing import install
from tests.networks import tiny

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "initlab-example"
SOURCE = EXAMPLE / "src"
SIZES = ("--n-layer", "2", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Metadata beside the sources, made from the project file: what an editable install comes to."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    kinds = ("inits", "activations", "optimizers", "probes")
    assert set(project["entry-points"]) == {f"initlab.{kind}" for kind in kinds}
    install(folder, project["name"].replace("-", "_"), project["entry-points"])
    return folder


def example(site: Path, *arguments: str) -> Outcome:
    return initlab(*arguments, PYTHONPATH=os.pathsep.join(map(str, (ROOT, SOURCE, site))))


def test_an_init_is_one_short_file() -> None:
    lines = (SOURCE / "initlab_example" / "front_loaded.py").read_text().splitlines()
    assert len(lines) <= 25


def test_that_file_is_enough(plugin_site: Path) -> None:
    load_plugin(f"{SOURCE}/initlab_example/front_loaded.py:front_loaded")
    laws = {slot.name: law for slot, law in resolve("front-loaded:std=0.5,power=2").table(tiny(n_layer=3))}
    for layer, std in ((0, 0.5), (1, 0.5 / 4), (2, 0.5 / 9)):  # std / l², l from 1
        assert laws[f"blocks.{layer}.attn_out.weight"].dist.std == pytest.approx(std, rel=1e-12)
        assert laws[f"blocks.{layer}.ffn_down.weight"].dist.std == pytest.approx(std, rel=1e-12)
        assert laws[f"blocks.{layer}.ffn_up.weight"].dist.std == 0.5


def test_an_optimizer_moves_as_its_paper_says(plugin_site: Path) -> None:
    load_plugin(f"{SOURCE}/initlab_example/lion.py:lion")
    lion = resolve_optimizer("lion")
    settings = lion.settings(SlotSettings(beta1=0.75, beta2=0.5, eps=0.0, weight_decay=0.5))
    theta, state = torch.tensor([2.0, 2.0]), {"momentum": torch.zeros(2)}
    # Step 1: the direction is the gradient's sign, m is half the gradient; θ ← θ - 0.25·(±1 + 0.5·2).
    lion.update(theta, torch.tensor([1.0, -2.0]), state, settings, 0.25, 1)
    assert (theta.tolist(), state["momentum"].tolist()) == ([1.5, 2.0], [0.5, -1.0])
    # Step 2: 0.75·0.5 + 0.25·(-1) is above zero, 0.75·(-1) + 0.25·4 too; θ ← θ - 0.25·(1 + 0.5·θ).
    lion.update(theta, torch.tensor([-1.0, 4.0]), state, settings, 0.25, 2)
    assert (theta.tolist(), state["momentum"].tolist()) == ([1.5 - 0.4375, 1.5], [-0.25, 1.5])


@pytest.mark.usefixtures("one_thread")
def test_an_optimizer_from_a_file_trains_with_the_rates_of_mup(tmp_path: Path) -> None:
    plugin = f"{SOURCE}/initlab_example/lion.py:lion"
    arguments = ["--plugin", plugin, "--optimizer", "lion,sgd", "--init", "gpt2", *SIZES, "--steps", "2"]
    done = initlab("sweep", *arguments, "--seeds", "1", "-o", str(tmp_path / "x"), "--eval-batches", "1", "--json")
    assert done.code == 0, done.err
    assert {(run["axes"]["train.optimizer"], run["status"]) for run in done.json["runs"]} == {
        ("lion", "finished"),
        ("sgd", "finished"),
    }
    refused = initlab("sweep", *SIZES, "--init", "mup", "--plugin", plugin, "--optimizer", "sgd", "--steps", "2")
    assert refused.code == 2
    assert 'set optimizer = "adamw" or "lion"' in refused.err
    rates = ["--init", "mup", "--optimizer", "lion", "--steps", "2", "--seeds", "1", "-o", str(tmp_path / "y")]
    assert initlab("sweep", "--plugin", plugin, *SIZES, *rates, "--eval-batches", "1").code == 0


def test_the_moments_of_a_torch_function_need_no_formula(plugin_site: Path) -> None:
    load_plugin(f"{SOURCE}/initlab_example/sine.py:sine")
    found = moments("sine", 0.25)
    # E sin² = (1 - E cos 2x)/2 and E cos 2x = exp(-2·variance) for x ~ N(0, variance); E cos² is the rest of 1.
    second = (1 - math.exp(-0.5)) / 2
    assert found.mean == pytest.approx(0, abs=1e-12)
    assert found.second == pytest.approx(second, rel=1e-10)
    assert found.slope_second == pytest.approx(1 - second, rel=1e-10)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("inits", "front-loaded"),
        ("activations", "sine"),
        ("optimizers", "lion"),
        ("probes", "residual_kurtosis"),
    ],
)
def test_it_is_listed_once_installed(kind: str, name: str, site: Path) -> None:
    done = example(site, "list", kind, "--json")
    assert (done.code, done.err) == (0, "")
    item = next(item for item in done.json["items"] if item["name"] == name)
    assert item["summary"]
    assert name not in {item["name"] for item in initlab("list", kind, "--json").json["items"]}


def test_it_is_explained(site: Path) -> None:
    slots = example(site, "explain", "front-loaded", "--n-layer", "4", "--json").json["slots"]
    stds = {slot["slot"]: slot["std"] for slot in slots}
    assert stds["blocks.3.attn_out.weight"] == pytest.approx(0.02 / 4, rel=1e-12)
    people = example(site, "explain", "front-loaded", "--n-layer", "4").out
    assert "divided by l^power" in people


def test_workers_train_with_its_init_its_activation_its_optimizer_and_its_probe(site: Path, tmp_path: Path) -> None:
    arguments = [
        "--init",
        "gpt2,front-loaded:power=2",
        "--activation",
        "sine",
        "--optimizer",
        "lion",
        *SIZES,
        "--steps",
        "2",
        "--seeds",
        "1",
    ]
    done = example(site, "sweep", *arguments, "-o", str(tmp_path / "x"), "--eval-batches", "1", "--json")
    assert done.code == 0, done.err
    assert {run["status"] for run in done.json["runs"]} == {"finished"}
    assert {(run["init"], run["activation"]) for run in done.json["runs"]} == {
        ("gpt2", "sine"),
        ("front-loaded:power=2", "sine"),
    }
    for run in done.json["runs"]:
        folder = tmp_path / "x" / "runs" / run["id"]
        rows = [json.loads(line) for line in (folder / "layers.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [0, 1, 2]
        # A Gaussian's is 3; one row of sixteen channels or a mixture of tokens' scales does not get far from it.
        assert all(1 < value < 30 for row in rows for value in row["residual_kurtosis"])
        assert len(rows[0]["residual_kurtosis"]) == 2 * 2 + 1
        config = json.loads((folder / "config.json").read_text())
        assert [code.split()[0] for code in config["code"]] == ["initlab_example"] * (
            2 if run["init"] == "gpt2" else 3
        )
        assert list(json.loads((folder / "env.json").read_text())["probes"]) == ["residual_kurtosis"]
    assert (tmp_path / "x" / "report" / "index.html").exists()
    report = initlab("report", str(tmp_path / "x"))
    assert report.code == 0, "a report needs no plug-in"
