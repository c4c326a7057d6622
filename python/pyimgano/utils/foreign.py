"""Calls of what others wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyimgano.errors import InvalidInputError, PyimganoError


def asked(what: str, function: Callable[..., Any], *args: Any) -> Any:
    """The result of a function of somebody else's.

    Raises
    ------
    InvalidInputError
        It raised something that is no error of this package; ``what`` is named, and what it raised.
    """
    try:
        return function(*args)
    except (PyimganoError, MemoryError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise InvalidInputError(f"{what} fails with {told}") from error
