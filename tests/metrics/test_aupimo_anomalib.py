"""AUPIMO beside anomalib's port of its authors' program."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pyimgano.kernels import pixel_curves


def test_aupimo_is_anomalibs_within_its_discretisation() -> None:
    """It integrates from and to the nearest of its thresholds' rates, not the rates themselves."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = pytest.importorskip(
        "anomalib.metrics.pimo.functional", reason="anomalib is not installed"
    )
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 128, 128), np.uint8)
    masks[3:, 30:60, 40:80] = 1
    noise = rng.normal(0, 1, masks.shape).astype(np.float32)
    maps = np.stack(
        [
            5 * cv2.GaussianBlur(one, (0, 0), 2) + 3 * cv2.GaussianBlur(spot, (0, 0), 4)
            for one, spot in zip(noise, masks.astype(np.float32), strict=True)
        ]
    )
    rates = (1e-3, 1e-2)
    *_, found, _ = functional.aupimo_scores(
        torch.from_numpy(maps),
        torch.from_numpy(masks.astype(bool)),
        num_thresholds=30_000,
        fpr_bounds=rates,
    )
    exact = pixel_curves(masks, maps, low_rates=rates).aupimo
    assert np.isnan(exact).tolist() == np.isnan(found.numpy()).tolist()
    # One pixel of the good images moves a limit by 1 / (3 * 128 * 128 * 1e-3) = 2 %.
    np.testing.assert_allclose(exact[3:], found.numpy()[3:], atol=0.02 / np.log(10))
    assert (exact[3:] > 0.3).all()
