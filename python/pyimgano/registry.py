"""Names for things that users choose by name, and the packages of others that add to them."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from threading import RLock
from typing import TYPE_CHECKING, Generic, TypeVar

from pyimgano.errors import InvalidInputError, PluginWarning, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: Entry-point group of packages that register things: callables without arguments.
PLUGINS = "pyimgano.plugins"

T = TypeVar("T")


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, meant: str | None = None
) -> UnknownNameError:
    """An error for a name that does not exist, with the one meant or the nearest ones that do."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5) if meant is None else [meant]
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else "."
    return UnknownNameError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}")


class _Plugins:
    """Installed packages that announce themselves, each asked once in a process."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._asked = False
        #: Whether one of them is registering things.
        self.loading = False

    def load(self) -> None:
        """Have every plugin register what it has; those that fail are warned of, by name."""
        with self._lock:  # one that looks up a name while it registers comes by here again
            if self._asked:
                return
            from importlib.metadata import entry_points  # here, for it takes as long as all else

            self._asked = True
            self.loading = True
            try:
                failures = [text for one in entry_points(group=PLUGINS) if (text := _failure(one))]
            finally:
                self.loading = False
        for text in failures:
            warnings.warn(text, PluginWarning, stacklevel=4)


_PLUGINS = _Plugins()


def from_plugin() -> bool:
    """Whether what is being registered comes from an installed package's entry point."""
    return _PLUGINS.loading


def _failure(plugin: "EntryPoint") -> str | None:
    """Run a plugin; what went wrong, if anything did."""
    try:
        plugin.load()()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # the code of others may raise anything, SystemExit too
        package = f" of package {plugin.dist.name}" if plugin.dist is not None else ""
        return (
            f"plugin {plugin.name!r}{package} ({plugin.value}) is left out, it failed with"
            f" {type(error).__name__}: {error}"
        )
    return None


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something that was registered, and what listings say about it."""

    name: str
    value: T
    summary: str = ""
    tags: tuple[str, ...] = ()
    extra: str | None = None


class Registry(Generic[T]):
    """Things by name: classes, functions that build something, or objects.

    A look-up of a name that is not there, and any listing, first let the installed plugins
    (entry-point group ``pyimgano.plugins``) register theirs, once in a process. Errors call one of
    them by the ``kind``, such as ``"model"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}

    def add(self, entry: Entry[T], *, overwrite: bool = False) -> None:
        """Register an entry; a name that another one has is refused unless ``overwrite``.

        Raises
        ------
        InvalidInputError
            The name is taken, or it is no text.
        """
        if not isinstance(entry.name, str) or not entry.name:
            raise InvalidInputError(
                f"the name of a {self.kind} must be a text that is not empty, got {entry.name!r}"
            )
        if self._entries.get(entry.name, entry) != entry and not overwrite:
            raise InvalidInputError(f"{self.kind} {entry.name!r} is registered already")
        self._entries[entry.name] = entry

    def find(self, name: str) -> Entry[T] | None:
        """The entry of that name, if there is one; what is no text is an error."""
        if not isinstance(name, str):
            raise InvalidInputError(f"{self.kind} must be a name, a text, got {name!r:.80}")
        if name not in self._entries:
            _PLUGINS.load()
        return self._entries.get(name)

    def get(self, name: str, *, meant: str | None = None) -> Entry[T]:
        """The entry of that name, or an error with the one ``meant`` or the nearest names."""
        found = self.find(name)
        if found is None:
            raise unknown_name(self.kind, name, self._entries, meant=meant)
        return found

    def names(self, tags: Iterable[str] | None = None) -> list[str]:
        """All names, sorted; with ``tags`` only those that carry every one of them."""
        _PLUGINS.load()
        wanted = set(tags or ())
        return sorted(n for n, e in self._entries.items() if wanted <= set(e.tags))
