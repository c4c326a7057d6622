"""Every Python block of the README and the documentation runs as written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pyimgano.datasets import generate_synthetic
from pyimgano.errors import MissingDependencyError
from tests.conftest import REPO

PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages take for granted: parts/good and parts/incoming."""
    root = tmp_path_factory.mktemp("docs")
    generate_synthetic(
        root / "set", categories=["brushed_metal"], n_train=12, n_test_good=2, n_test_defect=1
    )
    metal = root / "set/brushed_metal"
    shutil.copytree(metal / "train/good", root / "parts/good")
    (root / "parts/incoming").mkdir()
    for image in metal.glob("test/*/*.png"):
        shutil.copy(image, root / "parts/incoming" / f"{image.parent.name}_{image.name}")
    return root


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_python_blocks_run(
    page: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(parts / "parts", tmp_path / "parts")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}
    try:
        for block in blocks(page):
            exec(compile(block, str(page), "exec"), namespace)
    except MissingDependencyError as error:
        pytest.skip(str(error))


def test_links_within_the_repository_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
