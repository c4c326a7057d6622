"""Images named by files, folders, patterns and lists, one after the other.

A million images need no more memory than ten: neither a folder nor a list is ever held as a whole.
"""

from __future__ import annotations

import codecs
import fnmatch
import glob
import heapq
import os
import sys
from collections.abc import Callable, Iterable, Iterator

from pyimgano.errors import DatasetError
from pyimgano.types import Unreadable
from pyimgano.utils.images import is_image_name, shown

#: Names of a folder that are held at once: a larger folder is read again for each further so many.
_CHUNK = 20_000
_READ = 1 << 16
#: Bytes of a line beyond which it is no path.
_LONGEST = 1 << 16
#: A list that is read from standard input.
STDIN = "-"
#: What :func:`stream_images` takes: one file, folder, pattern or list, or several.
Sources = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def stream_images(
    sources: Sources, lists: Iterable[str | os.PathLike[str]] = ()
) -> Iterator[str | Unreadable]:
    """The paths that sources stand for, in order, found as they are asked for.

    Parameters
    ----------
    sources
        One or several, each a file; a folder, which stands for the images in and below it (as in
        :func:`~pyimgano.utils.images.list_images`, sorted by path); a pattern with ``*``, ``?``,
        ``[...]`` or ``**`` for any depth of folders, where no file has just that name; or
        ``@FILE`` for a list.
    lists
        Files with one file or folder per line, relative to the working folder; ``"-"`` is standard
        input, whose lines are taken as they come.

    Yields
    ------
    str or Unreadable
        A path, whether it can be read or not; or a folder, pattern or list that gave none, and why.

    Raises
    ------
    DatasetError
        A list file cannot be opened; before the first path.
    """
    if isinstance(sources, str | os.PathLike):
        sources = [sources]
    names = [os.fspath(source) for source in sources]
    files = [os.fspath(file) for file in lists]
    for file in [*(name[1:] for name in names if _is_list(name)), *files]:
        _check_list(file)
    return _stream(names, files)


def _stream(names: list[str], lists: list[str]) -> Iterator[str | Unreadable]:
    for name in names:
        if _is_list(name):
            yield from _listed(name[1:])
        elif glob.has_magic(name) and not os.path.lexists(name):
            yield from _some(_matches(name), name, "no file matches this pattern")
        else:
            yield from _one(name)
    for file in lists:
        yield from _listed(file)


def _is_list(name: str) -> bool:
    return name.startswith("@") and len(name) > 1


def _check_list(file: str) -> None:
    if file == STDIN:
        if sys.stdin is None:
            raise DatasetError("cannot read list -: standard input is closed")
        return
    try:
        with open(file, "rb"):
            pass
    except OSError as error:
        raise DatasetError(f"cannot read list {shown(file)}: {error.strerror}") from error


def _one(name: str) -> Iterator[str | Unreadable]:
    """A file, or the images below a folder."""
    if os.path.isdir(name):
        yield from _some(_below(name), name, "the folder has no images")
    else:
        yield name


def _some(
    found: Iterator[str | Unreadable], source: str, reason: str
) -> Iterator[str | Unreadable]:
    """All of them; if there are none, why."""
    empty = True
    for one in found:
        empty = False
        yield one
    if empty:
        yield Unreadable(source, f"{shown(source)}: {reason}")


def _below(folder: str) -> Iterator[str | Unreadable]:
    """Images in and below a folder; links to folders are not followed, hidden ones left out."""
    try:
        for name, is_folder in _sorted_entries(folder):
            if is_folder:
                yield from _below(os.path.join(folder, name))
            elif is_image_name(name):
                yield os.path.join(folder, name)
    except OSError as error:
        yield Unreadable(folder, f"cannot read folder {shown(folder)}: {error.strerror}")


