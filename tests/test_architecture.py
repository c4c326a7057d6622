"""Imports run one way: the order of the layers, held by reading the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "pyimgano"

#: A module imports only from what stands before it, from its own layer, and from the leaves.
LAYERS = [
    "kernels",
    "images",
    "datasets",
    "features",
    "neighbors",
    "scorers",
    "postprocess",
    "models",
    "statistics",
    "metrics",
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
    ("__init__.py", "pipelines"),
    # `detector.save(path)`, imported when it is called.
    ("models/base.py", "persistence"),
    ("__main__.py", "cli"),
}


#: Who asks the compiled module itself: the kernels, what must not wait for NumPy, and what is none.
COMPILED = {"kernels", "__init__.py", "images/headers/jpeg.py"}
#: Imports within functions that lead back: a detector saves itself, a network exports itself.
LAZY = {
    ("pyimgano.models.base", "pyimgano.persistence"),
    ("pyimgano.features.backbones.torch_network", "pyimgano.features.backbones.onnx.export"),
    ("pyimgano.features.backbones.torch_network", "pyimgano.features.backbones.onnx.cached"),
}

LONGEST_FILE = 350
#: Without the docstring.
LONGEST_FUNCTION = 60


def sources() -> list[str]:
    return sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


def module_of(source: str) -> str:
    return ".".join(("pyimgano", *Path(source).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(source): source for source in sources()}


def absolute(source: str, node: ast.ImportFrom) -> str:
    """The module that a ``from`` names, also relatively."""
    package = module_of(source).split(".")
    if not source.endswith("__init__.py"):
        package.pop()
    start = package[: len(package) + 1 - node.level] if node.level else []
    return ".".join([*start, *filter(None, [node.module])])


def imported(source: str) -> set[str]:
    """Dotted names that a file imports, wherever in the file, and those that strings hold."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / source).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{absolute(source, node)}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # Lazy imports name their module in a string.
            found |= {node.value} & MODULES.keys()
    return {name for name in found if name.startswith("pyimgano.")}


@pytest.mark.parametrize("source", sources())
def test_imports_run_one_way(source: str) -> None:
    own = Path(source).parts[0].removesuffix(".py")
    allowed = LEAVES | {own}
    if own in LAYERS:
        allowed |= set(LAYERS[: LAYERS.index(own)])
    else:
        assert own in LEAVES | {"__init__", "__main__"}, f"{own} has no place in the layers"
    allowed |= {layer for path, layer in EXCEPTIONS if path == source}
    assert {name.split(".")[1] for name in imported(source)} & {*LAYERS, *LEAVES} <= allowed


def test_the_page_and_its_picture_name_the_folders_in_this_order() -> None:
    docs = PACKAGE.parents[1] / "docs"
    page = (docs / "architecture.md").read_text()
    order = re.search(r"^kernels →[^.]*?$\n\n", page, re.M)
    assert order is not None
    assert re.findall(r"\w+", order[0]) == LAYERS
    folders = {name for name in LAYERS if (PACKAGE / name).is_dir()}
    assert folders <= set(re.findall(r"`(\w+)`", page))
    drawn = re.findall(
        r'class="name"[^>]*>([^<]*)<', (docs / "images/architecture.svg").read_text()
    )
    assert set(", ".join(drawn).split(", ")) == set(LAYERS) - {"evaluation", "extend"}


def test_only_the_kernels_ask_the_compiled_module() -> None:
    users = {s for s in sources() if any(n.startswith("pyimgano._rust") for n in imported(s))}
    assert {s for s in users if not {s, Path(s).parts[0]} & COMPILED} == set()


def test_files_import_each_other_in_no_circle() -> None:
    left = {
        module: {found for name in imported(source) if (found := file_of(name)) != module}
        for module, source in MODULES.items()
    }
    for module, lazy in LAZY:
        left.get(module, set()).discard(lazy)
    # Nobody is in a circle who imports nothing that is left, or whom nobody left imports.
    while free := {m for m, wants in left.items() if not wants & left.keys()} | (
        left.keys() - set().union(*left.values())
    ):
        left = {m: wants for m, wants in left.items() if m not in free}
    assert {m: sorted(wants & left.keys()) for m, wants in left.items()} == {}


def file_of(name: str) -> str | None:
    """The module that a dotted name is, or is in, if that is written in Python."""
    if name.startswith("pyimgano._rust"):
        return None
    return next((m for m in (name, name.rpartition(".")[0]) if m in MODULES), None)


def test_files_hold_one_idea_each() -> None:
    lengths = {source: len((PACKAGE / source).read_text().splitlines()) for source in sources()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_functions_can_be_read_at_once() -> None:
    lengths: dict[str, int] = {}
    for source in sources():
        for node in ast.walk(ast.parse((PACKAGE / source).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                documented = ast.get_docstring(node) is not None
                docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
                length = (node.end_lineno or 0) - node.lineno + 1 - docstring
                name = f"{source} {node.name}"
                lengths[name] = max(length, lengths.get(name, 0))
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}
