"""Benchmark runs over the categories of an image set."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import Dataset, list_categories, load_dataset
from pyimgano.datasets.base import TestSplit
from pyimgano.errors import (
    DatasetError,
    PyimganoError,
    ThresholdWarning,
    UndefinedMetricWarning,
)
from pyimgano.evaluation import evaluate_detector, resize_map, resize_mask
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from pyimgano.registry import unknown_name
from pyimgano.reporting.files import make_folder, write_json
from pyimgano.reporting.gallery import write_gallery
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, ImageResult
from pyimgano.types import Prediction
from pyimgano.utils.images import shown
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer, peak_memory_mb, reset_peak_memory


def build_default_detector(
    model: str = "patchcore", device: str = "cpu", pretrained: bool = True, **kwargs: Any
) -> Any:
    """A detector with the settings that benchmark tables are quoted for.

    Parameters
    ----------
    model
        Name of a model.
    device
        Torch device.
    pretrained
        False: random backbone weights, for tests.
    **kwargs
        Further parameters of the model.
    """
    return create_model(model, device=device, pretrained=pretrained, **kwargs)


def resolve_categories(
    dataset: str, root: str | os.PathLike[str], categories: Sequence[str] | str | None
) -> list[str]:
    """The categories asked for, all of them for None or ``"all"``.

    Raises
    ------
    DatasetError
        There is none below ``root``.
    UnknownNameError
        One does not exist; lists those found.
    """
    found = list_categories(dataset, root)
    if not found:
        raise DatasetError(f"no {dataset} category below {shown(root)}")
    wanted = [categories] if isinstance(categories, str) else list(categories or ["all"])
    if "all" in wanted:
        return found
    for name in wanted:
        if name not in found:
            raise unknown_name(f"category below {shown(root)}", name, found)
    return list(dict.fromkeys(wanted))


def run_benchmark(
    *,
    dataset: str,
    root: str | os.PathLike[str],
    categories: Sequence[str] | str | None = None,
    model: str = "patchcore",
    seeds: Sequence[int] = (0,),
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    output: str | os.PathLike[str] | None = None,
    n_overlays: int = 4,
    verbose: bool = False,
    on_result: Callable[[CategoryResult], None] | None = None,
    **model_kwargs: Any,
) -> BenchmarkResult:
    """Fit and evaluate a model on categories of an image set, one after the other.

    Parameters
    ----------
    dataset, root
        Image set by name, and its folder.
    categories
        Names, or None or ``"all"`` for all.
    model
        Name of a model; one without anomaly maps gets image metrics only.
    seeds
        One run per category and seed.
    metric_size
        Side of the square that maps and masks are brought to for pixel metrics; None: native.
    integration_limit
        False-positive rate up to which AUPRO integrates.
    output
        Folder for ``results.json`` (rewritten after every category) and overlays.
    n_overlays
        Pictures of the best and of the worst images per category (of the first seed).
    verbose
        Progress bars.
    on_result
        Called with each finished or failed category.
    **model_kwargs
        Parameters of the model.

    Returns
    -------
    BenchmarkResult
        A category that fails is recorded with its error and does not stop the others.

    Raises
    ------
    PyimganoError
        For everything that concerns all categories: names, parameters, weights, the output folder.
    """
    names = resolve_categories(dataset, root, categories)
    detector = create_model(model, **model_kwargs)
    detector.validate()
    folder = None if output is None else make_folder(output)
    parameters = {k: v for k, v in detector.get_params().items() if k != "verbose"}
    result = BenchmarkResult(
        dataset=dataset,
        root=os.fspath(root),
        model=model,
        detector=repr(detector),
        parameters=parameters,
        metric_rule=describe_rule(metric_size, integration_limit),
        versions=package_versions(),
        categories=[],
    )
    for name in names:
        for seed in seeds:
            one = _run_category(
                lambda: load_dataset(dataset, root, name),  # noqa: B023 (called at once)
                create_model(model, **{**model_kwargs, "random_state": seed, "verbose": verbose}),
                name,
                seed,
                metric_size=metric_size,
                integration_limit=integration_limit,
                overlays=folder / name / "overlays"
                if folder and seed == seeds[0] and n_overlays
                else None,
                n_overlays=n_overlays,
                verbose=verbose,
            )
            result.categories.append(one)
            if folder is not None:
                write_json(folder / "results.json", result.to_json())
            if on_result is not None:
                on_result(one)
    return result


def _run_category(
    open_dataset: Callable[[], Dataset],
    detector: Detector,
    category: str,
    seed: int,
    **options: Any,
) -> CategoryResult:
    """A category's result, or the record of its failure."""
    try:
        return evaluate_category(detector, open_dataset(), category=category, seed=seed, **options)
    except (PyimganoError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        return CategoryResult(category=category, seed=seed, error=reason)


def evaluate_category(
    detector: Detector,
    dataset: Dataset,
    *,
    category: str,
    seed: int,
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    overlays: Path | None = None,
    n_overlays: int = 4,
    verbose: bool = False,
) -> CategoryResult:
    """Fit a detector on one category, score its test images and compute all metrics.

    Maps are kept at ``metric_size``, or at native size, until the metrics are computed.
    """
    reset_peak_memory()
    timer = StageTimer()
    train = dataset.get_train_paths()
    split = dataset.get_test_paths()
    start = time.perf_counter()
    with noting(ThresholdWarning) as fit_notes:
        detector.fit(train)
    fit_seconds = time.perf_counter() - start

    predictions: list[Prediction] = []
    maps: list[NDArray[np.float32]] = []
    start = time.perf_counter()
    with track(len(split.paths), f"{category}: scoring", verbose) as advance:
        for prediction in detector.iter_predict(split.paths):
            if split.masks is not None and prediction.anomaly_map is not None:
                maps.append(resize_map(prediction.anomaly_map, metric_size))
            predictions.append(
                Prediction(prediction.path, prediction.score, prediction.label, None)
            )
            advance()
    predict_seconds = time.perf_counter() - start

    metrics, notes = _metrics(
        split, predictions, maps, timer, metric_size=metric_size, limit=integration_limit
    )
    if overlays is not None:
        with timer.stage("overlays"):
            write_gallery(detector, split, predictions, overlays, n_overlays)
    labels = [None] * len(split.paths) if split.labels is None else split.labels.tolist()
    return CategoryResult(
        category=category,
        seed=seed,
        n_train=len(train),
        n_test=len(split.paths),
        n_defect=None if split.labels is None else int(split.labels.sum()),
        metrics=metrics,
        threshold=detector.threshold_,
        threshold_source=detector.threshold_source_,
        fit_seconds=fit_seconds,
        ms_per_image=1000 * predict_seconds / max(1, len(split.paths)),
        stage_seconds={**getattr(detector, "timings_", {}), **timer.seconds},
        peak_memory_mb=peak_memory_mb(),
        images=[
            ImageResult(shown(path), label, p.score, p.label)
            for path, label, p in zip(split.paths, labels, predictions, strict=True)
        ],
        notes=fit_notes + notes,
    )


def _metrics(
    split: TestSplit,
    predictions: Sequence[Prediction],
    maps: Sequence[NDArray[np.float32]],
    timer: StageTimer,
    *,
    metric_size: int | None,
    limit: float,
) -> tuple[dict[str, float], list[str]]:
    """All metrics that the labels and masks allow, and a note for each that they do not."""
    if split.labels is None:
        return {}, ["no labels: metrics omitted"]
    notes = [] if split.masks is not None else ["no ground_truth folder: pixel metrics omitted"]
    masks = None
    if split.masks is not None and not maps:
        notes.append("the detector has no anomaly maps: pixel metrics omitted")
    elif split.masks is not None:
        with timer.stage("decode masks"):
            masks = [resize_mask(mask, metric_size) for mask in split.masks]
    scores = np.array([p.score for p in predictions])
    with timer.stage("metrics"), noting(UndefinedMetricWarning) as undefined:
        result = evaluate_detector(
            split.labels,
            scores,
            pixel_labels=masks,
            pixel_scores=maps if masks is not None else None,
            integration_limit=limit,
        )
    metrics = {k: result[k] for k in ("auroc", "average_precision", "f1_max")}
    return {**metrics, **result.get("pixel_metrics", {})}, notes + undefined


def describe_rule(metric_size: int | None, integration_limit: float) -> str:
    """Size and rule of the pixel metrics, printed beside the numbers."""
    size = "native resolution" if metric_size is None else f"{metric_size} x {metric_size} pixels"
    return f"pixel metrics exact, on raw maps, at {size}; AUPRO up to FPR {integration_limit:g}"


def package_versions() -> dict[str, str]:
    """Versions of what took part in a run."""
    found = {"python": platform.python_version()}
    for package in ("pyimgano", "numpy", "opencv-python-headless", "torch", "torchvision"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
