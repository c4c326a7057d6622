"""The result of a benchmark, one type for every consumer."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pyimgano.metrics.catalogue import info_or_key
from pyimgano.reporting.image_result import ImageResult

#: Version of the JSON layout; raised whenever a field changes its meaning or goes.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CategoryResult:
    """One category with one seed.

    Attributes
    ----------
    metrics
        By key, see :func:`pyimgano.metrics.list_metrics`. NaN where undefined; absent where not
        computed.
    metric_settings
        What the metrics depend on.
    fit_seconds, ms_per_image
        Wall time of ``fit``, and of prediction with maps per test image, decoding included.
    stage_seconds
        Seconds per stage of fit and prediction together.
    peak_memory_mb
        Peak resident memory of the process while the category ran, in 10**6 bytes.
    pro_curve
        Points (false-positive rate, per-region overlap) for plotting; empty where not computed.
    notes
        What was left out or undefined, and why.
    failed_metrics
        Keys of those whose metric failed: a run that is taken up again computes the category anew.
    left_out
        Files and folders that are no input: ``reason``, ``count``, the ``first`` of them, and
        ``expected`` where nobody would miss them.
    error
        Why the category failed; None if it did not.
    """

    category: str
    seed: int
    n_train: int = 0
    n_test: int = 0
    n_defect: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    metric_settings: dict[str, Any] = field(default_factory=dict)
    threshold: float = math.nan
    threshold_source: str = ""
    fit_seconds: float = math.nan
    ms_per_image: float = math.nan
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    pro_curve: list[list[float]] = field(default_factory=list)
    images: list[ImageResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed_metrics: list[str] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json`` for a category that finished.

        Raises
        ------
        KeyError, TypeError
            Fields are missing, unknown or of the wrong kind.
        """
        values = {f.name: data[f.name] for f in fields(cls)}
        values["images"] = [ImageResult.from_json(image) for image in data["images"]]
        values["metrics"] = {k: _number(v, math.nan) for k, v in data["metrics"].items()}
        # Of the numbers of a fitted detector only its threshold may be infinite.
        values["threshold"] = _number(data["threshold"], math.inf)
        for name in ("fit_seconds", "ms_per_image"):
            values[name] = _number(data[name], math.nan)
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        plain: dict[str, Any] = _finite(own | {"images": [i.to_json() for i in self.images]})
        return plain


@dataclass(frozen=True)
class BenchmarkResult:
    """A whole run: what was asked for, and one result per category and seed.

    Attributes
    ----------
    detector, parameters
        The detector in one line, with the parameters that differ from their defaults; all of them.
    metric_rule, metric_size, integration_limit
        How pixel metrics were computed, in words, and the two numbers in it.
    metrics
        Keys of the metrics that were asked for by name; empty where none were.
    versions
        Of Python and of the packages that took part.
    label
        What the run is called beside others; empty for the model's name.
    folder
        Where its pictures are, seen from the folder of the report.
    """

    dataset: str
    root: str
    model: str
    detector: str
    parameters: dict[str, Any]
    metric_rule: str
    versions: dict[str, str]
    categories: list[CategoryResult]
    label: str = ""
    folder: str = ""
    metric_size: int | None = None
    integration_limit: float = 0.3
    metrics: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The label, or the model's name."""
        return self.label or self.model

    @property
    def failed(self) -> list[CategoryResult]:
        """The categories that did not finish."""
        return [c for c in self.categories if c.error is not None]

    @property
    def by_category(self) -> dict[str, list[CategoryResult]]:
        """Results of all seeds of each category, failed ones included."""
        groups: dict[str, list[CategoryResult]] = {}
        for one in self.categories:
            groups.setdefault(one.category, []).append(one)
        return groups

    @property
    def finished(self) -> list[list[CategoryResult]]:
        """Per category with at least one: the results of the seeds that finished."""
        groups = [[r for r in runs if r.error is None] for runs in self.by_category.values()]
        return [group for group in groups if group]

    def mean_metrics(self) -> dict[str, float]:
        """Each metric's mean over categories of the mean over seeds; NaN where all are undefined.

        Only metrics that some category has, and no thresholds; undefined values are left out of
        their mean.
        """
        groups = self.finished
        found = dict.fromkeys(k for group in groups for run in group for k in run.metrics)
        keys = [k for k in found if info_or_key(k).higher_is_better is not None]
        return {k: mean_of([[r.metrics.get(k) for r in g] for g in groups]) for k in keys}

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        own |= {"categories": [], "label": self.title, "mean": self.mean_metrics()}
        plain: dict[str, Any] = _finite({"schema_version": SCHEMA_VERSION, **own})
        return plain | {"categories": [one.to_json() for one in self.categories]}


@dataclass(frozen=True)
class ComparisonResult:
    """Several models on the same categories."""

    runs: list[BenchmarkResult]

    @property
    def failed(self) -> list[CategoryResult]:
        """The categories that did not finish, of all models."""
        return [c for run in self.runs for c in run.failed]

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        return {"schema_version": SCHEMA_VERSION, "runs": [run.to_json() for run in self.runs]}


#: What tables and reports take.
Results = BenchmarkResult | ComparisonResult


def runs_of(results: Results | Iterable[BenchmarkResult]) -> list[BenchmarkResult]:
    """The runs in a result of either kind, or in a list of them."""
    if isinstance(results, BenchmarkResult):
        return [results]
    return list(results.runs if isinstance(results, ComparisonResult) else results)


def mean_of(groups: Sequence[Sequence[float | None]]) -> float:
    """Mean over the groups of each group's mean; None and NaN do not count."""
    known = [[v for v in g if v is not None and not math.isnan(v)] for g in groups]
    means = [statistics.fmean(group) for group in known if group]
    return statistics.fmean(means) if means else math.nan


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)


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
