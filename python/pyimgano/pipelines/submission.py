"""Anomaly images of the private test sets of MVTec AD 2, as the authors' server takes them."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import pyimgano
from pyimgano.datasets import load_dataset
from pyimgano.datasets.layouts.mvtec_ad2 import PRIVATE_IMAGES, PRIVATE_SETS
from pyimgano.errors import DatasetError, ImageReadError, InvalidInputError, ThresholdWarning
from pyimgano.models import create_model
from pyimgano.models.base import PixelDetector
from pyimgano.models.pixel_threshold import asks_for_pixels
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.pipelines.submission_folder import Staging, check_output
from pyimgano.reporting.float_tiff import FloatType
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.types import Unreadable
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track
from pyimgano.utils.text import shown

#: Standard deviations above the mean of the validation pixels: the authors' baseline.
DEVIATIONS = 3


@dataclass(frozen=True)
class Submission:
    """A complete folder.

    Attributes
    ----------
    folder
        What to upload: ``anomaly_images`` and ``anomaly_images_thresholded``.
    thresholds
        Of the maps, by object.
    n_images
        Images in both private test sets.
    """

    folder: Path
    thresholds: dict[str, float]
    n_images: int


def export_submission(
    output: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str],
    model: str = "patchcore",
    threshold: float | None = None,
    dtype: FloatType = "float16",
    overwrite: bool = False,
    verbose: bool = False,
    on_object: Callable[[str, float], None] | None = None,
    **model_kwargs: Any,
) -> Submission:
    """Learn each object of MVTec AD 2 and write the maps of its private test images.

    Written are ``anomaly_images/<object>/<set>/<stem>.tiff`` and
    ``anomaly_images_thresholded/<object>/<set>/<stem>.png`` (0 and 255), both at the size of the
    image. They gather in ``<output>.unfinished``, which becomes ``output`` when all of them are
    there: started again with the same settings, an interrupted export goes on after the last
    complete object.

    Parameters
    ----------
    output, root
        Folder to write, and folder of the set with all eight objects.
    model, **model_kwargs
        Name of a detector with maps, and its parameters.
    threshold
        A pixel is 255 where its map is above it. None: for each object the mean of the pixels of
        its validation maps plus three standard deviations, as in the authors' baseline; or, where
        the detector's parameters ask for a pixel threshold (``false_pixels``, ``false_regions``),
        that one.
    dtype
        Of the values in the TIFF files; ``"float16"`` halves the upload, and values beyond 65,504
        do not fit.
    overwrite
        Replace a submission in ``output``, and begin anew whatever ``<output>.unfinished`` holds.
    verbose
        Progress bars.
    on_object
        Called with each object and its threshold.

    Raises
    ------
    DatasetError
        An object, a private image or the validation images are missing; names them.
    OutputError
        ``output`` exists, or something else than a submission is there, or it cannot be written.
    InvalidInputError
        A parameter is impossible, two ask for a threshold, the detector has no maps, or an object
        has too few images for its pixel threshold.

    References
    ----------
    L. Heckler-Kram et al., "The MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly
    Detection", 2025 (arXiv 2503.21622).
    """
    if threshold is not None and not math.isfinite(threshold):
        raise InvalidInputError(f"threshold must be a finite number or None, got {threshold!r}")
    if dtype not in get_args(FloatType):
        raise InvalidInputError(f"dtype must be 'float16' or 'float32', got {dtype!r}")
    detector = create_model(model, **model_kwargs)
    if not isinstance(detector, PixelDetector):
        raise InvalidInputError(f"{model} has no anomaly maps to submit")
    detector.validate()
    if threshold is not None and asks_for_pixels(detector):
        raise InvalidInputError("give a threshold or a target of false pixels or regions, not both")
    images = {name: _private_images(root, name) for name in _objects(root)}
    target = Path(output)
    check_output(target, overwrite=overwrite)
    settings = {
        "version": pyimgano.__version__,
        "root": os.path.realpath(root),
        "model": model,
        "detector": repr(detector),
        "threshold": threshold,
        "dtype": dtype,
    }
    with OutputFolder(f"{target}.unfinished", "export-submission") as opened:
        staging = Staging(opened, settings, overwrite=overwrite)
        for name, paths in images.items():
            if name not in staging.thresholds:
                made = create_model(model, **model_kwargs)
                level = _learn(made, root, name, threshold, verbose)
                for number, one in enumerate(_scored(made, paths, f"{name}: private", verbose)):
                    staging.write(name, paths[number], one, level, dtype)
                staging.finish(name, level)
            if on_object is not None:
                on_object(name, staging.thresholds[name])
        staging.check(images)
        staging.put(target)
    shutil.rmtree(f"{target}.unfinished", ignore_errors=True)
    n = sum(map(len, images.values()))
    return Submission(target, {name: staging.thresholds[name] for name in images}, n)


def _objects(root: str | os.PathLike[str]) -> list[str]:
    """All objects; a DatasetError names those that are missing."""
    from pyimgano.pipelines.mvtec_visa import resolve_categories

    there = resolve_categories("mvtec_ad2", root, None)
    missing = sorted(PRIVATE_IMAGES.keys() - set(there))
    if missing:
        raise DatasetError(
            f"a submission has all {len(PRIVATE_IMAGES)} objects of MVTec AD 2: {shown(root)} lacks"
            f" {', '.join(missing)}"
        )
    return list(PRIVATE_IMAGES)


def _private_images(root: str | os.PathLike[str], name: str) -> list[str]:
    """The images of both private sets, as many as there must be."""
    found = []
    for test in PRIVATE_SETS:
        dataset = load_dataset(test.replace("test", "mvtec_ad2"), root, name)
        paths = dataset.get_test_paths().paths
        if len(paths) != PRIVATE_IMAGES[name]:
            raise DatasetError(
                f"{name}, {test}: {len(paths)} images in {shown(os.path.dirname(paths[0]))},"
                f" expected {PRIVATE_IMAGES[name]}"
            )
        stem, n = Counter(Path(path).stem for path in paths).most_common(1)[0]
        strays = [path for path in paths if Path(path).parent.name != test]
        if n > 1 or strays:
            what = (
                f"two images are called {stem}" if n > 1 else f"{shown(strays[0])} is in no place"
            )
            raise DatasetError(f"{name}, {test}: {what}, and results are called after their images")
        found += paths
    return found


def _learn(
    detector: PixelDetector,
    root: str | os.PathLike[str],
    name: str,
    threshold: float | None,
    verbose: bool,
) -> float:
    """Fit a detector on an object; the threshold of its maps."""
    dataset = load_dataset("mvtec_ad2", root, name, load_masks=False)
    paths = [one.path for one in dataset.samples("validation")]
    with noting(ThresholdWarning):  # that of whole images is not used
        detector.fit(dataset.get_train_paths())
    if threshold is not None:
        return threshold
    if asks_for_pixels(detector):
        learnt = detector.pixel_threshold_
        if learnt is None or math.isinf(learnt.value):
            why = "it learnt no pixel threshold" if learnt is None else learnt.describe()
            raise InvalidInputError(f"{name}: {why}")
        return learnt.value
    maps = (
        one.prediction.anomaly_map for one in _scored(detector, paths, f"{name}: valid.", verbose)
    )
    mean, deviation = pixel_moments(one for one in maps if one is not None)
    return mean + DEVIATIONS * deviation


def pixel_moments(maps: Iterator[NDArray[np.float32]]) -> tuple[float, float]:
    """Mean and standard deviation of the pixels of all maps, in float64, one map at a time.

    The sums of two parts are joined as by Chan, Golub and LeVeque (1979): no large numbers are
    subtracted.
    """
    n, mean, squares = 0, 0.0, 0.0
    for one in maps:
        values = one.astype(np.float64)
        own = float(values.mean())
        total, step = n + values.size, own - mean
        squares += float(np.square(values - own).sum()) + step * step * n * values.size / total
        mean += step * values.size / total
        n = total
    return mean, math.sqrt(squares / n)


def _scored(
    detector: PixelDetector, paths: Sequence[str], title: str, verbose: bool
) -> Iterator[Scored]:
    stream = predict_stream(detector, paths, batch_size=getattr(detector, "batch_size", 1))
    with track(len(paths), title, verbose) as advance, closing(stream):
        for one in stream:
            if isinstance(one, Unreadable):
                raise ImageReadError(one.reason)
            yield one
            advance()
