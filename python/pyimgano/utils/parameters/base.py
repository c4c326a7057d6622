"""What every constructor parameter has: its values, its help, and where it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError


class Unfit(ValueError):
    """A value that a parameter cannot have; ``wanted`` says in words what it can have."""

    def __init__(self, value: object, wanted: str) -> None:
        super().__init__(f"is {brief(value)}, not {wanted}")
        self.value, self.wanted = value, wanted


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One constructor parameter. Subclasses say which values it takes.

    Attributes
    ----------
    help : str
        One sentence for ``--help``, without a full stop and without the default.
    none : bool or str
        Whether None is a value as well; a text says what it stands for, for ``--help``.
    stored : bool or Parameter
        Whether a detector file holds it. A parameter here has the bounds of files where they are
        narrower: a file may come from anybody.
    option : bool
        Whether the command line has an option for it.
    flags : tuple of str
        Names of that option; none: ``--`` and the parameter's name.
    metavar : str
        What ``--help`` shows for the value.
    one_of : str
        Name of a set of parameters, of which the command line takes one at most.
    """

    help: str = field(default="", compare=False)
    none: bool | str = field(default=False, compare=False)
    stored: bool | Parameter = field(default=True, compare=False)
    option: bool = field(default=True, compare=False)
    flags: tuple[str, ...] = field(default=(), compare=False)
    metavar: str = field(default="", compare=False)
    one_of: str = field(default="", compare=False)

    @property
    def several(self) -> bool:
        """Whether its option takes several words, each parsed by itself."""
        return False

    @property
    def wanted(self) -> str:
        """What it may be, in words that follow "must be"."""
        return self._wanted() if self.none is False else f"{self._wanted()} or None"

    @property
    def typed(self) -> str:
        """The same in the words of the command line, where None is an option that is left out.

        Empty where no word stands for a value.
        """
        return self._typed()

    @property
    def in_file(self) -> Parameter | None:
        """The rule of detector files; None if they do not hold it."""
        if isinstance(self.stored, Parameter):
            return self.stored
        return self if self.stored else None

    def accept(self, value: Any) -> Any:
        """A plain value of Python or JSON, as the constructor takes it, or Unfit."""
        if value is None and self.none is not False:
            return None
        return self._accept(value)

    def check(self, name: str, value: Any) -> Any:
        """A value that was given to a constructor; NumPy's numbers and arrays become plain ones.

        An InvalidInputError names the parameter and says what it may be. A wrong type is no other
        error than a wrong value, for people set either by mistake.
        """
        try:
            return self.accept(self._plain(value))
        except Unfit as error:
            raise InvalidInputError(
                f"{name} must be {error.wanted}, got {brief(error.value)}"
            ) from None

    def parse(self, word: str) -> Any:
        """A word of the command line as a value, or Unfit; bounds are left to :meth:`check`."""
        try:
            return self._parse(word)
        except Unfit:
            if word == self.none:  # such as "native" for a size
                return None
            raise

    @abstractmethod
    def _wanted(self) -> str: ...

    def _typed(self) -> str:
        return self._wanted()

    @abstractmethod
    def _accept(self, value: Any) -> Any: ...

    def _plain(self, value: Any) -> Any:
        return plain(value)

    def _parse(self, word: str) -> Any:
        return word


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) and value.ndim else value


def joined(parts: Iterable[str]) -> str:
    """Words with commas, and "or" before the last."""
    *others, last = parts
    return f"{', '.join(others)} or {last}" if others else last


def brief(value: object) -> str:
    """A value for a message, on one line of bearable length."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
