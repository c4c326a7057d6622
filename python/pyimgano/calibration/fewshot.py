"""What a few labelled images can settle: the threshold and the post-processing."""

from pyimgano.calibration.threshold import fit_threshold
from pyimgano.calibration.tuning import tune_postprocess

__all__ = ["fit_threshold", "tune_postprocess"]
