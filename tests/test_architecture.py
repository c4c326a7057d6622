"""Imports run one way: the order of the layers, held by reading the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "pyimgano"

#: A module imports only from what stands before it, from its own layer, and from the leaves.
LAYERS = [
    "kernels",
    "images",
    "datasets",
    "features",
    "scorers",
    "models",
    "postprocess",
    "evaluation",
    "calibration",
    "persistence",
    "reporting",
    "benchmark",
    "pipelines",
    "extend",
    "cli",
]
LEAVES = {"types", "errors", "registry", "utils"}
#: Re-exports that the public paths need.
EXCEPTIONS = {
    ("utils/datasets.py", "datasets"),
    ("utils/__init__.py", "images"),
    ("__init__.py", "images"),
    ("__init__.py", "models"),
    ("__init__.py", "datasets"),
    ("__init__.py", "persistence"),
    # `detector.save(path)`, imported when it is called.
    ("models/base.py", "persistence"),
    ("__main__.py", "cli"),
    ("scorers/memory_bank.py", "models"),
}


def sources() -> list[str]:
    return sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


def imported_layers(source: str) -> set[str]:
    """Names right below ``pyimgano`` that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / source).read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "pyimgano":
            modules = [f"pyimgano.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module or ""]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Lazy imports name their module in a string.
            modules = [node.value] if node.value.startswith("pyimgano.") else []
        parts = [m.split(".") for m in modules]
        found |= {p[1] for p in parts if p[0] == "pyimgano" and len(p) > 1}
    return found


@pytest.mark.parametrize("source", sources())
def test_imports_run_one_way(source: str) -> None:
    own = Path(source).parts[0].removesuffix(".py")
    allowed = LEAVES | {own, "_rust"}
    if own in LAYERS:
        allowed |= set(LAYERS[: LAYERS.index(own)])
    else:
        assert own in LEAVES | {"__init__", "__main__"}, f"{own} has no place in the layers"
    allowed |= {layer for path, layer in EXCEPTIONS if path == source}
    layers = {name for name in imported_layers(source) if name in set(LAYERS) | LEAVES}
    assert layers <= allowed


def test_files_hold_one_idea_each() -> None:
    long = {s: n for s in sources() if (n := len((PACKAGE / s).read_text().splitlines())) > 420}
    assert long == {}
