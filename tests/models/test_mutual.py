"""Mutual scoring as a detector: by the paper's recipe, and on images of which some are bad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.models.mutual import MutualScoring
from tests.conftest import texture
from tests.models.cells import Cells
from tests.reference.mutual import between_corners, musc

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

SIDE = 518  # of the paper
IMAGES = [texture(i, (SIDE, SIDE)) for i in range(5)]


def test_the_preset_is_the_recipe() -> None:
    detector = MutualScoring(backbone=Cells(74), preset="paper").fit(IMAGES)
    batch = ((np.array(IMAGES, np.float32) / 255 - 0.5) / np.float32(0.25)).transpose(0, 3, 1, 2)
    layers = [m.transpose(0, 2, 3, 1) for m in Cells(74).layer_maps(batch)]
    maps = [between_corners(one, (518, 518)) for one in musc(layers)]
    expected = [one.max() for one in maps]
    np.testing.assert_allclose(detector.decision_scores_, expected, atol=1e-6, rtol=0)
    found = detector.held_out_map(2, IMAGES[2])
    np.testing.assert_allclose(found, maps[2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("layerwise", [False, True])
def test_bad_images_among_many_stand_out_although_nobody_said_so(layerwise: bool) -> None:
    bad = [texture(i, (96, 96)) for i in (20, 21)]
    for image in bad:
        image[30:60, 40:70] = (250, 20, 20)
    images = [texture(i, (96, 96)) for i in range(10)]
    detector = MutualScoring(backbone="embedded", image_size=96, layerwise=layerwise)
    scores = detector.fit([*bad, *images]).decision_scores_
    assert scores[:2].min() > scores[2:].max()


@pytest.mark.parametrize("given", [{"layerwise": True}, {"preset": "paper"}])
def test_layers_that_a_projection_joins_are_not_compared_one_by_one(given: dict[str, Any]) -> None:
    detector = MutualScoring(backbone="embedded", projection=8, **given)
    with pytest.raises(InvalidInputError, match=r"projection joins the layers, (layerwise|preset)"):
        detector.validate()
    with pytest.raises(InvalidInputError, match="leave out one of the two"):
        detector.fit(IMAGES)
    assert not hasattr(detector, "scorer_")


def test_an_image_it_was_fitted_on_has_the_score_it_has_beside_its_twin() -> None:
    detector = MutualScoring(backbone="embedded", image_size=48).fit([*IMAGES, IMAGES[0]])
    assert detector.decision_scores_[0] == detector.decision_scores_[-1]
    assert detector.twins_.tolist() == [0, 1, 2, 3, 4, 0]