def _sorted_entries(
    folder: str, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, bool]]:
    """Visible names and whether they are folders, in the order of the paths below them.

    Sorting needs all names at once, or several looks at the folder: each look takes the next
    ``_CHUNK`` names after those that were already given.
    """
    last = ""
    while True:
        with os.scandir(folder) as entries:
            found = heapq.nsmallest(_CHUNK, _keys_after(entries, last, wanted))
        for key in found:
            yield key.removesuffix(os.sep), key.endswith(os.sep)
        if len(found) < _CHUNK:
            return
        last = found[-1]


def _keys_after(
    entries: Iterable[os.DirEntry[str]], last: str, wanted: Callable[[str], bool]
) -> Iterator[str]:
    for entry in entries:
        name = entry.name
        if name.startswith(".") or not wanted(name):
            continue
        if entry.is_dir(follow_symlinks=False):
            name += os.sep  # whole paths are sorted: a/b.png comes after a.png
        elif entry.is_dir():
            continue
        if name > last:
            yield name


def _matches(pattern: str) -> Iterator[str | Unreadable]:
    """Files that match a pattern; only folders are expanded as a whole."""
    head, tail = os.path.split(pattern)
    if not tail and os.path.basename(head) == "**":
        head, tail = os.path.split(head)
    if tail in ("", "**"):
        for folder in _topmost(glob.iglob(head, recursive=True)) if head else [os.curdir]:
            yield from _below(folder)
        return
    folders = sorted(set(_folders(head)))
    for folder in folders:
        try:
            for name, is_folder in _sorted_entries(
                folder or os.curdir, lambda name: fnmatch.fnmatch(name, tail)
            ):
                path = os.path.join(folder, name)
                if is_folder:
                    yield from _below(path)
                elif is_image_name(name):
                    yield path
        except OSError as error:
            yield Unreadable(folder, f"cannot read folder {shown(folder)}: {error.strerror}")


def _topmost(found: Iterable[str]) -> list[str]:
    """The folders among them that lie in none of the others, in order."""
    kept: set[str] = set()
    for folder in sorted({name.rstrip(os.sep) or name for name in found}):
        parents, at = [], folder
        while (parent := os.path.dirname(at)) not in ("", at):
            parents.append(parent)
            at = parent
        if os.path.isdir(folder) and kept.isdisjoint(parents):
            kept.add(folder)
    return sorted(kept, key=lambda folder: os.path.join(folder, ""))  # in the order of the paths


def _folders(head: str) -> Iterator[str]:
    """Folders that the part of a pattern before the last separator stands for."""
    if not glob.has_magic(head):
        if os.path.isdir(head or os.curdir):
            yield head
        return
    for folder in glob.iglob(os.path.join(head, ""), recursive=True):
        yield os.path.dirname(folder)


def _listed(file: str) -> Iterator[str | Unreadable]:
    if file == STDIN:
        # Unbuffered, so that a line is there as soon as it was written.
        yield from _entries(sys.stdin.fileno(), file)
        return
    try:
        with open(file, "rb") as opened:
            yield from _entries(opened.fileno(), file)
    except OSError as error:
        yield Unreadable(file, f"cannot read list {shown(file)}: {error.strerror}")


def _entries(descriptor: int, file: str) -> Iterator[str | Unreadable]:
    for number, line in enumerate(_lines(descriptor), start=1):
        if b"\0" in line or len(line) > _LONGEST:  # and so would the following be
            reason = "holds a null byte" if b"\0" in line else f"has over {_LONGEST:,} bytes"
            yield Unreadable(
                file,
                f"list {shown(file)}: line {number} {reason}: a list is UTF-8 text with a path per"
                " line; the rest of it is left out",
            )
            return
        yield from _entry(line)


def _lines(descriptor: int) -> Iterator[bytes]:
    """Lines as soon as they are there; of one that does not end, the beginning."""
    rest = b""
    while len(rest) <= _LONGEST and (chunk := os.read(descriptor, _READ)):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _entry(line: bytes) -> Iterator[str | Unreadable]:
    # As editors on Windows leave them: the mark at the start of a file, and line ends.
    line = line.removeprefix(codecs.BOM_UTF8).removesuffix(b"\r")
    if line.strip():
        yield from _one(os.fsdecode(line))
