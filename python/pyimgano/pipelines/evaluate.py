"""One category: fit, score the test images from one stream, compute every metric there can be."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import Dataset
from pyimgano.datasets.base import DEFECTIVE, Sample, TestSplit
from pyimgano.datasets.defects import DefectMask, union_of
from pyimgano.errors import ImageReadError, RegionWarning, ThresholdWarning
from pyimgano.kernels import DefectPixels
from pyimgano.metrics.catalogue import Selection, select_metrics
from pyimgano.metrics.measure import Measured
from pyimgano.pipelines.category_pictures import Pictures, pictures_of
from pyimgano.pipelines.region_pixels import counted_defects, counted_pixels, region_notes
from pyimgano.pipelines.scoring import is_learnt, predict_stream, say_learnt
from pyimgano.pipelines.validation import calibrate_on_validation
from pyimgano.reporting.estimates import resampling_of
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.results import CategoryResult
from pyimgano.statistics import Units
from pyimgano.types import Prediction, Unreadable
from pyimgano.utils.ahead import Aside
from pyimgano.utils.notes import noting
from pyimgano.utils.peak_memory import PeakMemory
from pyimgano.utils.progress import track
from pyimgano.utils.text import counted, shown
from pyimgano.utils.timing import StageTimer

#: Scored images that may be drawn or wait for it, if small; each is held with its map.
_WAITING = 8


@dataclass
class Tested:
    """What the test images of a category gave, in order."""

    predictions: list[Prediction] = field(default_factory=list)  #: Without maps.
    #: At the size of the metrics; empty unless metrics need them, as the maps.
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    #: Where metrics count single ones.
    defects: list[DefectPixels] = field(default_factory=list)
    #: Empty also for a detector without maps.
    maps: list[NDArray[np.float32]] = field(default_factory=list)
    #: Names of the small ones by kind; empty without pictures.
    pictures: list[dict[str, str]] = field(default_factory=list)
    #: Images without a known defect that the detector has learnt from.
    learnt: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)  #: Defect images whose mask marks nothing.
    #: Defect images with no defect inside the detector's region of interest.
    outside: list[str] = field(default_factory=list)
    seconds: float = 0.0  #: Of decoding and scoring.


def run_tests(
    detector: Any,
    split: TestSplit,
    *,
    timer: StageTimer,
    advance: Callable[[], object],
    pictures: Pictures | None = None,
    with_pixels: bool = True,
    with_defects: bool = False,
    metric_size: int | None = None,
) -> Tested:
    """Score the test images of a category; an error names the file at fault.

    Pictures are drawn in a thread of their own while the next images are scored. The timer gets the
    seconds of reading, of masks and of pictures; ``advance`` is called after
    each image; ``metric_size`` is the side of masks and maps that metrics need, None for native.
    """
    tested = Tested()
    seconds, region = timer.seconds, getattr(detector, "region_", None)
    stream = predict_stream(detector, split.paths, batch_size=getattr(detector, "batch_size", 1))
    drawn: list[Future[dict[str, str]]] = []
    start, between = time.perf_counter(), 0.0
    with Aside(_WAITING) as drawing, closing(stream):
        for number, one in enumerate(stream):
            if isinstance(one, Unreadable):
                raise ImageReadError(one.reason)
            arrived = time.perf_counter()
            seconds["decode"] = seconds.get("decode", 0.0) + one.decode_ms / 1000
            mask, label = None, None if split.labels is None else int(split.labels[number])
            single: list[DefectMask] = []
            if split.masks is not None and (with_pixels or pictures is not None):
                with timer.stage("decode masks"):
                    size = one.image.shape[:2]
                    if with_defects:
                        single = split.masks.defects(number, size)
                        mask = union_of(single, size)
                    else:
                        mask = split.masks.read(number, size)
            if mask is not None and with_pixels:
                kept, found = counted_pixels(mask, one.prediction.anomaly_map, region, metric_size)
                tested.masks.append(kept)
                if found is not None:
                    tested.maps.append(found)
                tested.defects += counted_defects(number, single, mask, region, metric_size)
                if label and not mask.any():
                    tested.unmarked.append(shown(split.paths[number]))
                elif label and region is not None and not kept.any():
                    tested.outside.append(shown(split.paths[number]))
            if not label and is_learnt(detector, one.image):
                tested.learnt.append(split.paths[number])
            if pictures is not None:
                draw = timer.staged("pictures", pictures.add)
                held = (one.image, one.prediction.anomaly_map, mask)
                n_bytes = sum(array.nbytes for array in held if array is not None)
                drawn.append(drawing.call(draw, split.paths[number], one, mask, n_bytes=n_bytes))
            tested.predictions.append(replace(one.prediction, anomaly_map=None))
            advance()
            between += time.perf_counter() - arrived
        tested.seconds = time.perf_counter() - start - between
    tested.pictures = [one.result() for one in drawn]
    if pictures is not None:
        with timer.stage("overlays"):
            pictures.write_large()
    return tested


def evaluate_category(
    detector: Any,
    dataset: Dataset,
    *,
    train: Sequence[str],
    category: str,
    seed: int,
    shots: int | None = None,
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    metrics: Sequence[str | Selection] | None = None,
    intervals: int = 0,
    output: str | os.PathLike[str] | None = None,
    n_overlays: int = 4,
    maps: str | None = None,
    verbose: bool = False,
) -> CategoryResult:
    """Fit a detector on one category, score its test images and compute all metrics.

    Maps are kept at ``metric_size``, or at native size, until the metrics are computed.

    Parameters
    ----------
    detector
        Any detector with ``fit`` and ``iter_predict``; maps are optional.
    dataset, category, seed, shots
        The category, and what the result is called.
    train
        The training images to learn from.
    metric_size, integration_limit, metrics, intervals
        As for :func:`~pyimgano.pipelines.mvtec_visa.run_benchmark`.
    output
        Folder that gets ``pictures/<category>-seed<n>`` with small pictures of all test images, and
        ``<category>/overlays`` with ``n_overlays`` larger ones of each kind, ``-<k>shots`` after
        the category if ``shots`` is given; None: no pictures.
    maps
        ``"tiff"`` or ``"npy"``: keep the raw maps there too.
    verbose
        Progress bars.
    """
    selections = select_metrics(metrics, integration_limit=integration_limit)
    memory, timer = PeakMemory(), StageTimer()
    split, samples = dataset.get_test_paths(), dataset.samples("test")
    with memory.stage("fit"):
        fit_seconds, fit_notes = _fit(detector, train, None if shots else dataset, timer)
    labels = None if split.labels is None else split.labels.tolist()
    of = (category, shots)
    pictures = pictures_of(output, detector, train, labels, of, seed, n_overlays, maps)
    with memory.stage("predict"), track(len(samples), f"{category}: scoring", verbose) as advance:
        tested = run_tests(
            detector,
            split,
            timer=timer,
            advance=advance,
            **_wanted(selections, split, metric_size, pictures),
        )
    weights = _weights(samples, labels, intervals, category)
    with timer.stage("metrics"):
        measured = _measure(selections, split, tested, detector, weights)
    learnt = say_learnt(tested.learnt, len(samples), "the figures are too good")
    return CategoryResult(
        category=category,
        seed=seed,
        shots=shots,
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
        peak_memory_mb=memory.peak(),
        model_memory_mb=memory.stages,
        pro_curve=measured.curves.get("aupro", []),
        resampling={} if weights is None else resampling_of(weights, measured.resampled),
        images=_images(samples, tested, measured),
        notes=[*_say_left_out(dataset), *fit_notes, *measured.notes, *learnt],
        failed_metrics=measured.failed,
        left_out=dataset.left_out.to_json(),
    )


def _say_left_out(dataset: Dataset) -> list[str]:
    """What was left out, and how many training images of a set that mixes them have a defect."""
    found, dropped = dataset.left_out.describe(), dataset.left_out.count(DEFECTIVE)
    said = f"{counted(dropped, 'training image')} with a defect left out" if dropped else ""
    return [line for line in (found, said) if line]


def _wanted(
    selections: Sequence[Selection],
    split: TestSplit,
    metric_size: int | None,
    pictures: Pictures | None,
) -> dict[str, Any]:
    """What metrics and pictures need of the test images."""
    pixels = split.labels is not None and any(one.of == "pixel" for one in selections)
    single = split.masks is not None and split.masks.saturate
    return {
        "with_pixels": pixels,
        "with_defects": pixels and single and any(one.takes_defects for one in selections),
        "metric_size": metric_size,
        "pictures": pictures,
    }


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


def _fit(
    detector: Any, train: Sequence[str], validated: Dataset | None, timer: StageTimer
) -> tuple[float, list[str]]:
    """Fit, and take thresholds from the validation images of a set; seconds of the fit, and notes.

    Runs of few shots take none: they are to show what few images give.
    """
    start = time.perf_counter()
    with noting(RegionWarning) as notes, noting(ThresholdWarning) as of_threshold:
        detector.fit(train)
    seconds = time.perf_counter() - start
    if validated is not None:
        with timer.stage("validation"):
            of_threshold = calibrate_on_validation(detector, validated) or of_threshold
    return seconds, [*notes, *of_threshold]


def _weights(
    samples: Sequence[Sample], labels: list[int] | None, n_resamples: int, category: str
) -> NDArray[np.float64] | None:
    """How often each test image is drawn in each resample; None where there are none."""
    if not n_resamples or not labels:
        return None
    return Units.of(labels, [one.group for one in samples]).weights(n_resamples, category)


def _measure(
    selections: Sequence[Selection],
    split: TestSplit,
    tested: Tested,
    detector: Any,
    weights: NDArray[np.float64] | None,
) -> Measured:
    """All metrics that labels and masks allow, and a note for what they do not."""
    found = Measured()
    if split.labels is None:
        found.notes.append("no labels: metrics omitted")
        return found
    if weights is not None and 1 in Counter(split.labels).values():
        found.notes.append(
            "no intervals: one good or one defect image does not say how others would vary"
        )
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
    if pixels and tested.masks:
        found.notes += region_notes(getattr(detector, "region_", None), tested.outside)
    scores = np.array([p.score for p in tested.predictions], dtype=np.float64)
    for one in selections:
        if one.of == "image":
            found.add(one, split.labels, scores, float(detector.threshold_), weights)
        elif tested.masks and one in pixels:
            one = one.with_defects(tested.defects)
            found.add(one, tested.masks, tested.maps, _map_level(detector), weights)
    return found


def _map_level(detector: Any) -> float | None:
    """The level of raw maps that masks are made by, else that of regions; None without either."""
    pixels = getattr(detector, "pixel_threshold_", None)
    if pixels is None:
        return getattr(detector, "map_threshold_", None)
    steps = getattr(detector, "postprocess_", None)
    return float(pixels.value if steps is None else steps.raw_level(pixels.value))
