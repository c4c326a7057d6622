"""Text from names of files and from other programs, made safe to print."""

import html
import os

#: What no line of text may hold: control characters, which end lines and which a terminal obeys,
#: and invisible ones, which change the order or the look of what stands beside them.
_UNSAFE = (
    *range(0x20),
    *range(0x7F, 0xA0),
    *(0xAD, 0x61C, 0x180E, 0xFEFF),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xE0000, 0xE0080),
)
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _UNSAFE}


def counted(n: int, noun: str) -> str:
    """A number and its noun: ``1 image``, ``2 images``."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def printable(text: str) -> str:
    r"""A text in one line, control and bidirectional marks escaped as in Python (``\x1b``)."""
    return text.translate(_ESCAPES)


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed anywhere: undecodable bytes and what is unsafe escaped."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def escaped(text: str) -> str:
    """A text as it can stand in HTML: in one line, and without markup."""
    return html.escape(printable(text))
