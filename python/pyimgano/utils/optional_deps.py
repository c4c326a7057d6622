"""Packages that are used only where they are installed."""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from types import ModuleType

from pyimgano.errors import MissingDependencyError

_SELF = re.compile(r"pyimgano\[([^\]]+)\]")


def requirements() -> tuple[list[str], dict[str, list[str]]]:
    """What the core and each extra need, such as ``torch>=2.10``; nothing in a source folder.

    Extras without a package of their own are left out.
    """
    core: list[str] = []
    extras: dict[str, list[str]] = {}
    try:
        lines = requires("pyimgano") or []
    except PackageNotFoundError:
        lines = []
    for line in lines:
        needed = line.partition(";")[0].strip()
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        (core if extra is None else extras.setdefault(extra[1], [])).append(needed)
    own = [e for e, lines in extras.items() if not all(map(_SELF.match, lines))]
    return core, {extra: _resolve(extra, extras) for extra in own}


def install_hint(extra: str, package: str = "") -> str:
    """The command that installs an extra's packages; ``package`` if the metadata know none."""
    packages = requirements()[1].get(extra) or [package or extra]
    return " ".join(["pip install", *(f'"{each}"' for each in packages)])


def _resolve(
    extra: str, extras: dict[str, list[str]], seen: frozenset[str] = frozenset()
) -> list[str]:
    """The packages of an extra, those of extras that it is made of among them, each once."""
    found: list[str] = []
    for needed in extras.get(extra, []):
        own = _SELF.match(needed)
        if own is None:
            found.append(needed)
            continue
        for other in own[1].split(","):
            if other not in seen:
                found += _resolve(other.strip(), extras, seen | {extra})
    return list(dict.fromkeys(found))


def optional_import(name: str) -> tuple[ModuleType | None, BaseException | None]:
    """Import a module if that is possible: ``(module, None)``, or ``(None, exception)``.

    A package that is installed but broken counts as missing, whatever it raises on import.
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


#: Oldest versions that may read files of others. Before, torch's reader of weights could be made
#: to run code (CVE-2025-32434, CVE-2026-24747), onnx to read files that a model names
#: (CVE-2026-27489), and ONNX Runtime to leave the bounds of its memory.
SAFE_VERSIONS = {"torch": "2.10", "onnx": "1.21", "onnxruntime": "1.28"}


def require(name: str, *, extra: str, purpose: str = "", reads_files: bool = False) -> ModuleType:
    """Import a module that an optional feature needs, and that ``extra`` installs.

    ``purpose`` completes "... is needed for ...". If it ``reads_files`` of others, versions older
    than `SAFE_VERSIONS` are refused. A :class:`MissingDependencyError` (an ``ImportError``) of one
    line names the package and how to install it, or why the installed one does not import or is too
    old.
    """
    module, error = optional_import(name)
    top = name.partition(".")[0]
    reason = f" (needed for {purpose})" if purpose else ""
    if module is not None:
        if reads_files:
            _check_version(top, reason, extra)
        return module
    if _is_installed(name):
        raise MissingDependencyError(
            f"{top}{reason} is installed but fails to import: {type(error).__name__}: {error}"
        ) from error
    raise MissingDependencyError(
        f"{top}{reason} is not installed: {install_hint(extra, top)}"
    ) from error


def _check_version(package: str, reason: str, extra: str) -> None:
    safe = SAFE_VERSIONS.get(package)
    found = getattr(import_module(package), "__version__", None) or version(package)
    if safe is not None and _numbers(str(found)) < _numbers(safe):
        raise MissingDependencyError(
            f"{package} {found}{reason} is not safe with files of others before {safe}:"
            f" {install_hint(extra, f'{package}>={safe}')}"
        )


def _numbers(text: str) -> list[int]:
    """The leading numbers of a version."""
    found = re.match(r"\d+(\.\d+)*", text)
    return [int(part) for part in found[0].split(".")] if found else []
