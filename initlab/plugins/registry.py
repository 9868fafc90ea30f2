"""One generic name table: every extension point of initlab is an instance of it.

Built-ins register through the same door as plug-ins. Registering a name twice is an error, an unknown
name says which one was probably meant. Installed plug-ins are found by their entry points: one by name when that
name is asked for, all of them when everything is listed. A broken one is remembered and harms nobody else.
"""

import hashlib
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from initlab.errors import InitlabError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_registries: "WeakSet[Registry[Any]]" = WeakSet()
_hashes: "WeakKeyDictionary[ModuleType, str]" = WeakKeyDictionary()


class Registry(Generic[T]):
    """Names, with aliases, of one kind of thing (``kind`` is the word used in messages).

    ``code`` gives the Python function an entry is made of, and ``reserved`` are names nobody may take.
    ``entry_points`` is the group under which packages offer more entries; ``broken`` holds the plug-ins that cannot
    be used, and why. With INITLAB_STRICT_PLUGINS=1 in the environment a broken one is an error. ``built_ins`` is the
    module whose import registers all that comes with initlab: whoever asks for a name need not have imported it.
    """

    def __init__(
        self,
        kind: str,
        *,
        code: Callable[[T], Any] | None = None,
        entry_points: str | None = None,
        reserved: frozenset[str] = frozenset(),
        built_ins: str | None = None,
    ) -> None:
        self.kind = kind
        self.broken: dict[str, str] = {}
        self._code = code
        self._group = entry_points
        self._reserved = reserved
        self._built_ins = built_ins
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._complete = entry_points is None
        _registries.add(self)

    def add(self, name: str, entry: T, *, aliases: tuple[str, ...] = ()) -> None:
        """Register ``entry``; raises InitlabError when a name or alias is taken."""
        if not self.is_ours(entry):
            self._import_built_ins()  # so that a name of theirs is known to be taken
        for candidate in (name, *aliases):
            if candidate in self._reserved:
                raise InitlabError(f"{self.kind} {candidate!r} has a name that initlab needs for itself")
            if (taken := self._find(candidate)) is not None:
                homes = " and by ".join(self._home(known) for known in (self._entries[taken], entry))
                raise InitlabError(f"{self.kind} {candidate!r} is registered twice, by {homes}")
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(aliases, name))

    def register(self, name: str, *, aliases: tuple[str, ...] = ()) -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""

        def decorate(entry: T) -> T:
            self.add(name, entry, aliases=aliases)
            return entry

        return decorate

    def canonical(self, name: str) -> str:
        """Return the registered name behind a name or alias; raises InitlabError naming the nearest one."""
        self._import_built_ins()
        registered = self._find(name)
        if registered is not None:
            return registered
        offers = self._offers()
        if name not in offers:
            raise InitlabError(f"unknown {self.kind} {name!r}{did_you_mean(name, self.names())}")
        return self._load(name, offers[name])

    def get(self, name: str) -> T:
        """Return the entry behind a name or alias; raises InitlabError naming the nearest one."""
        return self._entries[self.canonical(name)]

    def aliases(self, name: str) -> tuple[str, ...]:
        return tuple(alias for alias, target in sorted(self._aliases.items()) if target == name)

    def items(self) -> list[tuple[str, T]]:
        """Return (name, entry) pairs in the order of registration, installed plug-ins last, broken ones left out."""
        self._import_built_ins()
        if not self._complete:
            self._complete = True
            for name, points in sorted(self._offers().items()):
                try:
                    self._load(name, points)
                except InitlabError as error:
                    self.skip(name, str(error))
        return [(name, entry) for name, entry in self._entries.items() if name not in self.broken or self._own(name)]

    def skip(self, name: str, reason: str) -> None:
        """Remember that a plug-in cannot be used. Raises InitlabError where broken plug-ins are not to be skipped."""
        if os.environ.get("INITLAB_STRICT_PLUGINS") == "1":
            self._complete = self._group is None  # so that the next listing says it again
            raise InitlabError(reason)
        self.broken[name] = reason

    @property
    def is_open(self) -> bool:
        """Whether plug-ins may add to it."""
        return self._group is not None

    def is_built_in(self, name: str) -> bool:
        return self._own(self.canonical(name))

    def is_ours(self, entry: T) -> bool:
        """Whether an entry, registered or not, is made of code that came with initlab."""
        return _top(self._home(entry)) == "initlab"

    def __contains__(self, name: str) -> bool:
        """Whether a name or alias is registered or offered by an installed plug-in, which is not imported for it."""
        self._import_built_ins()
        return self._find(name) is not None or name in self._offers()

    def names(self) -> list[str]:
        """Return every name and alias that ``get`` may be asked for, without importing a plug-in."""
        self._import_built_ins()
        return list(dict.fromkeys((*self._entries, *self._aliases, *self._offers())))

    def name_of(self, thing: object) -> str | None:
        """Return the name under which an entry, or the function it is made of, is registered."""
        for name, entry in self._entries.items():
            if entry is thing or (self._code is not None and self._code(entry) is thing):
                return name
        return None

    def check_unique(self, name: str) -> None:
        """Raise InitlabError where a plug-in that is loaded and another one, installed, offer the same name."""
        home = self._home(self._entries[name])
        others = [point for point in self._offers().get(name, []) if _top(point.module) != _top(home)]
        if others and not self._own(name):
            owners = " and ".join([home, *_owners(others)])
            raise InitlabError(f"{self.kind} {name!r} is offered by two plug-ins, {owners}: leave one out")

    def fingerprint(self, name: str) -> str | None:
        """Name the code behind a plug-in: its package or file, and a hash of it. None for what is built in.

        Where it lies is no part of it. The hash is that of the file, or, in a package, of all the package's Python
        files: what a plug-in computes may depend on any of them. Raises InitlabError where there is no such file.
        """
        name = self.canonical(name)
        if self._own(name):
            return None
        code = self._code(self._entries[name]) if self._code is not None else None
        if code is not None and not inspect.isfunction(code):
            raise InitlabError(
                f"{self.kind} {name!r} is made of a {type(code).__name__}; wrap it in a function, so that a change "
                "of it can be noticed"
            )
        module = sys.modules.get(self._home(self._entries[name]))
        if module is None or getattr(module, "__file__", None) is None:
            raise InitlabError(f"{self.kind} {name!r} is not defined in a file, so a change of it cannot be noticed")
        return _fingerprint(module)

    @contextmanager
    def blame(self, name: str, entry: T) -> Iterator[None]:
        """Turn what a plug-in's code raises into an InitlabError that names it; a bug of our own stays one."""
        try:
            yield
        except InitlabError:
            raise
        except Exception as error:
            if self.is_ours(entry):
                raise
            home = self._home(entry)
            raise InitlabError(f"the {self.kind} {name!r} of plug-in {home} fails: {error_line(error)}") from error

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Undo at the end of a ``with`` block whatever was registered in it (for tests)."""
        self._import_built_ins()  # now, or they would be undone too, and are imported only once
        names = ("_entries", "_aliases", "broken")
        before = {name: dict(getattr(self, name)) for name in names}, self._complete
        try:
            yield
        finally:
            for name, value in before[0].items():
                setattr(self, name, value)
            self._complete = before[1]

    @contextmanager
    def temporarily(self, name: str, entry: T) -> Iterator[None]:
        """Register ``entry`` for the length of a ``with`` block (for tests)."""
        with self.isolated():
            self.add(name, entry)
            yield

    def forget_failed(self) -> None:
        """Take back what was registered by modules whose import failed afterwards."""
        gone = {name for name, entry in self._entries.items() if self._home(entry) not in sys.modules}
        self._entries = {name: entry for name, entry in self._entries.items() if name not in gone}
        self._aliases = {alias: name for alias, name in self._aliases.items() if name not in gone}

    def _import_built_ins(self) -> None:
        """Import them once; they register themselves, and may ask for each other meanwhile."""
        module, self._built_ins = self._built_ins, None
        if module is not None:
            import_module(module)

    def _find(self, name: str) -> str | None:
        name = self._aliases.get(name, name)
        return name if name in self._entries else None

    def _home(self, entry: T) -> str:
        """Return the module an entry comes from; a file loaded by path is a module named by that path."""
        code = type(entry) if self._code is None else self._code(entry)
        return str(code.__module__ or type(code).__module__)

    def _own(self, name: str) -> bool:
        return self.is_ours(self._entries[name])

    def _offers(self) -> "dict[str, list[EntryPoint]]":
        """Return the entry points of installed plug-ins by name."""
        if self._group is None:
            return {}
        from importlib.metadata import entry_points  # 20 ms that most commands need not spend

        offers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self._group):
            offers.setdefault(point.name, []).append(point)
        return offers

    def _load(self, name: str, points: "list[EntryPoint]") -> str:
        """Import what an installed plug-in offers, which registers it, and return its registered name."""
        owners = _owners(points)
        if len(owners) > 1:
            raise InitlabError(f"{self.kind} {name!r} is offered by two plug-ins, {' and '.join(owners)}: remove one")
        what = f"plug-in {owners[0]!r} offers the {self.kind} {name!r}"
        if (taken := self._find(name)) is not None and self._own(taken):
            raise InitlabError(f"{what}, which is the name of a built-in: it is left out")
        with importing(f"{what} and cannot be loaded"):
            points[0].load()
        registered = self._find(name)
        if registered is None:
            raise InitlabError(f"{what}, but {points[0].value} registers none of that name")
        return registered


def registries() -> list[Registry[Any]]:
    """Return every registry there is, in no particular order."""
    return list(_registries)


@contextmanager
def importing(failure: str) -> Iterator[None]:
    """Import somebody's code: whatever it raises becomes one InitlabError that begins with ``failure``.

    What it prints goes to stderr, since stdout is for results; what it registered before it raised is taken back.
    """
    try:
        with redirect_stdout(sys.stderr), _staying_alive() as asked_to_stop:
            yield
    except BaseException as error:
        for registry in _registries:
            registry.forget_failed()
        if isinstance(error, KeyboardInterrupt) and asked_to_stop():
            raise
        raise InitlabError(f"{failure}: {error_line(error)}") from error


class _Exited(BaseException):
    """``os._exit`` was called: nothing but a ``BaseException`` gets past code that catches what it can."""


@contextmanager
def _staying_alive() -> Iterator[Callable[[], bool]]:
    """Have ``os._exit`` raise, for the length of a ``with`` block; yields whether the user pressed Ctrl-C meanwhile.

    A plug-in is trusted, and may do anything; this is for the one that ends the process where it should raise.
    """
    interrupts: list[int] = []
    real_exit, before, inside = os._exit, signal.getsignal(signal.SIGINT), True

    def exit_(status: int) -> NoReturn:
        if inside:
            raise _Exited(f"it calls os._exit({status})")
        real_exit(status)

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    catches = in_main and before is signal.default_int_handler
    unknown = in_main and callable(before) and not catches  # somebody else's handler may raise it for the user
    os._exit = exit_
    if catches:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(interrupts) or unknown
    finally:
        inside = False
        os._exit = real_exit
        if catches:
            signal.signal(signal.SIGINT, before)


def error_line(error: BaseException) -> str:
    """Return an exception in one line, with the line of code that raised it; our own need no such line."""
    if isinstance(error, InitlabError):
        return str(error)
    if isinstance(error, _Exited):
        return str(error)
    text = f"{type(error).__name__}: {error}".splitlines()[0].strip().removesuffix(":")
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError | ImportError) or not frames:
        return text  # says its place itself, or has none but the import's
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _owners(points: "list[EntryPoint]") -> list[str]:
    return sorted({point.dist.name if point.dist else point.value for point in points})


def _top(module: str) -> str:
    """Return a module's outermost package."""
    return module.partition(".")[0]


def _fingerprint(module: ModuleType) -> str:
    """Hash once, when first asked: what this process runs is what it read then."""
    top = sys.modules.get(_top(module.__name__), module)
    root = top if hasattr(top, "__path__") else module
    if root not in _hashes:
        _hashes[root] = _content_hash(root)
    return f"{Path(root.__name__).stem} {_hashes[root]}"


def _content_hash(root: ModuleType) -> str:
    if not hasattr(root, "__path__"):
        return hashlib.sha256(Path(str(root.__file__)).read_bytes()).hexdigest()[:12]
    digest = hashlib.sha256()
    for folder in map(Path, root.__path__):
        for file in sorted(folder.rglob("*.py")):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:12]
