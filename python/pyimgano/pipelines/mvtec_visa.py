"""Benchmark runs over the categories of an image set."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from typing import Any

from pyimgano.datasets import list_categories, load_dataset
from pyimgano.datasets.load import hint_for
from pyimgano.errors import DatasetError, InvalidInputError, PyimganoError
from pyimgano.metrics.catalogue import select_metrics
from pyimgano.metrics.inputs import check_metric_size
from pyimgano.models import create_model
from pyimgano.pipelines.category_job import Job, run_job
from pyimgano.pipelines.checkpoints import Checkpoints, Key, ReportFile, fingerprint, keys
from pyimgano.pipelines.evaluate import evaluate_category
from pyimgano.pipelines.shots import check_enough, check_shots
from pyimgano.pipelines.worker_paths import absolute_parameters
from pyimgano.registry import unknown_name
from pyimgano.reporting.gallery import gallery_folder
from pyimgano.reporting.map_files import FOLDER as MAPS
from pyimgano.reporting.map_files import check_map_kind
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.report import REPORT_FILES
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, folder_name
from pyimgano.statistics.units import check_resamples
from pyimgano.utils.parallel import count_workers, run_each
from pyimgano.utils.text import shown

__all__ = [
    "build_default_detector",
    "describe_rule",
    "evaluate_category",
    "package_versions",
    "resolve_categories",
    "run_benchmark",
]


def build_default_detector(
    model: str = "patchcore", device: str = "cpu", pretrained: bool = True, **kwargs: Any
) -> Any:
    """A detector with the settings that benchmark tables are quoted for.

    ``pretrained=False`` gives it random backbone weights, for tests; ``kwargs`` are further
    parameters of the model.
    """
    return create_model(model, device=device, pretrained=pretrained, **kwargs)


def resolve_categories(
    dataset: str, root: str | os.PathLike[str], categories: Sequence[str] | str | None
) -> list[str]:
    """The categories asked for, all of them for None or ``"all"``.

    A DatasetError tells that there is none below ``root``, an UnknownNameError lists those found.
    """
    found = list_categories(dataset, root)
    if not found:
        raise DatasetError(f"no {dataset} category below {shown(root)}{hint_for(dataset, root)}")
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
    shots: Sequence[int] | int | None = None,
    draw: str = "random",
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    metrics: Sequence[str] | None = None,
    intervals: int = 0,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    n_jobs: int | None = None,
    n_overlays: int = 4,
    maps: str | None = None,
    label: str = "",
    strict: bool = False,
    verbose: bool = False,
    on_result: Callable[[CategoryResult], None] | None = None,
    **model_kwargs: Any,
) -> BenchmarkResult:
    """Fit and evaluate a model on categories of an image set.

    With an ``output`` folder a run can be interrupted and started again: every category and seed
    that finished is taken from there; what failed, if only a metric, is computed again.

    Parameters
    ----------
    dataset, root
        Image set by name, and its folder.
    categories
        Names, or None or ``"all"`` for all.
    model
        Name of a detector; without anomaly maps pixel metrics are left out.
    seeds
        One run per category and seed, or per category, number of shots and seed.
    shots
        Numbers of training images to learn from; None: all. Means and deviations are over the
        seeds, which draw the images and are the model's ``random_state``.
    draw
        ``"random"``: any image may be drawn, those of a smaller number are among those of a larger
        one, and any seed from 0 will do. ``"slice"``: images ``seed * k`` to ``(seed + 1) * k - 1``
        by name, AnomalyDINO's protocol (Damm et al., WACV 2025).
    metric_size
        Side of the square that maps and masks are brought to for pixel metrics; None: native.
    integration_limit
        False-positive rate up to which AUPRO integrates.
    metrics
        Keys of metrics (:func:`pyimgano.metrics.list_metrics`), or ``["all"]``; None: the
        package's own and those that this program registered.
    intervals
        Show 95 % intervals over the draw of test images, from so many resamples, 1,000 say; 0: only
        those of closed form are computed, and kept in the results.
    output
        Folder for finished categories (``categories/``), ``results.json`` (rewritten after every
        category), pictures and overlays.
    overwrite
        Compute everything again, whatever the folder holds; its report is replaced even by one of
        fewer categories or seeds.
    n_jobs
        Categories computed side by side: None means 1 unless inside ``joblib.parallel_config``,
        which may name another backend (a Dask or Ray cluster that sees the same files). Each worker
        gets its share of the cores as threads.
    n_overlays
        Large pictures of the best and of the worst images per category (of the first seed).
    maps
        Keep the raw anomaly maps of the first seed in the output folder, ``maps/``: ``"tiff"``
        (float32, one channel) or ``"npy"``; None: not.
    label
        What the run is called beside others.
    strict
        A category fails if a file or folder is left out that somebody could miss.
    verbose
        Progress bars.
    on_result
        Called with each finished, loaded or failed category.
    **model_kwargs
        Parameters of the model.

    Returns
    -------
    BenchmarkResult
        A category that fails is recorded with its error and does not stop the others.

    Raises
    ------
    PyimganoError
        For everything that concerns all categories: names, parameters, weights, an output folder
        that cannot be written to, that another run is writing to, or that holds results of a run
        with other parameters, or a report of categories or seeds that this run leaves out.

    Notes
    -----
    A detector is dropped when its category is done. Exact pixel metrics need all maps of a category
    at once: 5 bytes per pixel of its test images (float32 maps, uint8 masks), and up to 4 more
    while they are computed; ``metric_size`` bounds that at 9 bytes per pixel of that size.
    """
    check_metric_size(metric_size)
    _check_kept(intervals, maps, output)
    names, seeds = resolve_categories(dataset, root, categories), list(dict.fromkeys(seeds))
    numbers = _drawable(dataset, root, names, shots, seeds, draw)
    settings = {"metric_size": metric_size, "integration_limit": integration_limit}
    selections = select_metrics(metrics, integration_limit=integration_limit)
    visible = count_workers(n_jobs) == 1 and verbose
    detector = _valid(model, model_kwargs)
    asked = [key for one in selections for key in one.keys]
    result = _started(detector, dataset, root, model, label, settings)
    few: dict[str, Any] = {} if shots is None else {"shots": numbers, "draw": draw}
    result = replace(result, metrics=[] if metrics is None else asked, intervals=intervals, **few)
    with ExitStack() as stack:
        folder, checkpoints, report = None, None, None
        if output is not None:
            opened = stack.enter_context(OutputFolder(output, "benchmark"))
            folder = opened.path.absolute()
            checkpoints = Checkpoints(folder, fingerprint(result, asked, maps))
            wanted = keys(result.title, names, seeds, numbers)
            report = _prepared(opened, checkpoints, wanted, overwrite=overwrite)
        common: dict[str, Any] = {**settings, "metrics": selections, "verbose": visible}
        common |= {"n_overlays": n_overlays, "intervals": intervals, "maps": maps}
        jobs = [
            Job(
                key,
                draw,
                _with(model_kwargs, detector, model, random_state=key[2], verbose=visible),
                partial(load_dataset, dataset, os.path.abspath(root), key[0]),
                (os.path.abspath(root), os.fspath(root)),
                checkpoints,
                strict,
                {**common, "output": folder if key[2] == seeds[0] else None},
            )
            for key in product(names, numbers, seeds)
        ]
        return _run_all(jobs, n_jobs, result, report, on_result)


def _check_kept(intervals: int, maps: str | None, output: str | os.PathLike[str] | None) -> None:
    check_resamples(intervals)
    check_map_kind(maps)
    if maps is not None and output is None:
        raise InvalidInputError("maps need an output folder")


def _valid(model: str, parameters: dict[str, Any]) -> Any:
    """A detector whose parameters were checked."""
    detector = create_model(model, **parameters)
    if hasattr(detector, "validate"):
        detector.validate()
    return detector


def _drawable(
    dataset: str,
    root: str | os.PathLike[str],
    names: Sequence[str],
    shots: Sequence[int] | int | None,
    seeds: Sequence[int],
    draw: str,
) -> list[Any]:
    """The numbers of shots, where every category has images for all of them; [None] for None."""
    if not seeds:
        raise InvalidInputError("seeds is empty: give at least one")
    if shots is None and draw != "random":
        raise InvalidInputError(f"draw={draw!r} needs shots: all images are learnt from without")
    if shots is None:
        return [None]
    numbers = check_shots(shots, seeds, draw)
    for name in names:
        try:
            n_train = len(load_dataset(dataset, root, name).get_train_paths())
        except PyimganoError:
            continue  # its own run will tell
        check_enough(name, n_train, numbers, seeds, draw)
    return numbers


def _started(
    detector: Any,
    dataset: str,
    root: str | os.PathLike[str],
    model: str,
    label: str,
    settings: dict[str, Any],
) -> BenchmarkResult:
    """A result without any category so far."""
    return BenchmarkResult(
        dataset=dataset,
        root=os.fspath(root),
        model=model,
        detector=repr(detector),
        parameters=_parameters(detector),
        metric_rule=describe_rule(**settings),
        versions=package_versions(),
        categories=[],
        label=label,
        **settings,
    )


def _run_all(
    jobs: Sequence[Job],
    n_jobs: int | None,
    result: BenchmarkResult,
    report: ReportFile | None,
    on_result: Callable[[CategoryResult], None] | None,
) -> BenchmarkResult:
    """Add each category to the result, in the order of the jobs, and tell of it, as it comes."""
    order = {job.key: i for i, job in enumerate(jobs)}
    for one in run_each(run_job, jobs, n_jobs, what="benchmark"):
        result.categories.append(one)
        result.categories.sort(key=lambda c: order[c.category, c.shots, c.seed])
        if report is not None:
            report.write(result)
        if on_result is not None:
            on_result(one)
    return result


def _parameters(detector: Any) -> dict[str, Any]:
    """Those of a detector; what changes no result is no parameter of the run."""
    nothing = ("verbose", "spill_dir", "n_jobs")
    return {k: v for k, v in detector.get_params().items() if k not in nothing}


def _prepared(
    folder: OutputFolder, checkpoints: Checkpoints, wanted: Collection[Key], *, overwrite: bool
) -> ReportFile:
    """The report of a run's folder, in which nothing stands in the way of these results."""
    folder.check(*REPORT_FILES)
    checkpoints.check(overwrite=overwrite)
    report = ReportFile(folder, wanted, overwrite=overwrite)
    names = sorted({folder_name(one.category, one.shots) for one in wanted})
    for name in ("pictures", MAPS, *map(gallery_folder, names)):
        folder.mark_pictures(name)
    return report


def _with(model_kwargs: dict[str, Any], like: Any, model: str, **run: Any) -> Callable[[], Any]:
    """How to make a detector with those of the run's parameters that it has."""
    known = like.get_params()
    own = {k: v for k, v in run.items() if k in known}
    return partial(create_model, model, **absolute_parameters(like, {**model_kwargs, **own}))


def describe_rule(metric_size: int | None, integration_limit: float) -> str:
    """Size and rule of the pixel metrics, printed beside the numbers."""
    size = "native resolution" if metric_size is None else f"{metric_size} x {metric_size} pixels"
    return f"pixel metrics exact, on raw maps, at {size}; AUPRO up to FPR {integration_limit:g}"


def package_versions() -> dict[str, str]:
    """Versions of what took part in a run."""
    found = {"python": platform.python_version()}
    packages = ("pyimgano", "numpy", "opencv-python-headless", "torch", "torchvision", "pyod")
    for package in (*packages, "anomalib", "faiss-cpu"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
