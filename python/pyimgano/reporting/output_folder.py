"""Folders that results are written to: one run at a time, and nothing of the user's is lost."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pyimgano.errors import OutputError
from pyimgano.reporting.files import make_folder
from pyimgano.utils.output_list import LIST, command_of, list_line, listed
from pyimgano.utils.text import printable, shown

#: What is locked where a system locks bytes: the list has no text there.
_LOCKED_BYTE = 1 << 30


class OutputFolder(AbstractContextManager["OutputFolder"]):
    """A folder for results, created if missing, that no other run writes to until it is closed.

    What is written there is noted in a hidden list (:mod:`pyimgano.utils.output_list`), before it
    is written. The list is locked; the system lets go of the lock however the run ends. An
    OutputError tells that another run is writing to it, or that it holds results of another
    command.
    """

    def __init__(self, path: str | os.PathLike[str], command: str) -> None:
        self.path = make_folder(path)
        self._head = {"command": command}
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor = os.open(self.path / LIST, flags, 0o666)
        except OSError as error:
            raise self._error(error, LIST) from error
        try:
            if not _lock(self._descriptor):
                raise OutputError(
                    f"another run is writing to output folder {shown(self.path)}: wait for it to"
                    " end, or choose another folder"
                )
            self._check_command(command)
            # Names of pictures are left on the disk: there may be millions.
            self._own = {name for name in self._listed() if _is_short(name)}
        except BaseException:
            os.close(self._descriptor)
            raise

    def claim(self, name: str) -> Path:
        """A file that may be written or replaced; an OutputError if no earlier run wrote what is
        there.
        """
        self.check(name)
        if name not in self._own:
            self._note(name)
            self._own.add(name)
        return self.path / name

    def check(self, *names: str) -> None:
        """Raise for the first file that could not be claimed."""
        for name in names:
            target = self.path / name
            if name not in self._own and os.path.lexists(target):
                raise OutputError(
                    f"{shown(target)} is there already and is no result of an earlier run, so it is"
                    " not replaced: move it, or choose another output folder"
                )

    def claim_new(self, name: str) -> str:
        """A name for a new file: the one asked for, with a number where it is taken."""
        stem, suffix = os.path.splitext(name)
        number = 1
        while os.path.lexists(self.path / name):
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._note(name)
        return name

    def claim_pictures(self, name: str) -> str:
        """A folder for pictures, never taken as input; with a number where the name is the user's
        own.
        """
        free, number = name, 1
        while f"{free}/" not in self._own and _holds_something(self.path / free):
            number += 1
            free = f"{name}_{number}"
        self._mark(free)
        return free

    def mark_pictures(self, name: str) -> None:
        """Note a folder for pictures under just that name; the user's own is an OutputError."""
        folder = self.path / name
        if f"{name}/" not in self._own and _holds_something(folder):
            raise OutputError(
                f"{shown(folder)} is there already and is no result of an earlier run: move it, or"
                " choose another output folder"
            )
        self._mark(name)

    def move(self, name: str, to: str) -> None:
        """Rename a file that this run wrote."""
        try:
            (self.path / name).replace(self.path / to)
        except OSError as error:
            raise self._error(error, to) from error

    def remove_old(self, *folders: str) -> None:
        """Delete the pictures that earlier runs wrote to some folders; all else there stays."""
        kept = []
        for name in self._listed():
            folder, _, file = name.partition("/")
            if not file or folder not in folders:
                kept.append(name)
                continue
            if Path(file).name != file:  # not a line of ours: it leads elsewhere
                continue
            try:
                (self.path / name).unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._error(error, name) from error
        # In place, for the lock is on this very file.
        os.ftruncate(self._descriptor, 0)
        self._append(list_line(self._head) + b"".join(map(list_line, kept)))

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs write here."""
        os.close(self._descriptor)

    def _check_command(self, command: str) -> None:
        """Refuse results of another command; note this one in a list that is new."""
        with open(self.path / LIST, "rb") as file:
            there = command_of(file)
        if there not in (None, command):
            raise OutputError(
                f"output folder {shown(self.path)} holds results of pyimgano {printable(there)}:"
                " choose another folder"
            )
        if os.fstat(self._descriptor).st_size == 0:
            self._append(list_line(self._head))

    def _listed(self) -> Iterator[str]:
        with open(self.path / LIST, "rb") as file:
            yield from listed(file)

    def _mark(self, name: str) -> None:
        if f"{name}/" not in self._own:
            self._note(f"{name}/")
            self._own.add(f"{name}/")

    def _note(self, name: str) -> None:
        self._append(list_line(name))

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise self._error(error, LIST) from error

    def _error(self, error: OSError, name: str) -> OutputError:
        return OutputError(f"cannot write {shown(self.path / name)}: {error.strerror}")


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError:  # a file, or a folder that cannot be read
        return True


def _is_short(name: str) -> bool:
    """Whether a name is that of a file in the folder itself, or of a folder of pictures."""
    return name.endswith("/") or "/" not in name or name.startswith("plots/")


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: nothing could be told of another run
            return True
        return True
