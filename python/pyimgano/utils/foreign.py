"""Calls of what others wrote."""

import inspect
from collections.abc import Callable
from typing import Any

from pyimgano.errors import InvalidInputError, PyimganoError


def asked(
    what: str,
    function: Callable[..., Any],
    *args: Any,
    error_class: type[PyimganoError] = InvalidInputError,
) -> Any:
    """The result of a function of somebody else's.

    What it raises that is no error of this package becomes one of ``error_class``, with ``what``
    and the first line of what it raised.
    """
    try:
        return function(*args)
    except (PyimganoError, MemoryError):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise error_class(f"{what} fails with {told}") from error


def parameters_of(factory: Callable[..., Any]) -> frozenset[str]:
    """The names of what a function or class takes; none where that cannot be told."""
    try:
        return frozenset(inspect.signature(factory).parameters)
    except (TypeError, ValueError):  # of code without a signature, and of what is no code
        return frozenset()
