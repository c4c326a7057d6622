"""Images named by files, folders, patterns and lists, one after the other.

A million images need no more memory than ten: neither a folder nor a list is ever held as a whole.
"""

import codecs
import fnmatch
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np

from pyimgano.errors import DatasetError, InvalidTypeError
from pyimgano.images.left_out import LeftOut, adding_to
from pyimgano.images.preprocess import check_images
from pyimgano.images.walk import Walk
from pyimgano.types import Unreadable
from pyimgano.utils.output_list import is_own_pictures
from pyimgano.utils.text import shown

_READ = 1 << 16
#: Bytes of a line beyond which it is no path.
_LONGEST = 1 << 16
#: A list that is read from standard input.
STDIN = "-"
#: What :func:`stream_images` takes: one file, folder, pattern or list, or several.
Sources = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def stream_images(
    sources: Sources,
    lists: Iterable[str | os.PathLike[str]] = (),
    *,
    left_out: LeftOut | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Iterator[str | Unreadable]:
    """The paths that sources stand for, in order, found as they are asked for.

    Parameters
    ----------
    sources
        One or several, each a file; a folder, which stands for the images in and below it (see
        :class:`~pyimgano.images.walk.Walk`, sorted by path); a pattern with ``*``, ``?``,
        ``[...]`` or ``**`` for any depth of folders, where no file has just that name; or
        ``@FILE`` for a list. The part of a pattern that names an existing folder is no pattern.
    lists
        Files with one file or folder per line, relative to the working folder; ``"-"`` is standard
        input, whose lines are taken as they come.
    left_out
        Counts the files and folders that are no input.
    output
        Folder that the results go to: it is no input.

    Yields
    ------
    str or Unreadable
        A path, whether it can be read or not; or a folder, pattern or list that gave none, and why.

    Raises
    ------
    DatasetError
        A list file cannot be opened; before the first path.
    """
    names = _names(sources)
    files = [os.fspath(file) for file in lists]
    opened: dict[str, IO[bytes]] = {}
    for file in [*(name[1:] for name in names if _is_list(name)), *files]:
        opened[file] = opened.get(file) or _open_list(file)
    found = _Found(LeftOut() if left_out is None else left_out, output, opened)
    return found.stream(names, files)


def gather_images(
    sources: Sources,
    *,
    left_out: LeftOut | None = None,
    output: str | os.PathLike[str] | None = None,
) -> list[str]:
    """All paths that sources stand for, as :func:`stream_images` finds them.

    Raises
    ------
    DatasetError
        A source does not exist, gives no image or cannot be read; names it.
    """
    found = gather_found(sources, left_out=left_out, output=output)
    return [one for one in found if isinstance(one, str)]


def gather_found(
    sources: Sources,
    *,
    left_out: LeftOut | None = None,
    output: str | os.PathLike[str] | None = None,
) -> list[str | Unreadable]:
    """As :func:`gather_images`, with the folders met in others that cannot be read."""
    names = _names(sources)
    for name in names:
        if not (_is_list(name) or glob.has_magic(name) or os.path.lexists(name)):
            raise DatasetError(f"'{shown(name)}' does not exist")
    found = []
    for one in stream_images(names, left_out=left_out, output=output):
        if isinstance(one, Unreadable) and not one.left_out:
            raise DatasetError(one.reason)
        found.append(one)
    return found


def _names(sources: Sources) -> list[str]:
    if isinstance(sources, str | os.PathLike):
        sources = [sources]
    names = []
    for source in check_images(sources):
        if isinstance(source, np.ndarray):
            raise InvalidTypeError("a source of images is a path, got an array: write it to a file")
        names.append(os.fspath(source))
    return names


def _is_list(name: str) -> bool:
    return name.startswith("@") and len(name) > 1


def _open_list(file: str) -> IO[bytes]:
    """Opened once, before anything is read: of a pipe the other end may be there only once."""
    if file == STDIN:
        if sys.stdin is None:
            raise DatasetError("cannot read list -: standard input is closed")
        # Unbuffered, so that a line is there as soon as it was written.
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        return open(file, "rb", buffering=0)
    except OSError as error:
        raise DatasetError(f"cannot read list {shown(file)}: {error.strerror}") from error


class _Found:
    """What sources stand for, one after the other."""

    def __init__(
        self,
        left_out: LeftOut,
        output: str | os.PathLike[str] | None,
        lists: dict[str, IO[bytes]],
    ) -> None:
        self._left_out = left_out
        self._skip = [] if output is None else [output]
        self._lists = lists
        self._last = ("", False)

    def stream(self, names: Sequence[str], lists: Sequence[str]) -> Iterator[str | Unreadable]:
        for name in names:
            if _is_list(name):
                yield from self._listed(name[1:])
            elif glob.has_magic(name) and not os.path.lexists(name):
                with adding_to(self._left_out) as left_out:
                    found = _matches(name, Walk(left_out, self._skip))
                    yield from _some(found, name, "no file matches this pattern", left_out)
            else:
                yield from self._one(name)
        for file in lists:
            yield from self._listed(file)

    def _one(self, name: str) -> Iterator[str | Unreadable]:
        """A file, or the images below a folder."""
        is_folder = os.path.isdir(name)
        if self._is_own(name if is_folder else os.path.dirname(name) or os.curdir):
            yield Unreadable(name, f"{shown(name)}: pyimgano wrote its results there: no input")
            return
        if not is_folder:
            yield name
            return
        with adding_to(self._left_out) as left_out:
            found = Walk(left_out, self._skip).below(name)
            yield from _some(found, name, "the folder has no images", left_out)

    def _is_own(self, folder: str) -> bool:
        """Whether it holds pictures of this program's; a list names one folder many times."""
        if folder != self._last[0]:
            self._last = (folder, is_own_pictures(folder))
        return self._last[1]

    def _listed(self, file: str) -> Iterator[str | Unreadable]:
        opened = self._lists[file]
        try:
            for line in _checked_lines(opened.fileno(), file):
                if isinstance(line, Unreadable):
                    yield line
                else:
                    yield from self._one(_entry(line))
        except OSError as error:
            yield Unreadable(file, f"cannot read list {shown(file)}: {error.strerror}")
        finally:
            opened.close()


def _some(
    found: Iterator[str | Unreadable], source: str, reason: str, left_out: LeftOut
) -> Iterator[str | Unreadable]:
    """All of them; if there is no image, why."""
    said = False
    for one in found:
        said = said or isinstance(one, str) or not one.left_out
        yield one
    if not said:
        why = left_out.describe()
        yield Unreadable(source, f"{shown(source)}: {f'no images; {why}' if why else reason}")


def _matches(pattern: str, walk: Walk) -> Iterator[str | Unreadable]:
    """Images that match a pattern; only folders are expanded as a whole."""
    head, tail = os.path.split(_literal_start(pattern))
    if not tail and os.path.basename(head) == "**":
        head, tail = os.path.split(head)
    if tail in ("", "**"):
        for folder in _topmost(glob.iglob(head, recursive=True)) if head else [os.curdir]:
            if not walk.is_no_input(folder):
                yield from walk.below(folder)
        return
    for folder in sorted(set(_folders(head))):
        yield from walk.matching(folder, lambda name: fnmatch.fnmatch(name, tail))


def _literal_start(pattern: str) -> str:
    """The pattern with its longest beginning that is an existing folder as such, ``lot [7]``."""
    parts = pattern.split(os.sep)
    for n in range(len(parts) - 1, 0, -1):
        start = os.sep.join(parts[:n])
        if glob.has_magic(start) and os.path.isdir(start):
            return os.sep.join([glob.escape(start), *parts[n:]])
    return pattern


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


def _checked_lines(descriptor: int, file: str) -> Iterator[bytes | Unreadable]:
    for number, line in enumerate(_lines(descriptor), start=1):
        if b"\0" in line or len(line) > _LONGEST:  # and so would the following be
            reason = "holds a null byte" if b"\0" in line else f"has over {_LONGEST:,} bytes"
            yield Unreadable(
                file,
                f"list {shown(file)}: line {number} {reason}: a list is UTF-8 text with a path per"
                " line; the rest of it is left out",
            )
            return
        # As editors on Windows leave them: the mark at the start of a file, and line ends.
        line = line.removeprefix(codecs.BOM_UTF8).removesuffix(b"\r")
        if line.strip():
            yield line


def _lines(descriptor: int) -> Iterator[bytes]:
    """Lines as soon as they are there; of one that does not end, the beginning."""
    rest = b""
    while len(rest) <= _LONGEST and (chunk := os.read(descriptor, _READ)):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _entry(line: bytes) -> str:
    """The path in a line; blanks around it count where there is a file of just that name."""
    name = os.fsdecode(line)
    return name if os.path.lexists(name) else name.strip()
