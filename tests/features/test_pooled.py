"""One row per image, pooled from its patches: the default features of classical detectors."""

from __future__ import annotations

import numpy as np

from pyimgano.features.patches.pooled import PooledFilterBank, pool
from tests.conftest import texture


def test_pooling_takes_the_largest_magnitude_of_each_feature() -> None:
    patches = np.zeros((2, 3, 2), np.float32)
    patches[1, 2] = (-4, 1)
    patches[0, 0] = (3, 0.5)
    np.testing.assert_array_equal(pool(patches), [4, 1])


def test_the_default_features_survive_a_round_trip_of_their_state() -> None:
    images = [texture(i) for i in range(4)]
    features = PooledFilterBank().fit(images)
    twin = PooledFilterBank()
    twin.set_state(features.get_state())
    np.testing.assert_array_equal(twin.extract(images), features.extract(images))
