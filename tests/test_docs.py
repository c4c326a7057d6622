"""Every block of the README and the documentation runs as written, or says why it does not."""

from __future__ import annotations

import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyimgano import extend
from pyimgano.cli import benchmark, main
from pyimgano.errors import MissingDependencyError
from tests.conftest import REPO
from tests.docs import pages
from tests.docs.pages import PAGES, Block, blocks_of, shell_blocks
from tests.docs.stand_ins import write_parts, write_sets, write_weights

#: Blocks that are not run, by page, with the reasons that the pages give.
NOT_RUN = {
    "README.md": ["sets up environments, takes minutes", "installs packages"],
    "CONTRIBUTING.md": ["sets up environments, takes minutes"],
    "QUICKSTART.md": [
        "installs packages",
        "needs the full sets, takes hours",
    ],
    "benchmark-sets.md": ["needs the full set, takes hours"],
    "clusters.md": ["needs a cluster", "needs a cluster"],
    "embedded-network.md": ["trains for hours"],
    "few-shot.md": ["needs the full set"],
    "production.md": ["needs a camera"],
    "reports.md": ["needs a cluster"],
}


#: Pages whose blocks train several detectors.
SLOW = {"backends.md", "benchmark-sets.md", "reports.md", "statistics.md", "QUICKSTART.md"}


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("docs")
    write_parts(root)
    write_sets(root)
    return root


@pytest.fixture
def here(
    stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registries: None
) -> Path:
    """A working directory with what the pages take for granted."""
    shutil.copytree(stand_ins, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def run_commands(blocks: list[Block], capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks:
        for words in block.commands:
            try:
                if words[0] == "pyimgano-benchmark":
                    code = benchmark.main(words[1:])
                else:
                    code = main.main(words[1:])
            except SystemExit as error:  # the parser's
                code = int(error.code or 0)
            out, err = capsys.readouterr()
            if "pip install" in err:
                pytest.skip(err.strip())
            assert code == 0, f"{block.page}: {' '.join(words)}\n{out}\n{err}"


def run_here(block: Block) -> bool:
    return block.not_run is None and block.language in pages.SHELL


def pages_of(blocks: list[Block]) -> list[Any]:
    names = dict.fromkeys(b.page for b in blocks)
    return [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names]


QUICK = [b for b in shell_blocks() if run_here(b) and not pages.uses_network(b)]
NETWORKS = [b for b in shell_blocks() if run_here(b) and pages.uses_network(b)]
PYTHON = [b for p in PAGES for b in blocks_of(p) if b.language == "python" and b.not_run is None]


@pytest.mark.parametrize("page", pages_of(PYTHON))
def test_python_blocks_run(page: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(f"page_{page.removesuffix('.md')}")  # where pickle finds its classes
    monkeypatch.setitem(sys.modules, module.__name__, module)
    try:
        for block in PYTHON:
            if block.page == page:
                exec(compile(block.text, page, "exec"), vars(module))
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("page", pages_of(QUICK))
def test_shell_blocks_run(page: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_commands([b for b in QUICK if b.page == page], capsys)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_of(NETWORKS))
def test_shell_blocks_with_networks_run_on_stand_in_weights(
    page: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    write_weights(here, here / "torch")
    monkeypatch.setenv("TORCH_HOME", str(here / "torch"))
    run_commands([b for b in NETWORKS if b.page == page], capsys)


def test_blocks_that_are_not_run_are_these_and_only_these() -> None:
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for block in blocks_of(page):
            if block.not_run is not None:
                found.setdefault(page.name, []).append(block.not_run)
    assert found == NOT_RUN


def test_every_block_says_its_language_and_shell_blocks_hold_our_commands_unless_marked() -> None:
    for page in PAGES:
        assert page.read_text().count("\n```") == 2 * len(blocks_of(page)), page.name
        for block in blocks_of(page):
            assert block.language, f"{page.name}: name the language, if only as text: {block.text}"
    for block in filter(run_here, shell_blocks()):
        for words in block.commands:
            assert pages.subcommand(words), f"{block.page}: mark it as not run: {' '.join(words)}"


def test_commands_that_are_not_run_exist_and_take_these_options() -> None:
    for block in shell_blocks():
        for words in block.commands:
            assert pages.mistakes(words) == "", f"{block.page}: {' '.join(words)}"


def test_links_within_the_repository_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_reference_has_every_package_and_lists_only_modules_that_exist() -> None:
    pages_of_reference = sorted((REPO / "docs" / "api").glob("*.rst"))
    listed = [
        module
        for page in pages_of_reference
        for module in re.findall(r"^\.\. automodule:: (\S+)$", page.read_text(), re.M)
    ]
    for module in set(listed):
        import_module(module)
    folders = {p.parent.name for p in (REPO / "python" / "pyimgano").glob("*/__init__.py")}
    missing = folders - {"cli", "utils"} - {m.split(".")[1] for m in listed if "." in m}
    assert missing == set()


def test_the_reference_has_every_extension_point_once() -> None:
    page = (REPO / "docs" / "api" / "extend.rst").read_text()
    named = ", ".join(re.findall(r"^   :members: (.+)$", page, re.M)).split(", ")
    assert sorted(named) == sorted(extend.__all__)


def test_every_page_has_a_place_in_the_navigation() -> None:
    settings = (REPO / "docs" / "conf.py").read_text()
    index = (REPO / "docs" / "api" / "index.rst").read_text()
    for page in (REPO / "docs").glob("*.md"):
        assert f"\ndocs/{page.stem}\n" in settings, page.name
    for page in (REPO / "docs" / "api").glob("*.rst"):
        assert page.stem == "index" or f"\n   {page.stem}\n" in index, page.name
