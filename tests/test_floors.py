"""The rules of the house: imports point down, what need not import torch does not, knowledge has one home."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import initlab

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(floor.split())
    for floor in (
        "errors",
        "files plugins stats",
        "network store",
        "activations probes data machine",
        "spec model adapters optimizers",
        "inits theory",
        "results",
        "engine predictions checkpoints verdicts",
        "planning launchers reporting",
        "running",
        "api",
        "cli docs",
    )
)
"""Low to high. A name is a module or a package of initlab; modules of one package may import each other."""

ROOT = Path(initlab.__file__).parent
Imports = dict[str, set[str]]
"""Dotted module names, without ``initlab.``, each with those it imports."""


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (dotted name below the package, file)."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(source: str, known: set[str], *, module_level: bool) -> set[str]:
    """Return initlab's modules that a source text imports; ``module_level`` leaves out imports inside functions
    and those for the type checker alone, which cannot make a cycle."""
    found: set[str] = set()
    for node in _statements(ast.parse(source), module_level):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("initlab.") in known else node.module for name in submodules]
        else:
            continue
        found |= {name.removeprefix("initlab.") for name in names if name.startswith("initlab.")}
    return found


def _statements(tree: ast.AST, module_level: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if module_level and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _type_checking(node)):
            continue
        yield node
        yield from _statements(node, module_level)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def floor(module: str) -> int:
    top = module.partition(".")[0]
    found = [number for number, names in enumerate(FLOORS) if top in names]
    if len(found) != 1:
        raise AssertionError(f"{module} has no floor: add it to FLOORS")
    return found[0]


def violations(imports: Imports) -> list[str]:
    """Return what is imported sideways or upwards. Modules of one package are at home with each other."""
    wrong = []
    for module, targets in imports.items():
        for target in sorted(targets):
            same_package = "." in module and module.partition(".")[0] == target.partition(".")[0]
            if not same_package and floor(target) >= floor(module):
                wrong.append(f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})")
    return wrong


def closure(module: str, imports: Imports) -> set[str]:
    """Return everything ``module`` imports, directly or not."""
    reached: set[str] = set()
    todo = [module]
    while todo:
        new = imports.get(todo.pop(), set()) - reached
        reached |= new
        todo += new
    return reached


def cycles(imports: Imports) -> list[str]:
    return [module for module in imports if module in closure(module, imports)]


def project(*, module_level: bool) -> Imports:
    files = [(name, path) for name, path in modules(ROOT) if name]  # initlab/__init__.py is on no floor
    known = {name for name, _ in files}
    return {name: imported(path.read_text(), known, module_level=module_level) for name, path in files}


def test_imports_point_down() -> None:
    assert violations(project(module_level=False)) == []


def test_nothing_imports_itself_in_a_circle() -> None:
    assert cycles(project(module_level=True)) == []


def test_no_package_re_exports() -> None:
    inits = [path for name, path in modules(ROOT) if path.name == "__init__.py"]
    assert len(inits) > 5
    inits = [path for path in inits if path.parent != ROOT]  # the public face, which test_public_names.py is about
    assert [str(path) for path in inits if imported(path.read_text(), set(), module_level=False)] == []


def test_the_model_and_the_inits_are_blind_to_each_other() -> None:
    everything = project(module_level=False)
    of_model = set().union(*(closure(name, everything) for name in everything if name.startswith("model.")))
    of_inits = set().union(*(closure(name, everything) for name in everything if name.startswith("inits.")))
    assert "network.slots" in of_model & of_inits
    assert not {name for name in of_model if name.startswith(("inits.", "engine.", "planning."))}
    assert not {name for name in of_inits if name.startswith("model.")}


def test_the_model_names_no_init() -> None:
    from initlab.inits.catalogue import INITS

    source = "".join(path.read_text() for path in (ROOT / "model").glob("*.py"))
    names = [name for name, _ in INITS.items()] + [alias for n, _ in INITS.items() for alias in INITS.aliases(n)]
    assert [name for name in names if f'"{name}"' in source or f"'{name}'" in source] == []


def test_every_module_has_a_floor_and_every_floor_a_module() -> None:
    tops = {name.partition(".")[0] for name, _ in modules(ROOT) if name}
    assert {top for top in tops if floor(top) >= 0} == set().union(*FLOORS)


@pytest.mark.parametrize(
    ("module", "source", "target"),
    [
        ("model.gpt", "from initlab.inits.catalogue import resolve", "inits.catalogue"),
        ("inits.gpt", "from initlab.results.reading import Results", "results.reading"),
        ("spec.run", "from initlab.model.gpt import GPT", "model.gpt"),
        ("files.json", "import initlab.network.slot_table", "network.slot_table"),
        ("network.laws", "def f():\n    from initlab.spec.run import RunSpec", "spec.run"),
        ("engine.group", "from initlab.planning import expand", "planning.expand"),
        ("errors", "from initlab import stats", "stats"),
        ("planning.x", "if TYPE_CHECKING:\n    import initlab.cli.main", "cli.main"),
    ],
)
def test_a_bad_import_is_caught(module: str, source: str, target: str) -> None:
    known = {name for name, _ in modules(ROOT)}
    complaint = f"{module} (floor {floor(module)}) imports {target} (floor {floor(target)})"
    assert violations({module: imported(source, known, module_level=False)}) == [complaint]


def test_a_good_import_is_not() -> None:
    known = {name for name, _ in modules(ROOT)}
    source = (
        "import torch\nfrom initlab.network.laws import Dims\nfrom initlab.inits import note\nimport initlabelled.cli"
    )
    assert imported(source, known, module_level=False) == {"network.laws", "inits.note"}
    assert violations({"inits.gpt": {"network.laws", "inits.note"}}) == []


def test_a_module_without_a_floor_is_caught() -> None:
    with pytest.raises(AssertionError, match="util has no floor"):
        violations({"util": {"network.laws"}})


def test_a_cycle_is_caught_and_one_inside_a_function_is_none() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]
    late = "def f():\n    import initlab.network.laws\nif TYPE_CHECKING:\n    import initlab.spec.run\n"
    late += "class A:\n    import initlab.errors"
    assert imported(late, set(), module_level=True) == {"errors"}
    assert imported(late, set(), module_level=False) == {"network.laws", "spec.run", "errors"}


def torch_is_imported_by(code: str) -> bool:
    code = f"import sys\n{code}\nprint('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.strip().endswith("True")


def test_planning_running_and_reporting_do_not_import_torch() -> None:
    report = importlib.import_module("initlab.reporting")
    reporting = [module.name for module in pkgutil.walk_packages(report.__path__, "initlab.reporting.")]
    assert "initlab.reporting.render.publish" in reporting
    light = [
        "initlab.cli.main",
        "initlab.verdicts.claims",
        "initlab.verdicts.gates",
        "initlab.planning.expand",
        "initlab.planning.groups",
        "initlab.running",
        *reporting,
    ]
    assert not torch_is_imported_by("import " + ", ".join(light))
    assert torch_is_imported_by("import initlab.model.gpt")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "inits"],
        ["list", "activations"],
        ["list", "optimizers"],
        ["explain", "pytorch"],
        ["predict", "gpt2", "--tokens", "synthetic"],
        ["sweep", "--help"],
        ["weights", "--help"],
    ],
)
def test_commands_that_train_nothing_do_not_import_torch(arguments: list[str]) -> None:
    code = "from initlab.cli.main import app\ntry:\n"
    code += f"    app({arguments!r})\nexcept SystemExit as end:\n    assert not end.code, end.code"
    assert not torch_is_imported_by(code)
