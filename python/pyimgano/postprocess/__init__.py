"""Anomaly maps made fit for display and decisions."""

from __future__ import annotations

from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess

__all__ = ["AnomalyMapPostprocess"]
