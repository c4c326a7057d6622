"""Settings of Sphinx: `make docs` builds the pages and the API reference, warnings are errors.

The source folder is the repository, so that links between files are the same here and on disk.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib import import_module
from typing import Any

from sphinx.addnodes import desc, pending_xref
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

import pyimgano

project = "pyimgano"
version = release = pyimgano.__version__
root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benches/RESULTS.md",
    "docs/*.md",
    "docs/api/*.rst",
]
# Only so that these are not walked through.
exclude_patterns = [".venv*", "out", "target", "rust", "python", "tests", "training"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
nitpicky = True
# Of packages that are extras, and what signatures name that only type checkers import.
nitpick_ignore = [
    ("py:class", name) for name in ("LightningModule", "Tensor", "BackboneLike", "ImageFeatures")
]

html_theme = "furo"
html_title = f"pyimgano {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 80
# Types in docstrings are prose ("array-like of float32, shape (n, d)"), not names to look up.
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True

#: Not in README.md, where its own list of pages is enough.
NAVIGATION = """
```{toctree}
:hidden:
:caption: Use

docs/QUICKSTART
docs/choosing-photos
docs/production
docs/sorting
docs/thresholds
docs/clusters
docs/images
docs/small-defects
docs/many-patches
docs/ignoring-the-background
docs/light-and-pose
docs/onnx
docs/methods
docs/methods-measured
docs/few-shot
docs/files
```

```{toctree}
:hidden:
:caption: Measure

docs/datasets
docs/benchmark-sets
docs/metrics
docs/statistics
docs/reports
docs/backends
docs/embedded-features
docs/embedded-network
docs/instruction-sets
benches/RESULTS
```

```{toctree}
:hidden:
:caption: Reference

docs/architecture
docs/extending
docs/api/index
CHANGELOG
CONTRIBUTING
```
"""


def add_navigation(app: Any, docname: str, source: list[str]) -> None:
    """The tree of pages, for the side bar."""
    if docname == root_doc:
        source[0] += NAVIGATION


@cache
def find(name: str) -> Any:
    """The object of a dotted name; None if there is none."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            declared = getattr(found, "__annotations__", {})
            if not hasattr(found, part) and part not in declared:
                return None
            found = getattr(found, part, declared.get(part))
        return found
    return None


def home(node: Any) -> str:
    """The module whose docstring a reference stands in; "" outside docstrings."""
    while node is not None and not (isinstance(node, desc) and node[0].get("fullname")):
        node = node.parent
    if node is None:
        return ""
    documented = find(f"{node[0]['module']}.{node[0]['fullname']}")
    return getattr(documented, "__module__", "") or ""


def look_at_home(app: Any, doctree: Any) -> None:
    """Names mean what they mean in the module that a docstring stands in, and nothing similar."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py" and (place := home(node)):
            node["py:module"] = place
            node.attributes.pop("refspecific", None)  # its presence asks for similar names


def resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Link to where an object is documented, whatever module it is named by.

    What exists and has no place in the reference stays code without a link. What does not exist
    is left to Sphinx, which warns.
    """
    if node.get("refdomain") != "py":
        return None
    target, module, owner = (node.get(k) or "" for k in ("reftarget", "py:module", "py:class"))
    homes = [f"{module}.{owner}", module, "", "pyimgano.errors", "builtins", "numpy"]
    names = (f"{place}.{target}".strip(".") for place in homes)
    found = next((o for name in names if (o := find(name)) is not None), None)
    last = target.rpartition(".")[2]
    alike = [name for name in env.domains["py"].objects if name.rpartition(".")[2] == last]
    if found is None and len({id(find(name)) for name in alike}) == 1:
        found = find(alike[0])  # imported for type checks only, or the name of an inherited one
    if found is None:
        return None
    for name in alike:
        if find(name) is found:
            entry = env.domains["py"].objects[name]
            page = node["refdoc"], entry.docname, entry.node_id
            return make_refnode(app.builder, *page, contnode, name)
    return contnode


def as_written(app: Any, what: str, name: str, obj: Any, options: Any, *given: Any) -> Any:
    """A signature with its annotations as the source has them, not with their aliases resolved."""
    if given[0] is None or not callable(obj):
        return None
    signature = inspect.signature(obj)
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    signature = signature.replace(parameters=parameters)
    arguments = stringify_signature(signature, show_return_annotation=False)
    returns = "" if what == "class" else signature.return_annotation
    # What Sphinx cannot parse: the default of a dataclass's field.
    return arguments.replace("<factory>", "..."), returns if isinstance(returns, str) else None


def tidy_attributes(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Names of attributes may end with an underscore, which is no link; their types are prose.

    In the docstring of a single one, what stands before a colon is no type at all. Where only some
    members of a module are listed, its own docstring is left to the page.
    """
    if what == "module" and isinstance(options.get("members"), list):
        lines.clear()
    if what in {"attribute", "data", "property"} and lines and lines[-1].startswith(":type: "):
        lines[0] = f"{lines.pop().removeprefix(':type: ')}: {lines[0]}"
    for i, line in enumerate(lines):
        if field := re.fullmatch(r":(ivar|vartype) ([\w, ]+): (.*)", line):
            kind, names, text = field.groups()
            plain = kind == "vartype" and not {"*", "`"} & {*text}
            names = re.sub(r"_(?=,|$)", r"\\_", names.replace(" ", ""))
            lines[i] = f":{kind} {names}: {f'*{text}*' if plain else text}"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-docstring", tidy_attributes, priority=600)  # after napoleon
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", look_at_home)
    app.connect("missing-reference", resolve)
