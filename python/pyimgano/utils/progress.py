"""Progress bars that can be switched off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm


class Advance:
    """Moves one bar, by a number of steps or to an absolute position."""

    def __init__(self, bar: tqdm[None]) -> None:
        self._bar = bar

    def __call__(self, steps: int = 1) -> None:
        """Move on by some steps."""
        self._bar.update(steps)

    def to(self, done: int, total: int) -> None:
        """Move to ``done``; the signature is that of the kernels' progress callbacks."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)


@contextmanager
def track(total: int | None, what: str, visible: bool) -> Iterator[Advance]:
    """A bar on standard error for a ``with`` block; nothing is shown unless ``visible``.

    ``total`` is None where nobody knows.
    """
    with tqdm(total=total, desc=what, disable=not visible, leave=False) as bar:
        yield Advance(bar)
