"""The result of a benchmark, one type for every consumer."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pyimgano.metrics.catalogue import info_or_key
from pyimgano.reporting.estimates import estimate_of
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.notebook import InNotebooks
from pyimgano.reporting.subsets import Subset, subsets
from pyimgano.statistics import (
    Estimate,
    Interval,
    joint_interval,
    known_limits,
    mean_estimate,
    seeds_interval,
)
from pyimgano.utils.plain import plain_data
from pyimgano.utils.text import counted

#: Version of the JSON layout; raised whenever a field changes its meaning or goes.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CategoryResult:
    """One category with one seed.

    Attributes
    ----------
    shots
        Number of training images that were drawn; None where all were learnt from.
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
    model_memory_mb
        For ``fit`` and ``predict`` (maps, masks and pictures included) the peak above what the
        process held before, in 10**6 bytes; without what the system does not tell.
    pro_curve
        Points (false-positive rate, per-region overlap) for plotting; empty where not computed.
    notes
        What was left out or undefined, and why.
    resampling
        Figures of resampled test images, as :func:`~pyimgano.reporting.estimates.resampling_of`
        has them; empty where no intervals were asked for.
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
    model_memory_mb: dict[str, float] = field(default_factory=dict)
    pro_curve: list[list[float]] = field(default_factory=list)
    images: list[ImageResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed_metrics: list[str] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    shots: int | None = None
    resampling: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What a table calls its row."""
        return row_title(self.category, self.shots)

    def estimate(self, key: str) -> Estimate | None:
        """A figure and how it varies with the test images; None where that is not known."""
        return estimate_of(self.images, self.metrics, self.resampling, key)

    def interval(self, key: str) -> Interval | None:
        """Limits of a figure over the draw of test images; None where not known."""
        return joint_interval([self.estimate(key)])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json`` for a category that finished.

        Raises
        ------
        KeyError, TypeError
            Fields are missing, unknown or of the wrong kind.
        """
        # Files of before have no shots, and no resamples.
        given = {"shots": None, "resampling": {}, **data}
        values = {f.name: given[f.name] for f in fields(cls)}
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
        own["intervals"] = known_limits({key: self.interval(key) for key in self.metrics})
        plain: dict[str, Any] = plain_data(own | {"images": [i.to_json() for i in self.images]})
        return plain


@dataclass(frozen=True)
class Summary:
    """Figures of a category, or of all, over its seeds.

    Attributes
    ----------
    category, shots
        None: all categories; all training images.
    groups
        The results that finished: per category, one for each seed.
    """

    category: str | None
    shots: int | None
    groups: list[list[CategoryResult]]

    @property
    def title(self) -> str:
        """What a table calls its row."""
        return row_title("mean" if self.category is None else self.category, self.shots)

    @property
    def seeds(self) -> list[int]:
        """Those that every category has."""
        each = [{run.seed for run in group} for group in self.groups]
        return sorted(set.intersection(*each)) if each else []

    @property
    def keys(self) -> list[str]:
        """Metrics that some result has, without thresholds."""
        found = dict.fromkeys(k for group in self.groups for run in group for k in run.metrics)
        return [k for k in found if info_or_key(k).higher_is_better is not None]

    def mean(self, key: str) -> float:
        """Mean over categories of the mean over seeds; what is undefined does not count."""
        return mean_of([[run.metrics.get(key) for run in group] for group in self.groups])

    def std(self, key: str) -> float:
        """Sample standard deviation (n - 1) over the seeds of the mean over categories.

        NaN with one seed.
        """
        means = self._of_seeds(key)
        return statistics.stdev(means) if len(means) > 1 else math.nan

    def _of_seeds(self, key: str) -> list[float]:
        """The mean over categories of each seed that has one."""
        means = [
            mean_of([[run.metrics.get(key) for run in g if run.seed == seed] for g in self.groups])
            for seed in self.seeds
        ]
        return [mean for mean in means if not math.isnan(mean)]

    def estimates(self, key: str) -> list[Estimate | None]:
        """Of each category that has the figure, its mean over seeds and how that varies."""
        defined = [
            [run.estimate(key) for run in group if not math.isnan(run.metrics.get(key, math.nan))]
            for group in self.groups
        ]
        return [mean_estimate(group) for group in defined if group]

    def interval(self, key: str) -> Interval | None:
        """Limits over the draw of test images, of the mean over seeds; None where not known."""
        return joint_interval(self.estimates(key))

    def seeds_interval(self, key: str) -> Interval | None:
        """Limits over the draw of seeds, on these test images; None with one seed."""
        return seeds_interval(self._of_seeds(key))

    def parts(self, by: Sequence[str]) -> list[Subset]:
        """Parts of a category's test images: see :func:`~pyimgano.reporting.subsets.subsets`."""
        return list(subsets([run.images for group in self.groups for run in group], by))

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN becomes null."""
        own: dict[str, Any] = {"category": self.category, "shots": self.shots, "seeds": self.seeds}
        own |= {"intervals": known_limits({k: self.interval(k) for k in self.keys})}
        own |= {"seeds_intervals": known_limits({k: self.seeds_interval(k) for k in self.keys})}
        own |= {"mean": {k: self.mean(k) for k in self.keys}}
        plain: dict[str, Any] = plain_data(own | {"std": {k: self.std(k) for k in self.keys}})
        return plain


@dataclass(frozen=True, repr=False)
class BenchmarkResult(InNotebooks):
    """A whole run: what was asked for, and one result per category and seed.

    Attributes
    ----------
    detector, parameters
        The detector in one line, with the parameters that differ from their defaults; all of them.
    metric_rule, metric_size, integration_limit
        How pixel metrics were computed, in words, and the two numbers in it.
    metrics
        Keys of the metrics that were asked for by name; empty where none were.
    shots, draw
        Numbers of training images that were asked for, none for all, and how they are drawn.
    by
        By what tables part the test images besides: see :mod:`pyimgano.reporting.subsets`.
    intervals
        Number of resamples that intervals were asked for with; 0: they were not.
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
    intervals: int = 0
    by: list[str] = field(default_factory=list)
    metric_size: int | None = None
    integration_limit: float = 0.3
    metrics: list[str] = field(default_factory=list)
    shots: list[int] = field(default_factory=list)
    draw: str = ""

    @property
    def failed(self) -> list[CategoryResult]:
        """The categories that did not finish."""
        return [c for c in self.categories if c.error is not None]

    @property
    def rows(self) -> list[Summary]:
        """One per category and number of shots, without results where none finished."""
        groups: dict[tuple[str, int | None], list[CategoryResult]] = {}
        for one in self.categories:
            groups.setdefault((one.category, one.shots), []).append(one)
        found = {key: [one for one in runs if one.error is None] for key, runs in groups.items()}
        return [Summary(*key, [runs] if runs else []) for key, runs in found.items()]

    @property
    def means(self) -> list[Summary]:
        """One per number of shots, of all categories, where several finished."""
        groups: dict[int | None, list[list[CategoryResult]]] = {}
        for row in self.rows:
            groups.setdefault(row.shots, []).extend(row.groups)
        return [Summary(None, *item) for item in groups.items() if len(item[1]) > 1]

    def mean_metrics(self, shots: int | None = None) -> dict[str, float]:
        """Each metric's mean over categories of the mean over seeds; NaN where all are undefined.

        Only metrics that some category has, and no thresholds; undefined values are left out of
        their mean. ``shots`` says which results, where several numbers of images were learnt from;
        without it there is no mean then.
        """
        numbers = {row.shots for row in self.rows}
        if shots is None and len(numbers) == 1:
            (shots,) = numbers
        groups = [group for row in self.rows if row.shots == shots for group in row.groups]
        every = Summary(None, shots, groups)
        return {key: every.mean(key) for key in every.keys}

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        own |= {"categories": [], "label": self.title, "mean": self.mean_metrics()}
        plain: dict[str, Any] = plain_data({"schema_version": SCHEMA_VERSION, **own})
        parts = [(row.category, row.shots, one) for row in self.rows for one in row.parts(self.by)]
        plain["subsets"] = [one.to_json() | {"category": c, "shots": n} for c, n, one in parts]
        plain["summary"] = [one.to_json() for one in (*self.rows, *self.means)]
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


def row_title(category: str, shots: int | None) -> str:
    """A category and its number of training images, for a reader."""
    return category if shots is None else f"{category}, {counted(shots, 'shot')}"


def folder_name(category: str, shots: int | None) -> str:
    """A category and its number of training images, in names of files."""
    return category if shots is None else f"{category}-{shots}shots"


def mean_of(groups: Sequence[Sequence[float | None]]) -> float:
    """Mean over the groups of each group's mean; None and NaN do not count."""
    known = [[v for v in g if v is not None and not math.isnan(v)] for g in groups]
    means = [statistics.fmean(group) for group in known if group]
    return statistics.fmean(means) if means else math.nan


def _number(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else float(value)
