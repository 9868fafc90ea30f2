"""One generic name table: every extension point of initlab is an instance of it.

Built-ins register through the same door as plug-ins. Registering a name twice is an error, an unknown
name says which one was probably meant.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from initlab.errors import InitlabError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Names, with aliases, of one kind of thing (``kind`` is the word used in messages)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, entry: T, *, aliases: tuple[str, ...] = ()) -> None:
        """Register ``entry``; raises InitlabError when a name or alias is taken."""
        for candidate in (name, *aliases):
            if candidate in self._entries or candidate in self._aliases:
                raise InitlabError(f"{self.kind} {candidate!r} is registered twice")
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
        """Return (name, entry) pairs in the order of registration, which is the order people read them in."""
        return list(self._entries.items())

    @contextmanager
    def temporarily(self, name: str, entry: T) -> Iterator[None]:
        """Register ``entry`` for the length of a ``with`` block (for tests)."""
        self.add(name, entry)
        try:
            yield
        finally:
            del self._entries[name]
