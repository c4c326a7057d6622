"""Thresholds and post-processing chosen on a few labelled images."""

from pyimgano.calibration.threshold import fit_threshold
from pyimgano.calibration.tuning import tune_postprocess

__all__ = ["fit_threshold", "tune_postprocess"]
