"""A grid search over post-processing, on a few labelled maps."""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import InvalidInputError, UndefinedMetricWarning
from pyimgano.metrics import list_metrics, metric_info
from pyimgano.metrics.catalogue import select_metrics
from pyimgano.metrics.pixels import pixel_pairs
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.registry import unknown_name

_PARAMETERS = [f.name for f in fields(AnomalyMapPostprocess) if f.name != "value_range"]

Metric: TypeAlias = Callable[[list[NDArray[Any]], list[NDArray[np.float32]]], float]
Grid: TypeAlias = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]


def tune_postprocess(
    params_grid: Grid,
    maps: Sequence[ArrayLike] | NDArray[Any],
    masks: Sequence[ArrayLike] | NDArray[Any],
    *,
    metric: str | Metric = "aupro",
) -> tuple[AnomalyMapPostprocess, list[dict[str, Any]]]:
    """Try every combination of post-processing parameters on a few labelled maps.

    Parameters
    ----------
    params_grid : dict of lists, or list of such dicts
        Parameters of :class:`~pyimgano.postprocess.AnomalyMapPostprocess` and the values to try, as
        for scikit-learn's ``ParameterGrid``: all combinations of each dict.
    maps : array (n, H, W), or sequence of n arrays (H, W) of differing sizes
        Raw anomaly maps, not of training images.
    masks : array (n, H, W), or sequence of n arrays (H, W)
        Any non-zero pixel is defect; at least one pixel must be, and one must not.
    metric : str or callable
        A pixel metric's key, see :func:`pyimgano.metrics.list_metrics`, such as ``"aupro"``,
        ``"pixel_auroc"``, ``"pixel_ap"``, ``"pixel_f1_max"``. A callable gets the masks and the
        processed maps, and is higher where better. The component filter sets most pixels to 0 and
        AUPRO is not defined after it, so grids with `component_threshold` need another metric,
        such as ``"pixel_f1_max"``.

    Returns
    -------
    postprocess : AnomalyMapPostprocess
        The combination with the best figure, the first of several; fitted to `maps` if it
        normalises by the dataset.
    table : list of dict
        One row per combination in the grid's order: its parameters, and the figure under the
        metric's name (``"score"`` for a callable).

    Raises
    ------
    InvalidInputError
        (a ValueError) on an empty grid, an impossible combination (which is named), maps and masks
        that do not fit, a metric that is undefined on them.
    UnknownNameError
        (a ValueError) on an unknown metric or parameter.

    Notes
    -----
    The figure of the winner is that of the best of many on these very maps: quote one from images
    that took no part.
    """
    name, measure, higher = _metric(metric)
    truth = [np.asarray(mask) for mask in masks]
    if len(truth) != len(maps) or not truth:
        raise InvalidInputError(f"got {len(maps)} maps and {len(truth)} masks")
    best: AnomalyMapPostprocess | None = None
    highest: float | None = None
    table: list[dict[str, Any]] = []
    for params in _combinations(params_grid):
        if name == "aupro" and params.get("component_threshold") is not None:
            raise InvalidInputError(
                "component_threshold cannot be tuned by AUPRO, which is defined on maps without a"
                " component filter: choose another metric, such as 'pixel_f1_max'"
            )
        try:
            postprocess = AnomalyMapPostprocess(**params)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(f"params_grid has {params}: {error}") from error
        postprocess = postprocess.fit(maps)
        figure = float(measure(truth, [postprocess(one) for one in maps]))
        if math.isnan(figure):
            raise InvalidInputError(f"{name} is undefined for these maps and masks ({params})")
        table.append({**params, name: figure})
        if highest is None or (figure > highest if higher else figure < highest):
            best, highest = postprocess, figure
    if best is None:
        raise InvalidInputError("params_grid has no combination with a figure to compare")
    return best, table


def _combinations(params_grid: Grid) -> list[dict[str, Any]]:
    grids = [params_grid] if isinstance(params_grid, Mapping) else list(params_grid)
    found: list[dict[str, Any]] = []
    for grid in grids:
        for name, values in grid.items():
            if name not in _PARAMETERS:
                raise unknown_name("parameter of AnomalyMapPostprocess", name, _PARAMETERS)
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise InvalidInputError(f"params_grid[{name!r}] must be a list, got {values!r}")
            if len(values) == 0:
                raise InvalidInputError(f"params_grid[{name!r}] is empty")
        found += [dict(zip(grid, one, strict=True)) for one in itertools.product(*grid.values())]
    if not found:
        raise InvalidInputError("params_grid is empty")
    return found


def _metric(metric: str | Metric) -> tuple[str, Metric, bool]:
    """A metric's name, what computes it, and whether higher is better."""
    if callable(metric):
        return "score", metric, True
    known = [k for k in list_metrics("pixel") if metric_info(k).higher_is_better is not None]
    if metric not in known:
        raise unknown_name("metric", metric, known)
    (selection,) = select_metrics([metric])

    def measure(masks: list[NDArray[Any]], maps: list[NDArray[np.float32]]) -> float:
        compute: Any = selection.metric
        with warnings.catch_warnings():  # an undefined metric becomes an error
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return float(compute(*pixel_pairs(masks, maps), None).values[metric])

    return metric, measure, metric_info(metric).higher_is_better is True
