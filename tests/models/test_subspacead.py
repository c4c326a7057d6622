from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from pyimgano.models.subspacead import SubspaceAD
from tests.conftest import texture, with_blot
from tests.models.cells import Cells

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

TRAIN = [texture(i, (40, 48)) for i in range(4)]
TEST = [texture(30, (40, 48)), with_blot(texture(31, (40, 48)))]


def oracle(maps: list[np.ndarray], test: np.ndarray) -> tuple[np.ndarray, float]:
    """The paper's recipe on averaged layers (h, w, c): map at 672 x 672, and its score."""
    rows = np.concatenate([one.reshape(-1, one.shape[2]) for one in maps]).astype(float)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    k = int(np.argmax(np.cumsum(values[::-1]) >= 0.99 * values.sum())) + 1
    basis = vectors[:, ::-1][:, :k]
    offsets = test.reshape(-1, test.shape[2]) - rows.mean(axis=0)
    left = offsets - offsets @ basis @ basis.T
    grid = (left**2).sum(axis=1).reshape(test.shape[:2]).astype(np.float32)
    full = cv2.GaussianBlur(cv2.resize(grid, (672, 672)), (3, 3), 4)
    return full, float(np.sort(full, axis=None)[-int(0.01 * 672**2) :].mean(dtype=float))


def averaged(detector: SubspaceAD, image: np.ndarray) -> np.ndarray:
    pixels = detector._preprocessor.load(image).pixels
    assert pixels.shape == (672, 672, 3)
    batch = ((pixels - 0.5) / 0.25).astype(np.float32).transpose(2, 0, 1)[None]
    first, second = Cells().layer_maps(np.ascontiguousarray(batch))
    return ((first + second) / 2)[0].transpose(1, 2, 0)


def test_the_paper_s_preset_is_the_recipe() -> None:
    detector = SubspaceAD(backbone=Cells(), preset="paper", image_size=10).fit(TRAIN)
    maps = [averaged(detector, image) for image in TRAIN]
    assert maps[0].shape == (14, 14, 6)
    for image, found in zip(TEST, detector.iter_predict(TEST), strict=True):
        full, score = oracle(maps, averaged(detector, image))
        assert found.score == pytest.approx(score, rel=1e-6)
        loaded = detector._preprocessor.load(image)
        np.testing.assert_allclose(
            found.anomaly_map, loaded.geometry.to_source(full), rtol=1e-5, atol=1e-6 * full.max()
        )


def test_a_defect_stands_out() -> None:
    detector = SubspaceAD(backbone=Cells(8), image_size=(40, 48)).fit(TRAIN)
    good, bad = detector.iter_predict(TEST)
    assert bad.score > 3 * good.score
    row, column = np.unravel_index(np.argmax(bad.anomaly_map), (40, 48))  # type: ignore[arg-type]
    assert 12 <= row < 32
    assert 20 <= column < 40


def test_layers_of_differing_widths_are_joined() -> None:
    same: Any = SubspaceAD(backbone=Cells(8), image_size=(40, 48)).fit(TRAIN)
    other: Any = SubspaceAD(backbone=Cells(8, second=5), image_size=(40, 48)).fit(TRAIN)
    assert len(same.scorer_.mean_) == 6
    assert len(other.scorer_.mean_) == 11
    assert same._extract([same._preprocessor.load(TEST[0])], timer())[0].parts == (6,)
    assert other._extract([other._preprocessor.load(TEST[0])], timer())[0].parts == (6, 5)


def timer() -> Any:
    from pyimgano.utils.timing import StageTimer

    return StageTimer()
