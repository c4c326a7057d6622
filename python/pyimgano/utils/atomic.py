"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pyimgano.errors import OutputError
from pyimgano.utils.text import shown


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of ``path`` when the ``with`` block ends.

    A reader sees the old file or the new one. If anything goes wrong the old one stays and nothing
    else is left; only a process that is killed may leave its temporary file, whose name starts with
    a dot and ends in ``.tmp``. A link stays, and the file that it leads to is replaced.

    ``sync`` waits until the content is on the disk, so that a power cut leaves the old file or the
    new one; that takes milliseconds per file. An OutputError names the file: the disk is full, the
    folder cannot be written to, the path is a folder, a device, a pipe or the like.
    """
    target = Path(path)
    try:
        target = regular_target(target)
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {shown(target)}: {error.strerror or error}") from error


def regular_target(path: Path) -> Path:
    """The file to replace: what a link leads to, unless that is there and is no regular file."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(None, "it is a device, a pipe or the like, and no regular file")
    return target


def write_atomically(
    path: str | os.PathLike[str], parts: Iterable[bytes | memoryview], *, sync: bool = True
) -> None:
    """Write parts one after the other; see :func:`replacing`."""
    with replacing(path, sync=sync) as file:
        for part in parts:
            file.write(part)
