"""Files that spare later runs some work; a damaged one is as if it were not there."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

from pyimgano.errors import OutputError
from pyimgano.utils.atomic import write_atomically

#: Names the folder.
VARIABLE = "PYIMGANO_CACHE"
#: What decides, beside a network's name and weights, what it is and what its export holds.
_PACKAGES = ("torch", "torchvision", "timm")
#: Length of the SHA-256 that stands in a file before the content.
_DIGEST = 32


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where the files are: what the environment says, else the user's folder of caches."""
    if given := environ.get(VARIABLE):
        return Path(given)
    if platform == "win32":
        base = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pyimgano"


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that networks of torch come from; none of them is imported."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None


def read_cached(name: str) -> bytes | None:
    """What was kept under a name; None if there is nothing, or not what was written."""
    try:
        content = (cache_folder() / name).read_bytes()
    except (OSError, RuntimeError):  # the latter: a user without a home
        return None
    digest, found = content[:_DIGEST], content[_DIGEST:]
    return found if hashlib.sha256(found).digest() == digest else None


def keep_cached(name: str, content: bytes) -> None:
    """Keep something under a name; an OutputError tells that it cannot be."""
    try:
        file = cache_folder() / name
    except RuntimeError:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
    write_atomically(file, [hashlib.sha256(content).digest(), content])
