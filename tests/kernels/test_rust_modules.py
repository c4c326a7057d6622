"""The modules of the Rust crates use each other in one direction: no circles between files."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CRATES = Path(__file__).parents[2] / "rust"
Name = tuple[str, ...]


def modules(source: Path) -> dict[Name, str]:
    """The text of each module without its tests and comments, by its path in the crate."""
    found: dict[Name, str] = {}
    for file in sorted(source.rglob("*.rs")):
        name = file.relative_to(source).with_suffix("").parts
        if name[-1] in ("mod", "lib"):
            name = name[:-1]
        if name[-1:] != ("tests",):
            text = file.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests")[0]
            found[name] = re.sub(r"//.*", "", text)
    return found


def paths(tree: str) -> list[str]:
    """The paths of a use declaration: ``a::{b, c::d}`` is ``a::b`` and ``a::c::d``."""
    start, brace, rest = tree.strip().partition("{")
    if not brace:
        return [re.split(r"\s+as\s+", start)[0].strip()]
    parts, depth, part = [], 0, ""
    for character in rest[: rest.rindex("}")]:
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [start + path for part in [*parts, part] if part.strip() for path in paths(part)]


def graph(texts: dict[Name, str]) -> dict[Name, set[Name]]:
    """Which modules each module names: by ``use``, and by paths that begin at the crate."""
    exports: dict[Name, Name] = {}
    edges: dict[Name, set[Name]] = {name: set() for name in texts}
    for name in sorted(texts, key=len):
        text = texts[name]
        named = [p for tree in re.findall(r"\buse ([^;]+);", text) for p in paths(tree)]
        named += re.findall(r"(?<!:)\b(?:\w+::)+\w+", re.sub(r"\buse [^;]+;", "", text))
        for path in named:
            head, *tail = path.split("::")
            if head == "crate":
                target = tuple(tail)
            elif head == "super":
                target = (*name[:-1], *tail)
            elif (*name, head) in texts:
                target = (*name, head, *tail)
                exports[(*name, tail[-1] if tail else head)] = (*name, head)
            else:
                continue
            while target not in texts:
                target = exports.get(target, target[:-1])
            if target != name:
                edges[name].add(target)
    return edges


@pytest.mark.parametrize("crate", ["pyimgano-core", "pyimgano-py"])
def test_modules_use_each_other_in_one_direction(crate: str) -> None:
    files = graph(modules(CRATES / crate / "src"))
    assert len(files) > 5
    folders: dict[Name, set[Name]] = {}
    for name, used in files.items():
        folders.setdefault(name[:1], set()).update(other[:1] for other in used)
    for name, used in folders.items():
        used.discard(name)
    for edges in (files, folders):
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            pytest.fail(" -> ".join("::".join(("crate", *name)) for name in error.args[1]))


def test_a_circle_is_found() -> None:
    texts: dict[Name, str] = {
        (): "mod a; mod b; pub use b::B;",
        ("a",): "use crate::{B, c};",
        ("b",): "mod part;",
        ("b", "part"): "use super::x; fn f() { crate::a::g() }",
        ("c",): "",
    }
    edges = graph(texts)
    assert edges[("a",)] == {("b",), ("c",)}
    assert edges[("b", "part")] == {("b",), ("a",)}
    texts[("b",)] = "mod part; use part::y;"
    with pytest.raises(CycleError):
        TopologicalSorter(graph(texts)).prepare()
