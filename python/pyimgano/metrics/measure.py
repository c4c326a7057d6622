"""Metrics of one category: each is called once, and none that fails loses the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, UndefinedMetricWarning
from pyimgano.metrics.base import MetricResult
from pyimgano.metrics.catalogue import Selection
from pyimgano.utils.notes import noting
from pyimgano.utils.text import printable

#: One number per image, or one array per image.
Arrays: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]


@dataclass
class Measured:
    """Figures by key, as far as they go."""

    #: NaN for what is undefined, or whose metric failed.
    values: dict[str, float] = field(default_factory=dict)
    #: By key, one number per image.
    per_image: dict[str, list[float]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)  #: What the figures depend on.
    curves: dict[str, list[list[float]]] = field(default_factory=dict)  #: Points for plots, by key.
    failed: list[str] = field(default_factory=list)  #: Keys of those that failed.
    #: By key, the figure of each resample, where some were asked for.
    resampled: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    #: Which figures are undefined or failed, and why.
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        selection: Selection,
        truth: Arrays,
        found: Arrays,
        threshold: float | None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Call one metric with labels and scores, or with masks and maps.

        ``weights`` are those of resamples, (b, n): see :class:`MetricResult`.
        """
        metric: Any = selection.metric  # of which kind, the selection says
        with noting(UndefinedMetricWarning) as why:
            try:
                result = metric(_locked(truth), _locked(found), threshold)
                values = _values(selection, result, len(truth))
                per_image, curves = _per_image(selection, result), _curves(selection, result)
                settings = dict(result.settings)
                resampled = _resampled(selection, result, weights)
            except MemoryError:
                raise
            except Exception as error:  # whatever one metric raises, the others go on
                reason = printable(str(error)) or "no reason given"
                failed = f"{', '.join(selection.keys)} failed: {type(error).__name__}: {reason}"
                self.notes.append(failed)
                self.failed += selection.keys
                self.values.update(dict.fromkeys(selection.keys, math.nan))
                return
        self.values.update(values)
        self.per_image.update(per_image)
        self.curves.update(curves)
        self.settings.update(settings)
        self.resampled.update(resampled)
        if missing := [k for k in selection.keys if math.isnan(values[k])]:
            reasons = "; ".join(why) or "no reason given"
            self.notes.append(f"{selection.titles(missing)} undefined: {reasons}")


def _values(selection: Selection, result: Any, n_images: int) -> dict[str, float]:
    """The figures asked for, if the result is what a metric must give."""
    if not isinstance(result, MetricResult):
        raise InvalidInputError(f"it gave {type(result).__name__}, not MetricResult")
    known = {info.key for info in selection.metric.infos}
    for name in ("values", "per_image", "curves"):
        if unknown := sorted((getattr(result, name) or {}).keys() - known):
            raise InvalidInputError(f"its {name} have {unknown[0]!r}, which is not in its infos")
    for key, numbers in (result.per_image or {}).items():
        if len(numbers) != n_images:
            raise InvalidInputError(
                f"per_image[{key!r}] has {len(numbers)} numbers for {n_images} images"
            )
    missing = [key for key in selection.keys if key not in result.values]
    if missing:
        raise InvalidInputError(f"its values lack {missing[0]!r}")
    return {key: float(result.values[key]) for key in selection.keys}


def _per_image(selection: Selection, result: MetricResult) -> dict[str, list[float]]:
    """Plain numbers, of sequences and arrays alike."""
    given = result.per_image or {}
    return {key: [float(v) for v in given[key]] for key in selection.keys if key in given}


def _curves(selection: Selection, result: MetricResult) -> dict[str, list[list[float]]]:
    """Plain points, with as many digits as a plot needs."""
    return {
        key: [[round(float(x), 6), round(float(y), 6)] for x, y in result.curves[key]]
        for key in selection.keys
        if key in result.curves
    }


def _resampled(
    selection: Selection, result: MetricResult, weights: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    """Figures of resamples; by how far the rule for them is off on all images is taken off."""
    if weights is None or result.resample is None:
        return {}
    given = result.resample(np.vstack([np.ones((1, weights.shape[1])), weights]))
    figures = {key: np.asarray(given[key], np.float64) for key in selection.keys if key in given}
    for key, numbers in figures.items():
        if numbers.shape != (len(weights) + 1,):
            raise InvalidInputError(
                f"resample gave {key!r} of shape {numbers.shape} for {len(weights) + 1} resamples"
            )
    return {key: f[1:] + (float(result.values[key]) - f[0]) for key, f in figures.items()}


def _locked(arrays: Arrays) -> Arrays:
    """The same arrays, not to be written to: other metrics see them too."""
    if isinstance(arrays, np.ndarray):
        return _locked_array(arrays)
    return [_locked_array(one) for one in arrays]


def _locked_array(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
