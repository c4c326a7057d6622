"""Image sets for the tests of the curves, and what every result on them must agree with."""

import cv2
import numpy as np
import pytest

from pyimgano.kernels import pixel_metrics
from tests.reference import curves as reference

F32, F64 = np.float32, np.float64


def image_set(n=6, size=96, seed=0, dtype=F32):
    """Smooth noise, and blobs where the masks have them; sizes differ."""
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i in range(n):
        shape = (size + 7 * i, size + 11 * (i % 3))
        mask = np.zeros(shape, np.uint8)
        for _ in range(i % 4):
            centre = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
            cv2.circle(mask, centre, int(rng.integers(2, 15)), 255, -1)
        noise = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 2)
        maps.append((noise + cv2.GaussianBlur(mask / 255.0, (0, 0), 5)).astype(dtype))
        masks.append(mask)
    return masks, maps


def f1_at(masks, maps, threshold):
    flagged = np.concatenate([(m > threshold).ravel() for m in maps])
    defect = np.concatenate([(np.asarray(m) != 0).ravel() for m in masks])
    return 2 * np.sum(flagged & defect) / (flagged.sum() + defect.sum())


def check(masks, maps, limit=0.3):
    """The kernel's figures, after comparing them with the reference."""
    found = pixel_metrics(masks, maps, integration_limit=limit)
    for name, value in reference.metrics(masks, maps, limit).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12), name
    assert f1_at(masks, maps, found.f1_threshold) == pytest.approx(found.f1_max, abs=1e-15)
    return found
