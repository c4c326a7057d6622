"""Things that a ``with`` statement closes."""

from __future__ import annotations

from typing import Self


class Closing:
    """Something with a method ``close``, which the end of a ``with`` block calls."""

    def close(self) -> None:
        """Let go of what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
