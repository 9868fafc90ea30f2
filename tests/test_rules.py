"""The rules of the house that are not about floors: who reads the store, who lists fields, what names are free.

Each is a few lines over the syntax trees of the source, and each has a twin that must fail.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import initlab
from tests.test_floors import ROOT, Imports, modules, project

LOOSE = {"errors", "running", "docs"}
"""Modules of initlab that stand in no package."""

LONGEST_CHAIN = 18
MOST_FLOORS = 6
CLI_MAY_IMPORT = ("api", "cli", "errors")


def trees(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield (dotted name, tree) of every module, or of those of some packages."""
    for name, path in modules(ROOT):
        if not packages or name.partition(".")[0] in packages:
            yield name, ast.parse(path.read_text())


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield every text of a module but its docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


# 1. A stage reads disk and machine once; results is the only reader of a sweep's folder, through store.

RUN_FILES = {"summary.json", "status.json", "metrics.jsonl", "layers.jsonl"}
MAY_NAME_RUN_FILES = ("results", "store")


def namers_of_run_files(everything: Iterator[tuple[str, ast.Module]]) -> set[str]:
    return {
        name
        for name, tree in everything
        if any(node.value in RUN_FILES for node in strings(tree)) and not name.startswith(MAY_NAME_RUN_FILES)
    }


def test_results_is_the_only_reader_of_a_sweeps_folder() -> None:
    writers_of_a_report = {"reporting.render.publish"}  # which has a summary.json of its own
    assert namers_of_run_files(trees()) <= writers_of_a_report
    bad = ast.parse("from pathlib import Path\nPath('x', 'metrics.jsonl').read_text()")
    assert namers_of_run_files(iter([("verdicts.evidence", bad)])) == {"verdicts.evidence"}


# 2. cli imports api and its own console helpers only.


def strangers_in_cli(imports: Imports) -> dict[str, list[str]]:
    found = {
        name: sorted(target for target in targets if target.partition(".")[0] not in CLI_MAY_IMPORT)
        for name, targets in imports.items()
        if name.startswith("cli.")
    }
    return {name: targets for name, targets in found.items() if targets}


def test_the_command_line_knows_the_verbs_alone() -> None:
    assert strangers_in_cli(project(module_level=False)) == {}
    assert strangers_in_cli({"cli.gate": {"verdicts.gates", "api.judging"}}) == {"cli.gate": ["verdicts.gates"]}


def test_the_command_line_is_thin() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "cli").glob("*.py"))
    assert lines < 1500


# 3. Only spec/fields lists field names; roles are constants of network, literals of them stand there and in adapters.


def listers(
    everything: Iterator[tuple[str, ast.Module]], names: set[str], homes: tuple[str, ...]
) -> dict[str, list[str]]:
    """Return, by module, the lists, tuples and sets of texts that hold three or more of ``names``."""
    found: dict[str, list[str]] = {}
    for module, tree in everything:
        if module.startswith(homes):
            continue
        for node in ast.walk(tree):
            if not isinstance(
                node, ast.List | ast.Tuple | ast.Set
            ):  # a dict of fields is a model's or a run's values
                continue
            texts = {part.value for part in node.elts if isinstance(part, ast.Constant) and part.value in names}
            if len(texts) >= 3:
                found.setdefault(module, []).append(f"line {node.lineno}: {sorted(map(str, texts))}")
    return found


def field_names() -> set[str]:
    from initlab.spec.run import DataSpec, ModelSpec, TrainSpec

    return {name for spec in (ModelSpec, DataSpec, TrainSpec) for name in spec.model_fields}


def role_literals(everything: Iterator[tuple[str, ast.Module]]) -> dict[str, set[str]]:
    """Return the roles that modules outside network and adapters spell out."""
    from typing import get_args

    from initlab.network.slots import Role

    # A word that is also something else (a bias is a switch of the spec, a query a part of attention) says nothing.
    roles = set(get_args(Role)) - {"bias", "query", "key", "value"}
    found = {
        name: {str(node.value) for node in strings(tree) if node.value in roles}
        for name, tree in everything
        if not name.startswith(("network", "adapters"))
    }
    return {name: texts for name, texts in found.items() if texts}


def test_fields_are_listed_in_one_place() -> None:
    assert listers(trees(), field_names(), ("spec", "network", "adapters")) == {}
    bad = ast.parse("SIZES = ('n_layer', 'n_embd', 'n_head')")
    assert listers(iter([("planning.groups", bad)]), field_names(), ("spec",)) != {}


def test_roles_are_constants_of_network() -> None:
    assert role_literals(trees()) == {}
    assert role_literals(iter([("theory.x", ast.parse("x = 'ffn_up'"))])) == {"theory.x": {"ffn_up"}}


# 4. Views know no matplotlib, renderers no pandas.


