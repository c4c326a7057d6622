"""For detectors of your own: what to check them with."""

from __future__ import annotations

from pyimgano.extend.detector_checks import EXPECTED_FAILURES, check_detector

__all__ = ["EXPECTED_FAILURES", "check_detector"]
