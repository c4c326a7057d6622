"""``.pyimgano-output``: the hidden list of what this program wrote to a folder.

The first line is an object, ``{"command": ...}``: whose results they are. Each further one is a
name, as a JSON text, relative to the folder; those of folders of pictures end in ``/``.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator

LIST = ".pyimgano-output"
#: So many folders above a picture is the list at most: pictures/<category>/, <category>/overlays/.
_DEPTH = 2


def list_line(entry: str | dict[str, str]) -> bytes:
    """The line of a name, or of what is said of all of them."""
    return json.dumps(entry).encode() + b"\n"


def listed(lines: Iterable[bytes]) -> Iterator[str]:
    """The names in a list; what is no line of one is passed over."""
    for line in lines:
        with contextlib.suppress(ValueError):
            name = json.loads(line)
            if isinstance(name, str):
                yield name


def command_of(lines: Iterable[bytes]) -> str | None:
    """Whose results a list names; None if it does not say."""
    with contextlib.suppress(ValueError):
        first = json.loads(next(iter(lines), b"null"))
        if isinstance(first, dict):
            return str(first.get("command"))
    return None


def is_own_pictures(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that this program writes its pictures to."""
    at, name = os.path.abspath(folder), ""
    if os.path.islink(at):
        at = os.path.realpath(at)
    for _ in range(_DEPTH):
        at, last = os.path.split(at)
        name = f"{last}/{name}"
        with contextlib.suppress(OSError), open(os.path.join(at, LIST), "rb") as file:
            if any(entry.endswith("/") and name.startswith(entry) for entry in listed(file)):
                return True
    return False
