"""The result of a benchmark, one type for every consumer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

#: Version of the JSON layout; raised whenever a field changes its meaning or goes.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ImageResult:
    """One test image: label 0 normal, 1 anomalous, None unknown."""

    path: str
    label: int | None
    score: float
    predicted: int


@dataclass(frozen=True)
class CategoryResult:
    """One category with one seed.

    Attributes
    ----------
    metrics
        Image metrics ``auroc``, ``average_precision``, ``f1_max``; pixel metrics ``pixel_auroc``,
        ``pixel_ap``, ``pixel_f1_max``, ``aupro``. NaN where undefined; absent where not computed.
    fit_seconds, ms_per_image
        Wall time of ``fit``, and of prediction with maps per test image, decoding included.
    stage_seconds
        Seconds per stage of fit and prediction together.
    peak_memory_mb
        Peak resident memory of the process while the category ran, in 10**6 bytes.
    notes
        What was left out or undefined, and why.
    error
        Why the category failed; None if it did not.
    """

    category: str
    seed: int
    n_train: int = 0
    n_test: int = 0
    n_defect: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    threshold: float = math.nan
    threshold_source: str = ""
    fit_seconds: float = math.nan
    ms_per_image: float = math.nan
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    images: list[ImageResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class BenchmarkResult:
    """A whole run: what was asked for, and one result per category and seed.

    Attributes
    ----------
    detector
        The detector in one line, with the parameters that differ from their defaults.
    parameters
        All parameters of the detector.
    metric_rule
        How pixel metrics were computed: size, rule, integration limit.
    versions
        Of Python and of the packages that took part.
    """

    dataset: str
    root: str
    model: str
    detector: str
    parameters: dict[str, Any]
    metric_rule: str
    versions: dict[str, str]
    categories: list[CategoryResult]

    @property
    def failed(self) -> list[CategoryResult]:
        """The categories that did not finish."""
        return [c for c in self.categories if c.error is not None]

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        plain: dict[str, Any] = _finite({"schema_version": SCHEMA_VERSION, **asdict(self)})
        return plain


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
