"""Fixtures that several parts of the suite share."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import settings

from pyimgano.registry import Registry

# A busy machine is no failure.
settings.register_profile("pyimgano", deadline=None)
settings.load_profile("pyimgano")

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Exported networks are not kept in the cache of whoever runs the tests."""
    os.environ["PYIMGANO_CACHE"] = os.fspath(tmp_path_factory.mktemp("cache"))


def write_image(path: Path, array: np.ndarray) -> str:
    """Write an array (RGB or grey) losslessly or as its suffix says; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array
    ok, data = cv2.imencode(path.suffix.lower(), pixels)
    assert ok
    path.write_bytes(data.tobytes())
    return os.fspath(path)


def texture(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A smooth random RGB image, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).uniform(0, 255, (*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(128 + 4 * (smooth - smooth.mean()), 0, 255).astype(np.uint8)


def with_blot(image: np.ndarray, top: int = 16, left: int = 24, side: int = 12) -> np.ndarray:
    """The same image with a flat bright square."""
    marked = image.copy()
    marked[top : top + side, left : left + side] = 255
    return marked


def write_mvtec(root: Path, categories: Sequence[str]) -> Path:
    """Categories in the MVTec AD layout, 48 x 64 pixels, one defect type."""
    for c, category in enumerate(categories):
        offset, base = 100 * c, root / category
        for i in range(6):
            write_image(base / f"train/good/{i:03d}.png", texture(offset + i))
        for i in range(3):
            write_image(base / f"test/good/{i:03d}.png", texture(offset + 20 + i))
            write_image(base / f"test/blot/{i:03d}.png", with_blot(texture(offset + 30 + i)))
            mask = np.zeros((48, 64), np.uint8)
            mask[16:28, 24:36] = 255
            write_image(base / f"ground_truth/blot/{i:03d}_mask.png", mask)
    return root


@pytest.fixture
def mvtec_root(tmp_path: Path) -> Path:
    """Two small categories in the MVTec AD layout."""
    return write_mvtec(tmp_path / "set", ("bolt", "cloth"))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Call it with a part of a name: files named so find the disk full from then on."""

    def fill(part: str) -> None:
        replace = os.replace

        def full(source: Path, target: Path) -> None:
            if part in Path(target).name:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)

        monkeypatch.setattr("pyimgano.utils.atomic.os.replace", full)

    return fill


@pytest.fixture
def close_folder(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Call it with a folder: from then on it cannot be read or entered, for root neither."""
    closed: list[str] = []

    def refuse(path: object, *, inside_only: bool) -> None:
        name = os.path.abspath(os.fsdecode(path)) if not isinstance(path, int) else ""
        for folder in closed:
            if name.startswith(folder + os.sep) or (name == folder and not inside_only):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    scandir, stat = os.scandir, os.stat

    def guarded_scandir(path: object = ".") -> object:
        refuse(path, inside_only=False)
        return scandir(path)

    def guarded_stat(path: object, **kwargs: object) -> os.stat_result:
        refuse(path, inside_only=True)
        return stat(path, **kwargs)

    monkeypatch.setattr(os, "scandir", guarded_scandir)
    monkeypatch.setattr(os, "stat", guarded_stat)
    return lambda folder: closed.append(os.path.abspath(folder))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Shells start commands in the background with Ctrl-C ignored; here it is tested."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images in the MVTec AD layout, where they are present."""
    path = SHARED / "data" / "mvtec"
    if not path.is_dir():
        pytest.skip(f"no real images at {path}")
    return path


@pytest.fixture(scope="session")
def resnet18_file() -> Path:
    """Real ResNet-18 weights, where they are present."""
    path = SHARED / "weights" / "resnet18_imagenet1k_v1_bnfolded_conv1-layer3.pth"
    if not path.is_file():
        pytest.skip(f"no weights file at {path}")
    return path


@pytest.fixture
def own_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    from pyimgano.datasets.load import _SETS
    from pyimgano.features.backbones.named import BACKBONES
    from pyimgano.metrics import catalogue as metrics
    from pyimgano.models.catalogue import _MODELS, _STORABLE
    from pyimgano.neighbors.catalogue import NEIGHBORS
    from pyimgano.scorers.catalogue import SCORERS

    registries: list[Registry[Any]] = [
        _SETS,
        BACKBONES,
        metrics._METRICS,
        _MODELS,
        _STORABLE,
        NEIGHBORS,
        SCORERS,
    ]
    for registry in registries:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(metrics, "_KEYS", dict(metrics._KEYS))
