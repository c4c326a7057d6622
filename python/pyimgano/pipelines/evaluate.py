"""One category: fit, score the test images, compute every metric that the data allow."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import Dataset
from pyimgano.datasets.base import TestSplit
from pyimgano.errors import ThresholdWarning
from pyimgano.metrics.catalogue import Selection, select_metrics
from pyimgano.metrics.inputs import resize_map, resize_mask
from pyimgano.metrics.measure import Measured
from pyimgano.models.reading import Reading
from pyimgano.pipelines.learnt import is_learnt, say_learnt
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.gallery import gallery_folder, write_gallery
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.pictures import PictureWriter
from pyimgano.reporting.records import path_fields
from pyimgano.reporting.results import CategoryResult, ImageResult
from pyimgano.types import Prediction
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track
from pyimgano.utils.text import counted, shown
from pyimgano.utils.timing import StageTimer, peak_memory_mb, reset_peak_memory

#: Training images that give the colour scale of a detector that has none of its own.
_SCALE_IMAGES = 8


def evaluate_category(
    detector: Any,
    dataset: Dataset,
    *,
    train: Sequence[str] | None = None,
    category: str,
    seed: int,
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    metrics: Sequence[str | Selection] | None = None,
    output: str | os.PathLike[str] | None = None,
    n_overlays: int = 4,
    verbose: bool = False,
) -> CategoryResult:
    """Fit a detector on one category, score its test images and compute all metrics.

    Maps are kept at ``metric_size``, or at native size, until the metrics are computed.

    Parameters
    ----------
    detector
        Any detector with ``fit`` and ``iter_predict``; maps are optional.
    dataset
        The category.
    train
        The training images to learn from; None for all of the category.
    category, seed
        What the result is called.
    metric_size, integration_limit
        As for :func:`~pyimgano.evaluation.evaluate_detector`.
    metrics
        As for :func:`~pyimgano.pipelines.mvtec_visa.run_benchmark`.
    output
        Folder that gets ``pictures/<category>-seed<k>`` with small pictures of all test images, and
        ``<category>/overlays`` with ``n_overlays`` larger ones of each kind; None: no pictures.
    n_overlays
        0: no larger pictures.
    verbose
        Progress bars.
    """
    selections = select_metrics(metrics, integration_limit=integration_limit)
    reset_peak_memory()
    timer = StageTimer()
    train = dataset.get_train_paths() if train is None else train
    split = dataset.get_test_paths()
    left_out = dataset.left_out
    start = time.perf_counter()
    with noting(ThresholdWarning) as fit_notes:
        detector.fit(train)
    fit_seconds = time.perf_counter() - start

    writer, rule = None, RegionRule.of(detector)
    if output is not None:
        with timer.stage("pictures"):
            scale = _map_scale(detector, train)
            name, reading = f"{category}-seed{seed}", Reading.of(detector)
            writer = PictureWriter(Path(output), name, scale, reading=reading)
    predictions: list[Prediction] = []
    maps: list[NDArray[np.float32]] = []
    pictures: list[dict[str, str]] = []
    aside = timer.seconds.get("pictures", 0.0)
    start = time.perf_counter()
    with track(len(split.paths), f"{category}: scoring", verbose) as advance:
        for i, found in enumerate(detector.iter_predict(split.paths)):
            if split.masks is not None and found.anomaly_map is not None:
                maps.append(resize_map(found.anomaly_map, metric_size))
            predictions.append(Prediction(found.path, found.score, found.label, None))
            if writer is not None:
                with timer.stage("pictures"):
                    mask = None if split.masks is None else split.masks[i]
                    marked = None if found.anomaly_map is None else rule.marked(found)
                    pictures.append(writer.add(split.paths[i], found.anomaly_map, mask, marked))
            advance()
    aside = timer.seconds.get("pictures", 0.0) - aside
    predict_seconds = time.perf_counter() - start - aside

    measured = _metrics(
        selections, split, predictions, maps, timer, detector=detector, metric_size=metric_size
    )
    if output is not None and n_overlays:
        with timer.stage("overlays"):
            folder = Path(output) / gallery_folder(category)
            write_gallery(detector, split, predictions, folder, n_overlays)
    normal = [one.path for one in dataset.samples("test") if not one.label]
    learnt = [path for path in normal if is_learnt(detector, path)]
    notes = measured.notes + say_learnt(learnt, len(split.paths), "the figures are too good")
    return CategoryResult(
        category=category,
        seed=seed,
        n_train=len(train),
        n_test=len(split.paths),
        n_defect=None if split.labels is None else int(split.labels.sum()),
        metrics=measured.values,
        metric_settings=measured.settings,
        threshold=float(detector.threshold_),
        threshold_source=str(getattr(detector, "threshold_source_", "")),
        fit_seconds=fit_seconds,
        ms_per_image=1000 * predict_seconds / max(1, len(split.paths)),
        stage_seconds={**getattr(detector, "timings_", {}), **timer.seconds},
        peak_memory_mb=peak_memory_mb(),
        pro_curve=measured.curves.get("aupro", []),
        images=[
            ImageResult(
                path_fields(one.path)["path"],
                one.label,
                float(p.score),
                int(p.label),
                pictures[i] if pictures else {},
                one.defect_type,
                one.group,
                dict(one.attributes),
                {key: numbers[i] for key, numbers in measured.per_image.items()},
            )
            for i, (one, p) in enumerate(zip(dataset.samples("test"), predictions, strict=True))
        ],
        notes=[line for line in (left_out.describe(), *fit_notes, *notes) if line],
        left_out=left_out.to_json(),
    )


def _map_scale(detector: Any, train: Sequence[str]) -> MapScale:
    """The detector's own colour scale, or one taken from some of its training images."""
    level = getattr(detector, "map_level_", None)
    if level is not None:
        return MapScale.around(level, getattr(detector, "map_threshold_", math.inf))
    step = max(1, len(train) // _SCALE_IMAGES)
    found = (p.anomaly_map for p in detector.iter_predict(train[::step][:_SCALE_IMAGES]))
    values = [(float(np.median(m)), float(m.max())) for m in found if m is not None]
    if not values:
        return MapScale.around(0.0, math.inf)
    middle, peak = np.median([v[0] for v in values]), max(v[1] for v in values)
    return MapScale.around(float(middle), peak)


def _metrics(
    selections: Sequence[Selection],
    split: TestSplit,
    predictions: Sequence[Prediction],
    maps: Sequence[NDArray[np.float32]],
    timer: StageTimer,
    *,
    detector: Any,
    metric_size: int | None,
) -> Measured:
    """All metrics that labels and masks allow, and a note for what they do not."""
    found = Measured()
    if split.labels is None:
        found.notes.append("no labels: metrics omitted")
        return found
    masks = None
    if any(one.of == "pixel" for one in selections):
        masks = _masks(split, len(maps) == len(predictions), timer, metric_size, found.notes)
    scores = np.array([p.score for p in predictions], dtype=np.float64)
    with timer.stage("metrics"):
        for one in selections:
            if one.of == "image":
                found.add(one, split.labels, scores, float(detector.threshold_))
            elif masks is not None:
                found.add(one, masks, list(maps), getattr(detector, "map_threshold_", None))
    return found


def _masks(
    split: TestSplit,
    with_maps: bool,
    timer: StageTimer,
    metric_size: int | None,
    notes: list[str],
) -> list[NDArray[np.uint8]] | None:
    """The masks at the metrics' size; None, with a note, where there are none or no maps."""
    if split.masks is None or split.labels is None:
        notes.append("no ground_truth folder: pixel metrics omitted")
        return None
    if not with_maps:
        notes.append("the detector gives no anomaly maps: pixel metrics omitted")
        return None
    with timer.stage("decode masks"):
        masks, empty = [], []
        for path, label, mask in zip(split.paths, split.labels, split.masks, strict=True):
            masks.append(resize_mask(mask, metric_size))
            if label and not mask.any():
                empty.append(shown(path))
    notes += split.masks.notes()
    if empty:
        notes.append(
            f"{counted(len(empty), 'defect image')} with a mask without any defect pixel, such"
            f" as {empty[0]}: pixel metrics count all of their pixels as normal"
        )
    return masks
