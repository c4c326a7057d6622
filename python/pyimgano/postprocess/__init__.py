"""Anomaly maps made fit for display and decisions."""

from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess
from pyimgano.postprocess.decision import RegionRule
from pyimgano.postprocess.regions import Region, Regions, find_regions

__all__ = ["AnomalyMapPostprocess", "Region", "RegionRule", "Regions", "find_regions"]