def test_views_hold_values_and_renderers_draw_them() -> None:
    for package, stranger in (("reporting.views", "matplotlib"), ("reporting.render", "pandas")):
        inside = [name for name, _ in modules(ROOT) if name.startswith(f"{package}.")]
        assert inside
        code = "import sys, " + ", ".join(f"initlab.{name}" for name in inside)
        done = subprocess.run(
            [sys.executable, "-c", f"{code}\nprint({stranger!r} in sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "False", package


# 5. What outsiders may add is a registry entry, never a Literal.

OPEN_KINDS = ("init", "activation", "probe", "optimizer", "launcher", "corpus", "adapter")


def test_whatever_outsiders_may_add_is_a_registry() -> None:
    import initlab.api.listing
    from initlab.plugins.registry import registries

    assert initlab.api.listing
    assert set(OPEN_KINDS) <= {registry.kind for registry in registries()}


def closed_doors(everything: Iterator[tuple[str, ast.Module]], names: set[str]) -> dict[str, list[str]]:
    """Return the ``Literal[...]`` that spell out names which a registry holds.

    An init's own parameters may be choices, whose words are also names of other inits.
    """
    found: dict[str, list[str]] = {}
    for module, tree in everything:
        if module.startswith("inits."):
            continue
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("Literal", "typing.Literal")
            if literal and {text.value for text in strings(node)} & names:
                found.setdefault(module, []).append(ast.unparse(node))
    return found


def test_no_literal_closes_a_registry() -> None:
    import initlab.api.listing
    from initlab.plugins.registry import registries

    assert initlab.api.listing
    names = {name for registry in registries() if registry.kind in OPEN_KINDS for name, _ in registry.items()}
    assert closed_doors(trees(), names) == {}
    assert closed_doors(iter([("spec.run", ast.parse("x: Literal['adamw', 'sgd']"))]), {"adamw"}) != {}


# 6. A room's name is a noun.

ROOMS = (
    "activations adapters api auditing checkpoints cli data engine files inits launchers machine model network "
    "optimizers planning plugins predictions probes reporting results spec stats store theory verdicts"
)


def test_rooms_have_the_names_of_the_field() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= set(ROOMS.split())


# 7. At most six floors inside a package; theory, which has nine, apart. And no chain of imports is long.


def floors_inside(package: str, imports: Imports) -> int:
    own = {name: {t for t in targets if t.startswith(f"{package}.")} for name, targets in imports.items()}

    def depth(name: str) -> int:
        return 1 + max((depth(target) for target in own.get(name, ())), default=0)

    return max(depth(name) for name in own if name.startswith(f"{package}."))


def longest_chain(imports: Imports) -> list[str]:
    known: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in known:
            known[name] = [name, *max((chain(t) for t in imports.get(name, ())), key=len, default=[])]
        return known[name]

    return max((chain(name) for name in imports), key=len)


def test_packages_are_flat_and_chains_short() -> None:
    imports = project(module_level=True)
    packages = {name.partition(".")[0] for name in imports if "." in name}
    tall = {package: floors_inside(package, imports) for package in packages}
    assert {package: n for package, n in tall.items() if n > MOST_FLOORS and package != "theory"} == {}
    assert len(longest_chain(imports)) <= LONGEST_CHAIN, " > ".join(longest_chain(imports))
    assert longest_chain({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"c"}}) == ["a", "b", "c"]
    assert floors_inside("p", {"p.a": {"p.b"}, "p.b": {"p.c", "q.x"}, "p.c": set(), "q.x": set()}) == 3


def test_few_modules_stand_in_no_package() -> None:
    loose = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
    assert loose <= LOOSE


# 8. No module or package has the name of a public function: importing it would rebind the verb.


def test_no_module_takes_the_name_of_a_verb() -> None:
    children = {name.partition(".")[0] for name, _ in modules(ROOT) if name}
    assert children & set(initlab.__all__) == set()


def test_verbs_survive_the_import_of_every_module() -> None:
    names = [f"initlab.{name}" for name, _ in modules(ROOT) if name and not name.endswith("__main__")]
    code = "import importlib, initlab\n"
    code += f"for name in {names!r}:\n    importlib.import_module(name)\n"
    code += "assert all(callable(getattr(initlab, name)) for name in initlab.__all__), initlab.__all__\n"
    code += "initlab.list_inits(); initlab.explain('gpt2', n_layer=2); initlab.predict('gpt2', n_layer=2)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)


# What a reader may expect of every file.


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, node


def test_functions_fit_on_a_screen() -> None:
    lengths = {f"{m}.{node.name}": (node.end_lineno or 0) - node.lineno + 1 for m, node in functions()}
    assert {name: n for name, n in lengths.items() if n > 50} == {}
    assert sorted(lengths.values())[len(lengths) // 2] <= 8


def test_every_function_is_typed_and_every_module_says_what_it_is() -> None:
    untyped = []
    for module, node in functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        own = [a for a in arguments if a.arg not in ("self", "cls")]
        if node.returns is None or any(a.annotation is None for a in own):
            untyped.append(f"{module}.{node.name}")
    assert untyped == []
    assert [name for name, tree in trees() if ast.get_docstring(tree) is None and tree.body] == []


def test_every_module_has_its_test_file() -> None:
    tests = Path(__file__).parent
    alone = []
    for name, path in modules(ROOT):
        if path.name == "__init__.py":
            continue
        *packages, stem = name.split(".")
        if not (tests.joinpath(*packages) / f"test_{stem}.py").exists():
            alone.append(name)
    assert alone == []


def test_no_stem_stands_twice() -> None:
    """A command's module has the command's name, which is often a room's or a value's too."""
    stems = [name.rpartition(".")[2] for name, path in modules(ROOT) if name and not name.startswith("cli.")]
    assert {stem for stem in stems if stems.count(stem) > 1} == set()
