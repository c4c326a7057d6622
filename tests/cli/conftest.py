from __future__ import annotations

from pathlib import Path

import pytest

from pyimgano.cli import main
from tests.cli.support import SIZE
from tests.conftest import texture, with_blot, write_image


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good, more (normal), bad, and a detector file."""
    root = tmp_path_factory.mktemp("production")
    for i in range(12):
        write_image(root / f"good/{i:02d}.png", texture(i))
        write_image(root / f"more/{i:02d}.png", texture(100 + i))
    for i in range(3):
        write_image(root / f"bad/{i}.png", with_blot(texture(200 + i)))
    argv = ["fit", str(root / "good"), "-o", str(root / "part.pyimgano"), "--target-fpr", "0.1"]
    assert main.main([*argv, *SIZE]) == 0
    return root
