"""Names for things that users choose by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pyimgano.errors import InvalidInputError, UnknownNameError


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, meant: str | None = None
) -> UnknownNameError:
    """An error for a name that does not exist, with the one meant or the nearest ones that do."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5) if meant is None else [meant]
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}")


@dataclass(frozen=True)
class Entry:
    """A registered factory."""

    name: str
    factory: Callable[..., Any]
    summary: str
    tags: tuple[str, ...] = ()
    extra: str | None = None


class Registry:
    """Factories by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, entry: Entry, *, overwrite: bool = False) -> None:
        """Register a factory; a taken name is refused unless ``overwrite``."""
        if entry.name in self._entries and not overwrite:
            raise InvalidInputError(f"{self.kind} {entry.name!r} is registered already")
        self._entries[entry.name] = entry

    def get(self, name: str) -> Entry:
        """The entry of that name, or an error that lists the nearest names."""
        try:
            return self._entries[name]
        except KeyError:
            raise unknown_name(self.kind, name, self._entries) from None

    def names(self, tags: Iterable[str] | None = None) -> list[str]:
        """All names, sorted; with ``tags`` only those that carry every one of them."""
        wanted = set(tags or ())
        return sorted(n for n, e in self._entries.items() if wanted <= set(e.tags))
