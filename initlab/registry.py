"""One generic name table: every extension point of initlab is an instance of it.

Built-ins register through the same door as plug-ins. Registering a name twice is an error, an unknown
name says which one was probably meant. Installed plug-ins are found by their entry points: one by name when that
name is asked for, all of them when everything is listed. A broken one is remembered and harms nobody else.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from initlab.errors import InitlabError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """Names, with aliases, of one kind of thing (``kind`` is the word used in messages).

    ``entry_points`` is the group under which packages offer more of them, ``code`` the function an entry is made of.
    ``broken`` holds the plug-ins that could not be loaded, and why.
    """

    def __init__(self, kind: str, *, code: Callable[[T], Any] = type, entry_points: str | None = None) -> None:
        self.kind = kind
        self.broken: dict[str, str] = {}
        self._code = code
        self._group = entry_points
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._complete = entry_points is None

    def add(self, name: str, entry: T, *, aliases: tuple[str, ...] = ()) -> None:
        """Register ``entry``; raises InitlabError when a name or alias is taken."""
        for candidate in (name, *aliases):
            taken = self._aliases.get(candidate, candidate)
            if taken in self._entries:
                homes = [self._code(known).__module__ for known in (self._entries[taken], entry)]
                raise InitlabError(f"{self.kind} {candidate!r} is registered twice, by {homes[0]} and by {homes[1]}")
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
        if name not in self._entries and name not in self._aliases:
            self._load(name)
        name = self._aliases.get(name, name)
        if name not in self._entries:
            hint = did_you_mean(name, (*self._entries, *self._aliases))
            raise InitlabError(f"unknown {self.kind} {name!r}{hint}")
        return name

    def get(self, name: str) -> T:
        """Return the entry behind a name or alias; raises InitlabError naming the nearest one."""
        return self._entries[self.canonical(name)]

    def aliases(self, name: str) -> tuple[str, ...]:
        return tuple(alias for alias, target in sorted(self._aliases.items()) if target == name)

    def items(self) -> list[tuple[str, T]]:
        """Return (name, entry) pairs in the order of registration, installed plug-ins last."""
        if not self._complete:
            self._complete = True
            for name in sorted({point.name for point in self._installed()} - set(self._entries)):
                try:
                    self._load(name)
                except InitlabError as error:
                    self.broken[name] = str(error)
        return list(self._entries.items())

    def holds(self, function: object) -> bool:
        """Whether an entry is made of this function."""
        return any(self._code(entry) is function for entry in self._entries.values())

    def fingerprint(self, name: str) -> str | None:
        """Name the code behind a plug-in: its module and the hash of its file. None for what is built in."""
        code = self._code(self.get(name))
        if code.__module__.partition(".")[0] == "initlab":
            return None
        file = inspect.getsourcefile(code)
        content = Path(file).read_bytes() if file else b""
        return f"{code.__module__} {hashlib.sha256(content).hexdigest()[:12]}"

    def _installed(self) -> "list[EntryPoint]":
        from importlib.metadata import entry_points  # 20 ms that most commands need not spend

        return list(entry_points(group=self._group)) if self._group else []

    def _load(self, name: str) -> None:
        """Import the installed plug-in of that name, if there is one; importing it registers it."""
        found = [point for point in self._installed() if point.name == name]
        owners = sorted({point.dist.name if point.dist else point.value for point in found})
        if len(owners) > 1:
            raise InitlabError(f"{self.kind} {name!r} is offered by two plug-ins, {' and '.join(owners)}: remove one")
        for point in found[:1]:
            try:
                point.load()
            except Exception as error:  # whatever a stranger's module does on import
                raise InitlabError(
                    f"plug-in {owners[0]!r} offers the {self.kind} {name!r} and cannot be loaded: "
                    f"{type(error).__name__}: {error}"
                ) from error
            if name not in self._entries:
                raise InitlabError(
                    f"plug-in {owners[0]!r} offers the {self.kind} {name!r}, but {point.value} registers none of "
                    "that name"
                )

    @contextmanager
    def temporarily(self, name: str, entry: T) -> Iterator[None]:
        """Register ``entry`` for the length of a ``with`` block (for tests)."""
        self.add(name, entry)
        try:
            yield
        finally:
            del self._entries[name]
