from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType

import pytest

import pyimgano
from pyimgano.errors import PyimganoError
from pyimgano.utils import optional_deps, optional_import, require
from pyimgano.utils.optional_deps import SAFE_VERSIONS


def test_a_missing_package_gives_none_and_the_exception() -> None:
    module, error = optional_import("surely_not_a_package")
    assert module is None
    assert isinstance(error, ImportError)


def test_a_package_that_is_there_gives_the_module() -> None:
    module, error = optional_import("json.decoder")
    assert module is not None
    assert module.__name__ == "json.decoder"
    assert error is None


@pytest.mark.parametrize(
    "raises", ["RuntimeError('no driver')", "OSError('libx')", "SystemExit(3)"]
)
def test_a_broken_package_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raises: str
) -> None:
    name = f"broken_{raises.partition('(')[0].lower()}"
    (tmp_path / f"{name}.py").write_text(f"raise {raises}\n")
    monkeypatch.syspath_prepend(tmp_path)
    module, error = optional_import(name)
    assert module is None
    assert type(error).__name__ == raises.partition("(")[0]
    with pytest.raises(ImportError, match=f"{name} .*is installed but fails to import: "):
        require(name, extra="torch", purpose="a test")


@pytest.fixture
def extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata made up."""
    lines = [
        "numpy>=2.0",
        "faiss-cpu>=1.9; extra == 'faiss'",
        'torch>=2.10; python_version < "4" and extra == "torch"',
        "torchvision>=0.25 ; extra == 'torch'",
        "anomalib>=2.7; extra == 'anomalib'",
        "pyimgano[torch]; extra == 'anomalib'",
        "onnx>=1.21; extra == 'export'",
        "pyimgano[export,torch]; extra == 'export'",
        "pyimgano[faiss,anomalib]; extra == 'all'",
    ]
    monkeypatch.setattr(optional_deps, "requires", lambda name: lines)


@pytest.mark.usefixtures("extras")
def test_require_names_the_packages_and_the_purpose_and_no_name_of_another_project() -> None:
    with pytest.raises(ImportError) as caught:
        require("surely_not_a_package.sub", extra="faiss", purpose="tests")
    assert isinstance(caught.value, PyimganoError)
    assert str(caught.value) == (
        'surely_not_a_package (needed for tests) is not installed: pip install "faiss-cpu>=1.9"'
    )


@pytest.mark.usefixtures("extras")
def test_hints_name_every_package_of_an_extra_once() -> None:
    anomalib = 'pip install "anomalib>=2.7" "torch>=2.10" "torchvision>=0.25"'
    assert optional_deps.install_hint("anomalib") == anomalib
    core, extras = optional_deps.requirements()
    assert core == ["numpy>=2.0"]
    assert extras["export"] == ["onnx>=1.21", "torch>=2.10", "torchvision>=0.25"]
    assert "all" not in extras  # it has no package of its own


def test_hints_in_a_source_folder_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(optional_deps, "requires", nothing)
    with pytest.raises(ImportError, match=r'is not installed: pip install "surely_not"$'):
        require("surely_not", extra="faiss")


def test_no_hint_of_the_package_asks_for_the_project_of_the_same_name_on_the_index() -> None:
    package = Path(pyimgano.__file__).parent
    for file in sorted(package.rglob("*.py")):
        text = file.read_text()
        assert "pip install pyimgano" not in text, file
        assert "pyimgano[{" not in text, file
        assert 'install "pyimgano' not in text, file


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        *(("2.3.1", True), ("2.9.1+cpu", True), ("2.10.0", False), ("2.10.0a0+git1", False)),
        *(("2.15.0+cu128", False), ("3.0", False), ("10.1", False)),
    ],
)
def test_versions_that_run_code_from_files_are_refused_where_files_are_read(
    version: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = ModuleType("torch")
    fake.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert require("torch", extra="torch") is fake
    if not refused:
        assert require("torch", extra="torch", reads_files=True) is fake
        return
    with pytest.raises(
        ImportError, match=r"^torch .* \(needed for x\) is not safe .* before 2\.10: pip install "
    ):
        require("torch", extra="torch", purpose="x", reads_files=True)


def test_the_lower_bounds_of_the_extras_are_safe_versions() -> None:
    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    bounds = dict(
        line.split(">=")
        for lines in extras["optional-dependencies"].values()
        for line in lines
        if ">=" in line
    )
    for package, safe in SAFE_VERSIONS.items():
        found, needed = (tuple(map(int, v.split("."))) for v in (bounds[package], safe))
        assert found >= needed, package


def test_the_version_is_above_those_of_the_project_of_the_same_name_on_the_index() -> None:
    root = Path(__file__).parents[2]
    cargo = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert tuple(map(int, cargo.partition("-")[0].split("."))) >= (1, 0, 0)
    lock = tomllib.loads((root / "Cargo.lock").read_text())["package"]
    own = {p["name"]: p["version"] for p in lock if p["name"].startswith("pyimgano-")}
    assert own == {"pyimgano-core": cargo, "pyimgano-py": cargo}
