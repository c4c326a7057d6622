"""How far figures of a test set can be trusted: intervals and paired tests over its images."""

from pyimgano.statistics.estimate import Estimate, joint_interval, joint_p_value, mean_estimate
from pyimgano.statistics.intervals import (
    CONFIDENCE,
    Interval,
    known_limits,
    mean_interval,
    seeds_interval,
)
from pyimgano.statistics.units import Units

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "Interval",
    "Units",
    "joint_interval",
    "joint_p_value",
    "known_limits",
    "mean_estimate",
    "mean_interval",
    "seeds_interval",
]
