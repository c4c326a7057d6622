from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.features import PatchGrid
from pyimgano.features.patches.projection import Projection
from pyimgano.models import PatchCore
from tests.conftest import texture, with_blot

TRAIN = [texture(i, (32, 40)) for i in range(10)]
TEST = [texture(30, (32, 40)), with_blot(texture(31, (32, 40)))]


def grids(spread: np.ndarray, n: int = 5) -> list[PatchGrid]:
    rng = np.random.default_rng(3)
    d = len(spread)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    rows = (rng.normal(size=(n, 24, d)) * spread) @ turn.T + 30
    return [PatchGrid(one.astype(np.float32), (4, 6), (1, d - 1)) for one in rows]


def test_the_axes_are_those_of_the_largest_variance_about_the_mean() -> None:
    given = grids(np.geomspace(4, 0.1, 8))
    found = Projection.fit(given, 3)
    rows = np.concatenate([grid.rows for grid in given]).astype(float)
    vectors = np.linalg.eigh(np.cov(rows.T))[1][:, ::-1][:, :3]
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(np.abs(found.axes), np.abs(vectors), atol=1e-5)
    projected = found.apply(given[0])
    signed = vectors * np.sign((vectors * found.axes).sum(axis=0))
    expected = (given[0].rows - rows.mean(axis=0)) @ signed
    np.testing.assert_allclose(projected.rows, expected, atol=1e-4)
    assert (projected.shape, projected.parts) == ((4, 6), ())


@pytest.mark.parametrize(
    ("spread", "n_axes"),
    [([10.0, 0.5, 0.1, 0.01], 1), ([10.0, 10.0, 0.1, 0.1], 2), ([1.0] * 150, 128)],
)
def test_auto_takes_the_axes_for_99_percent_and_128_at_most(
    spread: list[float], n_axes: int
) -> None:
    assert Projection.fit(grids(np.array(spread), 20), "auto").axes.shape == (len(spread), n_axes)


def test_more_axes_than_features_change_no_distance() -> None:
    given = grids(np.geomspace(4, 0.1, 8))
    one, other = (Projection.fit(given, 99).apply(grid).rows for grid in given[:2])
    np.testing.assert_allclose(
        np.linalg.norm(one - other, axis=1),
        np.linalg.norm(given[0].rows - given[1].rows, axis=1),
        rtol=1e-4,
    )


def test_a_detector_learns_and_scores_projected_patches(tmp_path: Path) -> None:
    detector = PatchCore(backbone="embedded", image_size=32, projection=5).fit(TRAIN)
    whole = PatchCore(backbone="embedded", image_size=32).fit(TRAIN)
    assert detector.memory_bank_.shape == (len(whole.memory_bank_), 5)
    plain = [PatchGrid(*whole._extract_patch_features(image)) for image in TRAIN]
    expected = Projection.fit(plain, 5)
    rows, shape = detector._extract_patch_features(TEST[0])
    here = expected.apply(PatchGrid(*whole._extract_patch_features(TEST[0])))
    assert shape == here.shape
    np.testing.assert_array_equal(rows, here.rows)
    good, bad = detector.decision_function(TEST)
    assert bad > good
    file = tmp_path / "part.pyimgano"
    detector.save(file)
    loaded: Any = pyimgano.load(file)
    np.testing.assert_array_equal(loaded.decision_function(TEST), [good, bad])
    # Another fit without it forgets the axes.
    again = detector.set_params(projection=None).fit(TRAIN)
    np.testing.assert_array_equal(again.decision_function(TEST), whole.decision_function(TEST))


def test_files_are_named_where_no_image_can_be_used(tmp_path: Path) -> None:
    missing = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    with pytest.raises(ImageReadError, match=r"2 of 2 images.*a\.png.*b\.png"):
        PatchCore(backbone="embedded", image_size=32, projection=5).fit(missing)


def test_what_cannot_be_is_refused() -> None:
    for value in (0, 1.5, "all", -1):
        with pytest.raises(InvalidInputError, match="projection must be"):
            PatchCore(backbone="embedded", projection=value).fit(TRAIN)  # type: ignore[arg-type]
    found = Projection.fit(grids(np.ones(4)), 2)
    with pytest.raises(InvalidInputError, match="3 features, those of the training images 4"):
        found.apply(PatchGrid(np.zeros((1, 3), np.float32), (1, 1)))
    with pytest.raises(InvalidInputError, match="do not go together"):
        Projection(found.mean[1:], found.axes)
    with pytest.raises(InvalidInputError, match=r"projection=2 and \[\]"):
        PatchCore.from_state({"projection": 2}, {})
