"""Figures of the pixels inside a region of interest are those of masking by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pyimgano.kernels import label_components
from pyimgano.metrics.pixels import compute_pixel_metrics
from pyimgano.metrics.region import pixels_inside
from pyimgano.metrics.scores import compute_score_metrics


def a_set(seed: int, n: int = 5) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Masks with several regions, some cut by the border of what is inside; maps with ties."""
    rng = np.random.default_rng(seed)
    masks, maps, insides = [], [], []
    for i in range(n):
        size = (20 + 3 * i, 30)
        blobs = cv2.GaussianBlur(rng.normal(size=size), (0, 0), 1.5)
        masks.append((blobs > 0.25).astype(np.uint8) * (i > 0))
        maps.append(np.round(blobs + 0.3 * rng.normal(size=size), 1).astype(np.float32))
        insides.append(cv2.GaussianBlur(rng.normal(size=size), (0, 0), 3) > -0.05)
    return masks, maps, insides


def aupro_by_hand(
    masks: list[np.ndarray], maps: list[np.ndarray], insides: list[np.ndarray], limit: float
) -> float:
    """Area under the curve of per-region overlap, threshold by threshold, of the pixels inside."""
    regions, normal = [], []
    for mask, map_, inside in zip(masks, maps, insides, strict=True):
        n, labels = cv2.connectedComponents((mask * inside).astype(np.uint8), connectivity=8)
        regions += [map_[labels == k] for k in range(1, n)]
        normal.append(map_[inside & (mask == 0)])
    good = np.concatenate(normal)
    levels = np.unique(np.concatenate([good, *regions]))[::-1]
    fpr = np.array([0, *((good >= level).mean() for level in levels)])
    pro = np.array([0, *(np.mean([(r >= level).mean() for r in regions]) for level in levels)])
    within = fpr <= limit
    x = np.append(fpr[within], limit)
    y = np.append(pro[within], np.interp(limit, fpr, pro))
    return float(np.trapezoid(y, x) / limit)


@pytest.mark.parametrize("seed", range(4))
def test_figures_inside_are_those_of_masking_by_hand(seed: int) -> None:
    masks, maps, insides = a_set(seed)
    pairs = [pixels_inside(*three) for three in zip(masks, maps, insides, strict=True)]
    found = compute_pixel_metrics([a for a, _ in pairs], [b for _, b in pairs])
    labels = np.concatenate([m[i] for m, i in zip(masks, insides, strict=True)])
    scores = np.concatenate([m[i] for m, i in zip(maps, insides, strict=True)])
    by_hand = compute_score_metrics(labels, scores)
    assert found.auroc == pytest.approx(by_hand.auroc, abs=1e-12)
    assert found.ap == pytest.approx(by_hand.average_precision, abs=1e-12)
    assert found.f1_max == pytest.approx(by_hand.f1_max, abs=1e-12)
    assert found.aupro == pytest.approx(aupro_by_hand(masks, maps, insides, 0.3), abs=1e-9)
    whole = compute_pixel_metrics(masks, maps)
    assert abs(whole.aupro - found.aupro) > 1e-3  # what is outside would make a difference


def test_regions_keep_their_sizes_and_values() -> None:
    mask = np.array([[1, 1, 0, 2, 0], [0, 0, 0, 0, 2], [3, 0, 0, 0, 0]], np.uint8)
    map_ = np.arange(15, dtype=np.float32).reshape(3, 5)
    inside = np.ones((3, 5), np.bool_)
    inside[0, 0] = inside[2, 4] = False
    row, scores = pixels_inside(mask, map_, inside)
    assert row.shape == scores.shape == (1, 13)
    assert (row.dtype, scores.dtype) == (np.uint8, np.float32)
    labels, _ = label_components(row != 0)
    assert sorted(zip(row[0].tolist(), scores[0].tolist(), strict=True)) == sorted(
        zip(mask[inside].tolist(), map_[inside].tolist(), strict=True)
    )
    sizes = sorted(np.bincount(labels[labels > 0])[1:].tolist())
    assert sizes == [1, 1, 2]  # one lost a pixel, the two of 2 hang together by a corner


def test_images_without_defect_and_without_normal_pixels() -> None:
    map_ = np.arange(6, dtype=np.float32).reshape(2, 3)
    left = np.array([[True, False, False]] * 2)
    row, scores = pixels_inside(np.zeros((2, 3), np.uint8), map_, left)
    np.testing.assert_array_equal(row, [[0, 0]])
    np.testing.assert_array_equal(scores, [[0, 3]])
    row, _ = pixels_inside(np.ones((2, 3), np.uint8), map_, left)
    np.testing.assert_array_equal(row, [[1, 1]])
