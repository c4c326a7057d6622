"""What was found and is no input, counted by reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from pyimgano.errors import DatasetError
from pyimgano.utils.text import shown


@dataclass(frozen=True)
class Reason:
    """Why something is no input.

    Attributes
    ----------
    one, many, what
        What it is called after the number 1, and after others; files, folders or links.
    expected
        Nobody would miss it: it is counted, and neither shown nor an error where left-out files
        are one.
    """

    one: str
    many: str
    expected: bool = False
    what: str = "file"


CLOSED = Reason("folder that cannot be read", "folders that cannot be read", what="folder")
BROKEN = Reason("link that cannot be followed", "links that cannot be followed", what="link")
LOOP = Reason("link that leads back", "links that lead back", what="link")
NO_SUFFIX = Reason("without a suffix", "without a suffix")
HIDDEN = Reason("hidden", "hidden", expected=True)
NO_IMAGE = Reason("no image", "no images", expected=True)
OWN_OUTPUT = Reason("folder of results", "folders of results", expected=True, what="folder")
REPEATED = Reason("folder linked again", "folders linked again", expected=True, what="folder")


def of_suffix(suffix: str) -> Reason:
    """Files with a suffix that is not read."""
    return Reason(suffix, suffix)


@dataclass
class _Count:
    reason: Reason
    count: int
    first: str


class LeftOut:
    """Files and folders that were left out: how many for which reason, and the first of each."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    @classmethod
    @contextmanager
    def counted(cls, strict: bool = False) -> Iterator[Self]:
        """What a ``with`` block leaves out; with ``strict`` that is an error at its end.

        Raises
        ------
        DatasetError
            Something was left out that somebody could miss.
        """
        left_out = cls()
        yield left_out
        if strict:
            left_out.check()

    def add(self, reason: Reason, path: str | os.PathLike[str], count: int = 1) -> None:
        """Count something; reasons that differ in case only are one."""
        key, name = reason.many.lower(), os.fspath(path)
        found = self._counts.setdefault(key, _Count(reason, 0, name))
        found.count += count
        found.first = min(found.first, name)  # folders are not read in order

    def update(self, other: LeftOut) -> None:
        """Count everything that another has counted."""
        for one in other._counts.values():
            self.add(one.reason, one.first, one.count)

    def count(self, reason: Reason) -> int:
        """How many there are of one reason."""
        found = self._counts.get(reason.many.lower())
        return 0 if found is None else found.count

    @property
    def total(self) -> int:
        """How many somebody could miss."""
        return sum(one.count for one in self._missed())

    @property
    def n_expected(self) -> int:
        """How many nobody would miss (hidden files, texts, tables and the like)."""
        return sum(one.count for one in self._counts.values() if one.reason.expected)

    def describe(self) -> str:
        """One line for people; empty if there is nothing that somebody could miss."""
        missed = self._missed()
        if not missed:
            return ""
        parts = [
            f"{one.count} {one.reason.one if one.count == 1 else one.reason.many}"
            f" ({shown(one.first)}{', ...' if one.count > 1 else ''})"
            for one in missed
        ]
        kinds = {one.reason.what for one in missed}
        what = kinds.pop() + ("s" if self.total > 1 else "")
        return f"{self.total} {'files and folders' if kinds else what} left out: {', '.join(parts)}"

    def check(self) -> None:
        """Raise if there is anything that somebody could miss.

        Raises
        ------
        DatasetError
            With the line of :meth:`describe`.
        """
        if self.total:
            raise DatasetError(f"{self.describe()} (strict)")

    def to_json(self) -> list[dict[str, Any]]:
        """One entry per reason, as plain data; ``expected`` as in :class:`Reason`."""
        return [
            {
                "reason": one.reason.many,
                "count": one.count,
                "first": shown(one.first),
                "expected": one.reason.expected,
            }
            for _, one in sorted(self._counts.items())
        ]

    def _missed(self) -> list[_Count]:
        found = [one for one in self._counts.values() if not one.reason.expected]
        return sorted(found, key=lambda one: (-one.count, one.reason.many))


@contextmanager
def adding_to(whole: LeftOut) -> Iterator[LeftOut]:
    """A count of its own for a ``with`` block, added to the whole one at its end."""
    own = LeftOut()
    try:
        yield own
    finally:
        whole.update(own)
