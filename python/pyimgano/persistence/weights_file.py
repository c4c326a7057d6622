"""Finding the weights that a detector file names by size and SHA-256."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from pyimgano.errors import WeightsError
from pyimgano.images.reading import open_at_once
from pyimgano.utils.text import shown

#: Above those of any network in use; bounds what is read on the word of a detector file.
MOST_BYTES = 1 << 34
#: Where files are made up while they are read: some never end, some stall.
_NO_FILES = ("/proc", "/sys", "/dev")


def find_file(
    name: str,
    n_bytes: int,
    expected: str,
    given: str | os.PathLike[str] | None,
    location: str | None,
    folder: Path,
) -> tuple[str, bytes]:
    """The file with a size and SHA-256, and its content, which is read once.

    It is looked for as given, else where it was, else beside the detector file. On the word of a
    detector file only a regular file of just that size is opened, and none on a network share or in
    ``/proc``, ``/sys`` or ``/dev``. A WeightsError names both hashes if the given file has another,
    or ``weights=`` if there is none.
    """
    if given is not None:
        return os.fspath(given), _given(given, name, n_bytes, expected)
    for candidate in _candidates(name, location, folder):
        try:
            content = _exactly(candidate, n_bytes)
        except (OSError, ValueError):  # ValueError: a null character in the name
            continue
        if content is not None and hashlib.sha256(content).hexdigest() == expected:
            return candidate, content
    raise WeightsError(
        f"the backbone's weights {shown(name)} (SHA-256 {expected}) are not at hand: say"
        " where they are with weights=FILE (--weights FILE)"
    )


def is_local(location: str, *, windows: bool = os.name == "nt") -> bool:
    """Whether a location is an absolute path on this machine, whatever its slashes.

    A network share would be asked for by its mere name.
    """
    return re.match(r"[A-Za-z]:[\\/]" if windows else r"/(?!/)", location) is not None


def _candidates(name: str, location: str | None, folder: Path) -> Iterator[str]:
    if location and is_local(location) and not _is_made_up(location):
        yield location
    if name == os.path.basename(name):
        yield os.fspath(folder / name)


def _is_made_up(location: str) -> bool:
    try:
        real = os.path.realpath(location)
    except (OSError, ValueError):
        return True
    return any(real == root or real.startswith(f"{root}/") for root in _NO_FILES)


def _exactly(path: str, n_bytes: int) -> bytes | None:
    """The content of a regular file of this size, else None."""
    # Looked at first: opening alone may do something to what is no regular file.
    if not _is_plain(os.stat(path), n_bytes):
        return None
    with open(path, "rb", opener=open_at_once) as file:
        if not _is_plain(os.fstat(file.fileno()), n_bytes):
            return None
        content = file.read(n_bytes)
    return content if len(content) == n_bytes else None


def _is_plain(status: os.stat_result, n_bytes: int) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size == n_bytes


def _given(path: str | os.PathLike[str], name: str, n_bytes: int, expected: str) -> bytes:
    """The content of a file that the user names."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(None, "no such file")
            if status.st_size != n_bytes:  # another file, and it may be large
                content, found = b"", hashlib.file_digest(file, "sha256").hexdigest()
            else:
                content = file.read(n_bytes)
                found = hashlib.sha256(content).hexdigest()
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f"cannot read weights file {shown(path)}: {reason}") from error
    if found != expected:
        raise WeightsError(
            f"weights file {shown(path)} has SHA-256 {found}; the detector was fitted with"
            f" {shown(name)}, SHA-256 {expected}"
        )
    return content
