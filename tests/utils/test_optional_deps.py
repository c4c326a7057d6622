from __future__ import annotations

from pathlib import Path

import pytest

from pyimgano.errors import PyimganoError
from pyimgano.utils import optional_import, require


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


def test_require_names_the_package_the_purpose_and_the_extra() -> None:
    with pytest.raises(ImportError) as caught:
        require("surely_not_a_package.sub", extra="faiss", purpose="tests")
    assert isinstance(caught.value, PyimganoError)
    text = str(caught.value)
    assert text == (
        'surely_not_a_package (needed for tests) is not installed: pip install "pyimgano[faiss]"'
    )
