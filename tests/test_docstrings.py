"""What a docstring cites exists: names of initlab, under the roles of Sphinx or in double backticks.

Checked are ``:func:`` and its like, dotted names that begin with initlab or with one of its modules, and single
identifiers, which must occur somewhere in the code: as a name, a parameter, a field, or a word of a string. Formulas,
file names and other libraries' names are prose.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

import initlab

ROOT = Path(initlab.__file__).parent

ROLE = re.compile(r":(?:func|meth|class|mod|attr|data|obj):`~?([\w.]+)`")
CITED = re.compile(r"(?<!`)``([A-Za-z_][\w.]*)(?:\(.*?\))?``(?!`)")
FILE = re.compile(r"\.(toml|json|jsonl|py|md|csv|html|bin|pkl|safetensors|png|svg|yml)$")

PLACEHOLDERS = {"obj"}
"""What stands for a name of the user's own."""

TABLES = {"model", "data", "train"}
"""Of a spec: ``model.n_layer`` is a field of one of them."""

Members = dict[str, "set[str]"]


@dataclass(frozen=True)
class Module:
    """A module's own names, imported ones among them, the members of its classes, and its citations."""

    name: str
    names: frozenset[str]
    members: Members = field(hash=False)

    def has(self, path: list[str]) -> bool:
        """Return whether a name, or a class's member, exists; what lies deeper is not looked at."""
        if not path:
            return True
        head, *rest = path
        return head in self.names and (not rest or head not in self.members or rest[0] in self.members[head])


@dataclass(frozen=True)
class Citation:
    module: str
    line: int
    name: str
    role: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.name}"


def parsed(name: str, source: str) -> Module:
    tree = ast.parse(source)
    members = {node.name: set(_members(node)) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return Module(name, frozenset(_bound(tree.body)), members)


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind at their own level; what `if` and `try` hold is of that level too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from _bound(node.body + node.orelse)


def _members(node: ast.ClassDef) -> Iterator[str]:
    yield from _bound(node.body)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self":
            yield inner.attr


def citations(name: str, source: str) -> Iterator[Citation]:
    """Yield what docstrings cite, those below assignments included."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        text = node.value.value
        if not isinstance(text, str):
            continue
        for pattern, role in ((ROLE, True), (CITED, False)):
            for match in pattern.finditer(text):
                line = node.lineno + text[: match.start()].count("\n")
                yield Citation(name, line, match[1].rstrip("."), role)


def words_of(source: str) -> Iterator[str]:
    """Yield the identifiers of the code, and the words of its strings that are no docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from re.findall(r"\w+", node.value)
        for kind in ("id", "attr", "arg", "name"):
            name = getattr(node, kind, None)
            if isinstance(name, str):
                yield from name.split(".")


def stale(sources: dict[str, str]) -> list[str]:
    """Return the citations of names that do not exist, of modules given by dotted name with their source."""
    modules = {name: parsed(name, source) for name, source in sources.items()}
    words = {word for source in sources.values() for word in words_of(source)}
    cited = [one for name, source in sources.items() for one in citations(name, source)]
    return [str(one) for one in cited if not _exists(one, modules, words, sources)]


def _exists(one: Citation, modules: dict[str, Module], words: set[str], sources: dict[str, str]) -> bool:
    parts = one.name.split(".")
    if FILE.search(f".{one.name}") or one.name in PLACEHOLDERS:
        return True
    if parts[0] == "initlab":
        return _resolves(parts, modules)
    own = modules[one.module]
    if one.role:
        return own.has(parts) or any(parts[0] in members for members in own.members.values())
    if len(parts) == 1:
        return parts[0] in words or parts[0] in {name.rpartition(".")[2] for name in modules}
    is_field = parts[0] in TABLES and parts[1] in words
    return is_field or _is_local(parts[0], sources[one.module]) or _by_stem(parts, modules)


def _resolves(parts: list[str], modules: dict[str, Module]) -> bool:
    """Return whether a full path is a module, a package, or a name in a module."""
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in modules:
            return modules[name].has(parts[end:])
        if end == len(parts) and any(module.startswith(f"{name}.") for module in modules):
            return True
    return False


def _is_local(name: str, source: str) -> bool:
    """Return whether a file has a parameter, variable or attribute of that name: `x.y` is then a field of it."""
    tree = ast.walk(ast.parse(source))
    return any(
        name in (getattr(node, "arg", None), getattr(node, "id", None), getattr(node, "attr", None)) for node in tree
    )


def _by_stem(parts: list[str], modules: dict[str, Module]) -> bool:
    """Return whether `module.name` exists in some module of that stem, or below a package of that name.

    A first word that is no module of ours begins another library's name, or a spec's field.
    """
    stem, path = parts[0], parts[1:]
    matches = [module for name, module in modules.items() if stem in name.split(".")[1:]]
    return not matches or any(module.has(path) or module.name.endswith(f"{stem}.{path[0]}") for module in matches)


@cache
def project() -> dict[str, str]:
    """Return every module's source by its dotted name."""
    sources = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(("initlab", *path.relative_to(ROOT).with_suffix("").parts))
        sources[name.removesuffix(".__init__")] = path.read_text()
    return sources


def test_every_name_that_a_docstring_cites_exists() -> None:
    cited = [one for name, source in project().items() for one in citations(name, source)]
    assert len(cited) > 500
    assert sum(one.role for one in cited) >= 10
    assert stale(project()) == []


GOOD = '''
"""See ``initlab.a.b.Thing``, :func:`helper`, ``helper(x)``, ``b.helper``, ``torch.nn.Linear`` and ``spec.toml``."""
class Thing:
    """Has ``size`` and :attr:`size`; :meth:`grow` takes ``factor``; ``frames.last`` is one of its ``frames``."""
    size: int
    def grow(self, factor, frames): ...
def helper(x): ...
'''


def test_what_exists_is_found() -> None:
    assert stale({"initlab.a.b": GOOD, "initlab.a": ""}) == []


@pytest.mark.parametrize(
    ("docstring", "name"),
    [
        ("See :func:`gone`.", "gone"),
        ("See :meth:`Thing.shrink`.", "Thing.shrink"),
        ("See ``initlab.a.b.gone``.", "initlab.a.b.gone"),
        ("See ``initlab.gone``.", "initlab.gone"),
        ("See :mod:`initlab.a.c`.", "initlab.a.c"),
        ("As ``b.log_log_slope`` does.", "b.log_log_slope"),
        ("As ``a.gone`` does.", "a.gone"),
        ("Raises as ``planned`` does.", "planned"),
    ],
)
def test_what_is_gone_is_caught(docstring: str, name: str) -> None:
    source = f'{GOOD}\ndef last():\n    """{docstring}"""\n'
    (found,) = stale({"initlab.a.b": source, "initlab.a": ""})
    assert found.endswith(f" {name}")
