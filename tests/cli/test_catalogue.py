"""``list`` and ``explain``: the public documents, and numbers worked out by hand."""

import math

import pytest

from initlab.inits.catalogue import INITS
from tests.cli.run import initlab


@pytest.mark.parametrize("kind", ["inits", "activations", "optimizers", "corpora", "probes", "taps", "launchers"])
def test_every_kind_lists_the_same_keys(kind: str) -> None:
    document = initlab("list", kind, "--json").json
    assert document["schema_version"] == 1
    assert document["items"]
    for item in document["items"]:
        assert set(item) == {"name", "aliases", "summary", "source", "needs"}
        assert item["summary"]
        assert item["source"]
    assert initlab("list", kind).out.count("\n") > len(document["items"]) - 1


def test_the_inits_of_the_note_and_their_neighbours_are_there() -> None:
    names = {item["name"]: item for item in initlab("list", "inits", "--json").json["items"]}
    assert {"gpt2", "depth-scaled", "pytorch"} < set(names)
    assert sum(name.startswith("note-") for name in names) == 5
    assert set(names["depth-scaled"]["aliases"]) == {"nanogpt", "gpt2-scaled"}


def test_optimizers_are_listed_with_their_rule() -> None:
    items = {item["name"]: item for item in initlab("list", "optimizers", "--json").json["items"]}
    assert items["sgd"]["summary"] == "θ ← θ - lr·b with b ← beta1·b + g + weight_decay·θ."
    assert "1711.05101" in items["adamw"]["source"]


def test_activations_are_listed_with_what_people_call_them() -> None:
    items = {item["name"]: item for item in initlab("list", "activations", "--json").json["items"]}
    assert items["hard-swish"]["aliases"] == ["hard-silu", "hardsilu", "hardswish"]
    assert items["swiglu"]["summary"] == "a·silu(g)"
    assert "2002.05202" in items["swiglu"]["source"]


def test_explain_prints_the_law_of_every_slot() -> None:
    sizes = ["--n-layer", "12", "--n-head", "12", "--n-embd", "768", "--vocab-size", "50304"]
    document = initlab("explain", "nanogpt", *sizes, "--json").json
    assert document["init"] == "depth-scaled"
    assert document["dims"]["n_embd"] == 768
    assert document["topology"]["norm_at"] == "pre"
    slots = {slot["slot"]: slot for slot in document["slots"]}
    # 0.02/√(2·12): what nanoGPT's code computes for c_proj at 12 layers
    assert slots["blocks.11.attn_out.weight"]["std"] == pytest.approx(0.02 / math.sqrt(24), rel=1e-12)
    assert slots["blocks.0.query.weight"]["std"] == 0.02
    assert slots["blocks.0.ffn.norm.weight"] == {
        "slot": "blocks.0.ffn.norm.weight",
        "role": "norm_gain",
        "layer": 0,
        "shape": [768],
        "of": None,
        "aliases": [],
        "drawn_as": "norm_gain",
        "dist": "constant",
        "mean": 1.0,
        "std": 0.0,
        "mult": 1.0,
        "lr": 1.0,
        "wd": 1.0,
        "eps": 1.0,
        "train": True,
        "joint": False,
        "calibrated": False,
    }
    assert slots["token_embedding.weight"]["aliases"] == ["lm_head"]
    assert "lm_head.weight" not in slots
    assert "lm_head.weight" in str(initlab("explain", "gpt2", "--no-tied", "--json").json)


@pytest.mark.parametrize(
    ("init", "role"),
    # nanoGPT's class draws its tables last, torchtitan skips a tied embedding; OLMo-core skips a tied head.
    [
        ("gpt2", "token_embedding"),
        ("olmo-llama", "token_embedding"),
        ("pytorch", "lm_head"),
        ("torchtitan", "lm_head"),
    ],
)
def test_explain_says_by_which_role_a_tied_tensor_is_drawn(init: str, role: str) -> None:
    slots = {slot["slot"]: slot for slot in initlab("explain", init, "--tied", "--json").json["slots"]}
    shared = slots["token_embedding.weight"]
    assert (shared["role"], shared["aliases"], shared["drawn_as"]) == ("token_embedding", ["lm_head"], role)
    assert {slot["drawn_as"] == slot["role"] for slot in slots.values() if slot is not shared} == {True}
    shown = initlab("explain", init, "--tied", COLUMNS="200").out
    assert f"also lm_head{', whose law it has' if role == 'lm_head' else ''})" in shown


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_catalogue_has_a_column_for_every_need(width: int) -> None:
    done = initlab("list", "inits", COLUMNS=str(width))
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= width
    heads = "mult shift norm pos par cap opt joint batch"
    assert heads in lines[0]
    assert ("summary" in lines[0]) == (width >= 120)
    items = {item["name"]: item for item in initlab("list", "inits", "--json").json["items"]}
    for name, heads_of in (("gpt2", []), ("mup", ["mult", "opt"]), ("palm", ["mult", "pos", "par"])):
        row = next(line for line in lines if line.startswith(f"{name} "))
        marked = [head for head in heads.split() if row[lines[0].index(head) :][:1] == "✓"]
        assert marked == heads_of
        assert len(items[name]["needs"]) == 1 + len(heads_of)
    assert "``" not in done.out
    assert "nanogpt" in done.out, "aliases are how people find an init"


def test_docstrings_are_shown_as_text() -> None:
    assert "``epsilon``" in str(INITS.get("layerscale").build.__doc__)
    out = initlab("explain", "layerscale", COLUMNS="200").out
    assert "``" not in out
    assert "epsilon" in out


def test_explain_as_source_takes_the_network_and_refuses_what_contradicts_it() -> None:
    said = initlab("explain", "neox", "--n-layer", "1", "--as-source", "--json").json
    assert (said["topology"]["positions"], said["topology"]["rotary_fraction"]) == ("rotary", 0.25)
    assert said["activation"] == "gelu-tanh"
    line = 'the source\'s network: positions = "rotary" (here "learned")'
    assert line in initlab("explain", "neox", COLUMNS="300").out
    wrong = initlab("explain", "neox", "--as-source", "--no-bias")
    assert wrong.code == 2
    assert "bias = true, but bias = false is given too; leave bias out, or as_source" in wrong.err


def test_explain_for_people_groups_layers() -> None:
    out = initlab("explain", "depth-scaled", "--n-layer", "12").out
    assert "0-11" in out
    assert "0.00408248" in out
    assert "lm_head" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "init"], "did you mean 'inits'"),
        (["explain", "gpt3"], "did you mean 'gpt2'"),
        (["explain", "gpt2", "--n-layer", "2,3"], "expected one value"),
        (["explain", "gpt2", "--n-layer", "0"], "greater than 0"),
    ],
)
def test_mistakes_exit_2(arguments: list[str], message: str) -> None:
    done = initlab(*arguments)
    assert done.code == 2
    assert message in done.err
