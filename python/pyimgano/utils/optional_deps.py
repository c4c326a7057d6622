"""Packages that are used only where they are installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from pyimgano.errors import MissingDependencyError


def optional_import(name: str) -> tuple[ModuleType | None, BaseException | None]:
    """Import a module if that is possible.

    Parameters
    ----------
    name
        Dotted module name.

    Returns
    -------
    tuple
        ``(module, None)``, or ``(None, exception)``. A package that is installed but broken counts
        as missing, whatever it raises on import.
    """
    try:
        return import_module(name), None
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a broken package may raise anything, SystemExit too
        return None, error


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def require(name: str, *, extra: str, purpose: str = "") -> ModuleType:
    """Import a module that an optional feature needs.

    Parameters
    ----------
    name
        Dotted module name.
    extra
        The extra of pyimgano that installs it.
    purpose
        What it is needed for, to complete "... is needed for ...".

    Raises
    ------
    MissingDependencyError
        An ``ImportError`` of one line that names the package and how to install it, or why the
        installed one does not import.
    """
    module, error = optional_import(name)
    if module is not None:
        return module
    top = name.partition(".")[0]
    reason = f" (needed for {purpose})" if purpose else ""
    if _is_installed(name):
        raise MissingDependencyError(
            f"{top}{reason} is installed but fails to import: {type(error).__name__}: {error}"
        ) from error
    raise MissingDependencyError(
        f'{top}{reason} is not installed: pip install "pyimgano[{extra}]"'
    ) from error
