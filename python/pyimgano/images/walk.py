"""The one walk through folders that everything reads images by."""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyimgano.errors import DatasetError
from pyimgano.images.left_out import (
    BROKEN,
    CLOSED,
    HIDDEN,
    LOOP,
    NO_IMAGE,
    NO_SUFFIX,
    OWN_OUTPUT,
    REPEATED,
    LeftOut,
    of_suffix,
)
from pyimgano.images.reading import is_image_name
from pyimgano.types import Unreadable
from pyimgano.utils.output_list import is_own_pictures
from pyimgano.utils.text import shown

#: Names of a folder that are held at once: a larger folder is read again for each further so many.
_CHUNK = 20_000
#: Folders that systems keep beside a user's own; their thumbnails and deleted files are no data.
_SYSTEM_FOLDERS = frozenset(
    {"__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
    | {"lost+found"}
)
#: Files that lie beside images and that nobody takes for one.
_COMPANIONS = frozenset(
    {".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml"}
    | {".ini", ".cfg", ".log", ".html", ".htm", ".css", ".js", ".pdf", ".doc", ".docx", ".xls"}
    | {".xlsx", ".ods", ".odt", ".py", ".ipynb", ".sh", ".bat", ".ps1", ".db", ".lnk", ".url"}
    | {".zip", ".tar", ".gz", ".xz", ".7z", ".rar", ".md5", ".sha256", ".pyimgano", ".onnx"}
    | {".pth", ".pt", ".npy", ".npz", ".pkl", ".tmp", ".bak", ".xmp", ".aae", ".thm", ".svg"}
)
_COMPANION_NAMES = frozenset({"readme", "license", "licence", "copying", "authors", "makefile"})


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or folder, or of a folder of the system's own."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def visible_folders(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the folders right below one, sorted, links to folders included."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not is_hidden(e.name) and os.path.isdir(e))
    except OSError as error:
        raise DatasetError(f"cannot read folder {shown(folder)}: {error.strerror}") from error


@dataclass(frozen=True)
class _Open:
    """A folder that is being read."""

    path: str
    entries: Iterator[tuple[str, bool]]
    identity: tuple[int, int]


class Walk:
    """Finds images in and below folders; each folder is read once, under whatever name.

    Links to folders are followed. Hidden files and folders, folders of results and what has no
    image suffix are left out and counted. ``skip`` are folders that are no input, such as the one
    that results are written to.
    """

    def __init__(self, left_out: LeftOut, skip: Iterable[str | os.PathLike[str]] = ()) -> None:
        self._left_out = left_out
        self._skip = {found for path in skip if (found := _identity(path)) is not None}
        self._seen: set[tuple[int, int]] = set()
        self._root = ""

    def below(self, folder: str, *, deep: bool = True) -> Iterator[str | Unreadable]:
        """Images in a folder, and below it if ``deep``, in the order of their paths.

        A chunk of its names is held in memory at a time. A folder below it that cannot be read
        comes as an :class:`~pyimgano.types.Unreadable`, and is counted as well.
        """
        self._root = os.path.realpath(folder)
        stack: list[_Open] = []
        problem = self._enter(folder, stack)
        if problem is not None:
            yield problem
        while stack:
            try:
                name, is_folder = next(stack[-1].entries, ("", False))
            except OSError as error:
                yield self._closed(stack.pop().path, error, nested=bool(stack))
                continue
            if not name:
                stack.pop()
                continue
            path = os.path.join(stack[-1].path, name)
            if not is_folder:
                yield path
            elif deep and (problem := self._enter(path, stack)) is not None:
                yield problem

    def matching(self, folder: str, wanted: Callable[[str], bool]) -> Iterator[str | Unreadable]:
        """What :meth:`below` gives for the files and folders in a folder that have some names."""
        if self.is_no_input(folder):
            return
        try:
            for name, is_folder in self._sorted_entries(folder or os.curdir, wanted):
                path = os.path.join(folder, name)
                if not is_folder:
                    yield path
                elif not self.is_no_input(path):
                    yield from self.below(path)
        except OSError as error:
            yield self._closed(folder, error, nested=False)

    def is_no_input(self, folder: str) -> bool:
        """Whether a folder is one to skip, or one of results; it is then counted."""
        if _identity(folder or os.curdir) in self._skip or is_own_pictures(folder or os.curdir):
            self._left_out.add(OWN_OUTPUT, folder)
            return True
        return False

    def _enter(self, folder: str, stack: list[_Open]) -> Unreadable | None:
        """Put a folder on the stack, unless it is no input, was read before or leads back."""
        try:
            identity = _identity_of(os.stat(folder))
        except OSError as error:
            return self._closed(folder, error, nested=bool(stack))
        if stack and self.is_no_input(folder):
            return None
        if any(identity == one.identity for one in stack):
            self._left_out.add(LOOP, folder)
            reason = f"{shown(folder)}: the link leads back to a folder that it is in"
            return Unreadable(folder, reason, left_out=True)
        if identity in self._seen or (stack and self._comes_by_itself(folder)):
            self._left_out.add(REPEATED, folder)
            return None
        self._seen.add(identity)
        stack.append(_Open(folder, self._sorted_entries(folder), identity))
        return None

    def _comes_by_itself(self, folder: str) -> bool:
        """Whether a link leads to a folder that is read under its own name."""
        if not os.path.islink(folder):
            return False
        target = Path(os.path.realpath(folder))
        if not target.is_relative_to(self._root):
            return False
        return not any(map(is_hidden, target.relative_to(self._root).parts))

    def _closed(self, folder: str, error: OSError, *, nested: bool) -> Unreadable:
        broken = not os.path.isdir(folder) and os.path.islink(folder)
        if nested:
            self._left_out.add(BROKEN if broken else CLOSED, folder)
        what = "follow link" if broken else "read folder"
        reason = f"cannot {what} {shown(folder)}: {error.strerror}"
        return Unreadable(folder, reason, left_out=nested)

    def _sorted_entries(
        self, folder: str, wanted: Callable[[str], bool] = lambda name: True
    ) -> Iterator[tuple[str, bool]]:
        """Names of images and folders and whether they are folders, in the order of all paths.

        Sorting needs all names at once, or several looks at the folder: each look takes the next
        ``_CHUNK`` names after those that were already given.
        """
        last = ""
        while True:
            with os.scandir(folder) as entries:
                keys = self._keys(entries, wanted, count=not last)
                found = heapq.nsmallest(_CHUNK, (key for key in keys if key > last))
            for key in found:
                yield key.removesuffix(os.sep), key.endswith(os.sep)
            if len(found) < _CHUNK:
                return
            last = found[-1]

    def _keys(
        self, entries: Iterable[os.DirEntry[str]], wanted: Callable[[str], bool], *, count: bool
    ) -> Iterator[str]:
        for entry in entries:
            name = entry.name
            if not wanted(name):
                continue
            if is_hidden(name):
                if count:
                    self._left_out.add(HIDDEN, entry.path)
            elif _leads_to_folder(entry):
                yield name + os.sep  # whole paths are sorted: a/b.png comes after a.png
            elif is_image_name(name):
                yield name
            elif count:
                self._count_file(entry)

    def _count_file(self, entry: os.DirEntry[str]) -> None:
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() in _COMPANIONS or (not suffix and stem.lower() in _COMPANION_NAMES):
            self._left_out.add(NO_IMAGE, entry.path)
        else:
            self._left_out.add(of_suffix(shown(suffix)) if suffix else NO_SUFFIX, entry.path)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """A folder or a link to one; or a link to nowhere, which gives the reason when it is entered.

    A link that is called like an image, and whose target is gone, is an image that is gone.
    """
    try:
        if entry.is_dir():
            return True
        gone = entry.is_symlink() and not os.path.exists(entry)
    except OSError:  # a link to itself, or one that leads through a closed folder
        return True
    suffix = os.path.splitext(entry.name)[1].lower()
    return gone and not is_image_name(entry.name) and suffix not in _COMPANIONS


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        return _identity_of(os.stat(path))
    except (OSError, ValueError):
        return None


def _identity_of(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
