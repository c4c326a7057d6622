"""Packages of the core install and of the extras, as the installed metadata name them.

Hints name these packages, not an extra: the name ``pyimgano`` on the package index belongs to
another project.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

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
