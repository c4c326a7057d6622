"""One category: fit, score the test images, compute every metric that the data allow."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyimgano.datasets import Dataset
from pyimgano.datasets.base import Sample, TestSplit
from pyimgano.errors import ThresholdWarning
from pyimgano.metrics.catalogue import Selection, select_metrics
from pyimgano.metrics.measure import Measured
from pyimgano.pipelines.learnt import say_learnt
from pyimgano.pipelines.tested import Pictures, Tested, run_tests
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.results import CategoryResult
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track
from pyimgano.utils.text import counted
from pyimgano.utils.timing import StageTimer, peak_memory_mb, reset_peak_memory


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
    dataset, category, seed
        The category, and what the result is called.
    train
        The training images to learn from; None for all of the category.
    metric_size, integration_limit, metrics
        As for :func:`~pyimgano.pipelines.mvtec_visa.run_benchmark`.
    output
        Folder that gets ``pictures/<category>-seed<k>`` with small pictures of all test images, and
        ``<category>/overlays`` with ``n_overlays`` larger ones of each kind; None: no pictures.
    verbose
        Progress bars.
    """
    selections = select_metrics(metrics, integration_limit=integration_limit)
    reset_peak_memory()
    timer = StageTimer()
    train = dataset.get_train_paths() if train is None else train
    split, samples = dataset.get_test_paths(), dataset.samples("test")
    start = time.perf_counter()
    with noting(ThresholdWarning) as fit_notes:
        detector.fit(train)
    fit_seconds = time.perf_counter() - start
    labels = None if split.labels is None else split.labels.tolist()
    pictures = None
    if output is not None:
        folders = category, f"{category}-seed{seed}"
        pictures = Pictures(detector, train, labels, Path(output), folders, n_overlays)
    with track(len(samples), f"{category}: scoring", verbose) as advance:
        tested = run_tests(
            detector,
            split,
            timer=timer,
            advance=advance,
            pictures=pictures,
            with_pixels=labels is not None and any(one.of == "pixel" for one in selections),
            metric_size=metric_size,
        )
    with timer.stage("metrics"):
        measured = _measure(selections, split, tested, detector)
    learnt = say_learnt(tested.learnt, len(samples), "the figures are too good")
    return CategoryResult(
        category=category,
        seed=seed,
        n_train=len(train),
        n_test=len(samples),
        n_defect=None if labels is None else sum(labels),
        metrics=measured.values,
        metric_settings=measured.settings,
        threshold=float(detector.threshold_),
        threshold_source=str(getattr(detector, "threshold_source_", "")),
        fit_seconds=fit_seconds,
        ms_per_image=1000 * tested.seconds / max(1, len(samples)),
        stage_seconds=_stages(detector, timer),
        peak_memory_mb=peak_memory_mb(),
        pro_curve=measured.curves.get("aupro", []),
        images=_images(samples, tested, measured),
        notes=[n for n in (dataset.left_out.describe(), *fit_notes, *measured.notes, *learnt) if n],
        left_out=dataset.left_out.to_json(),
    )


def _stages(detector: Any, timer: StageTimer) -> dict[str, float]:
    """Seconds per stage, the detector's own and those around it."""
    stages = dict(getattr(detector, "timings_", {}))
    return stages | {k: stages.get(k, 0.0) + v for k, v in timer.seconds.items()}


def _images(samples: Sequence[Sample], tested: Tested, measured: Measured) -> list[ImageResult]:
    return [
        ImageResult.of(
            one.path,
            found,
            label=one.label,
            pictures=tested.pictures[i] if tested.pictures else {},
            defect_type=one.defect_type,
            group=one.group,
            attributes=dict(one.attributes),
            metrics={key: numbers[i] for key, numbers in measured.per_image.items()},
        )
        for i, (one, found) in enumerate(zip(samples, tested.predictions, strict=True))
    ]


def _measure(
    selections: Sequence[Selection], split: TestSplit, tested: Tested, detector: Any
) -> Measured:
    """All metrics that labels and masks allow, and a note for what they do not."""
    found = Measured()
    if split.labels is None:
        found.notes.append("no labels: metrics omitted")
        return found
    pixels = [one for one in selections if one.of == "pixel"]
    if pixels and split.masks is None:
        found.notes.append("no ground_truth folder: pixel metrics omitted")
    elif pixels and len(tested.maps) < len(tested.masks):
        found.notes.append("the detector gives no anomaly maps: pixel metrics omitted")
        pixels = []
    elif pixels and split.masks is not None:
        found.notes += split.masks.notes()
    if pixels and (n := len(tested.unmarked)):
        found.notes.append(
            f"{counted(n, 'defect image')} with a mask without any defect pixel, such as"
            f" {tested.unmarked[0]}: pixel metrics count all of their pixels as normal"
        )
    scores = np.array([p.score for p in tested.predictions], dtype=np.float64)
    for one in selections:
        if one.of == "image":
            found.add(one, split.labels, scores, float(detector.threshold_))
        elif tested.masks and one in pixels:
            found.add(one, tested.masks, tested.maps, getattr(detector, "map_threshold_", None))
    return found
