"""``import initlab``: what is public, what importing it costs, and that every public name has a running example."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import initlab
from initlab.errors import InitlabError

PUBLIC = {
    "InitlabError",
    "claims",
    "doctor",
    "explain",
    "gate",
    "list_activations",
    "list_corpora",
    "list_adapters",
    "list_inits",
    "list_launchers",
    "list_optimizers",
    "list_probes",
    "load",
    "predict",
    "prune",
    "report",
    "schema",
    "show",
    "status",
    "sweep",
    "weights",
}
"""What people's scripts may rely on. Taking a name away, or giving it another meaning, breaks them."""

HEAVY = ("torch", "numpy", "pandas", "matplotlib", "scipy", "pydantic", "rich", "typer")


def test_the_public_names_are_these() -> None:
    assert set(initlab.__all__) == PUBLIC
    assert sorted(initlab.__all__) == initlab.__all__


@pytest.mark.parametrize("name", initlab.__all__)
def test_every_public_name_is_there_typed_and_documented(name: str) -> None:
    value = getattr(initlab, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import initlab, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_predicting_and_listing_need_no_torch() -> None:
    code = "import initlab, sys\ninitlab.predict('gpt2', n_layer=2)\ninitlab.list_inits()\ninitlab.explain('gpt2')\n"
    code += "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'swep'"):
        _ = initlab.swep
    assert set(initlab.__all__) <= set(dir(initlab))


def test_a_users_mistake_is_the_public_error() -> None:
    assert initlab.InitlabError is InitlabError
    with pytest.raises(initlab.InitlabError, match="did you mean 'depth-scaled'"):
        initlab.explain("depth-scald")


def examples(name: str) -> doctest.DocTest:
    value = getattr(initlab, name)
    return doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", {}, name, None, 0)


@pytest.mark.parametrize("name", [*initlab.__all__, "initlab"])
def test_every_public_name_has_an_example_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "initlab":
        test = doctest.DocTestParser().get_doctest(initlab.__doc__ or "", {}, name, None, 0)
    else:
        test = examples(name)
    assert any(f"initlab.{name}" in example.source for example in test.examples) or name == "initlab"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(test).failed == 0


def test_an_example_that_is_wrong_fails(capsys: pytest.CaptureFixture[str]) -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 1
    assert "Expected" in capsys.readouterr().out
