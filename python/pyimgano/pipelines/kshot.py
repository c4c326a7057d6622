"""How well a detector does with k normal images: drawn by seed, fitted, evaluated, averaged."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyimgano.datasets import load_dataset
from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.models import create_model
from pyimgano.pipelines.mvtec_visa import evaluate_category
from pyimgano.reporting.results import CategoryResult


@dataclass(frozen=True)
class KShotResult:
    """All runs of a category with k training images, one per seed; each has the seed and all
    figures.
    """

    category: str
    k: int
    runs: list[CategoryResult]

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every metric over the seeds; NaN where any run's is."""
        return {name: float(np.mean(values)) for name, values in self._values().items()}

    @property
    def std(self) -> dict[str, float]:
        """Sample standard deviation (n - 1) over the seeds; NaN with one seed."""
        return {
            name: float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            for name, values in self._values().items()
        }

    def _values(self) -> dict[str, list[float]]:
        return {name: [run.metrics[name] for run in self.runs] for name in self.runs[0].metrics}


def run_kshot(
    *,
    dataset: str,
    root: str | os.PathLike[str],
    category: str,
    k: Sequence[int] | int = (1, 2, 4),
    seeds: Sequence[int] = (0, 1, 2),
    model: str = "patchcore",
    metric_size: int | None = None,
    integration_limit: float = 0.3,
    verbose: bool = False,
    on_result: Callable[[int, CategoryResult], None] | None = None,
    **model_kwargs: Any,
) -> list[KShotResult]:
    """Fit on k normal images drawn by seed and evaluate on the whole test set.

    Parameters
    ----------
    dataset, root, category
        As for :func:`~pyimgano.datasets.load_dataset`.
    k
        Numbers of training images. With one seed the images of a smaller k are among those of a
        larger one; with all images the seeds differ in the model's own randomness alone.
    seeds
        One run each per k; the seed draws the images and is the model's ``random_state``.
    model, metric_size, integration_limit, verbose, **model_kwargs
        As for :func:`~pyimgano.pipelines.mvtec_visa.run_benchmark`; a pixel detector.
    on_result
        Called with k and the result of each run.

    Returns
    -------
    list of KShotResult
        One per k, in the order given.

    Raises
    ------
    InvalidInputError
        (a ValueError) if a k is below 1 or above the number of training images, or there are no
        seeds.
    PyimganoError
        As loading, fitting and evaluating do: the first failure ends the run.
    """
    shots = [k] if isinstance(k, (int, np.integer)) else list(k)
    if not shots or not seeds:
        raise InvalidInputError(f"{'seeds' if shots else 'k'} is empty")
    data = load_dataset(dataset, root, category)
    train = data.get_train_paths()
    for count in shots:
        _check_shots(count, len(train), category)
    results = []
    for count in shots:
        runs = []
        for seed in seeds:
            detector = create_model(
                model, **{**model_kwargs, "random_state": seed, "verbose": verbose}
            )
            one = evaluate_category(
                detector,
                data,
                train=draw_shots(train, count, seed),
                category=category,
                seed=seed,
                metric_size=metric_size,
                integration_limit=integration_limit,
                verbose=verbose,
            )
            runs.append(one)
            if on_result is not None:
                on_result(count, one)
        results.append(KShotResult(category, count, runs))
    return results


def draw_shots(paths: Sequence[str], k: int, seed: int) -> list[str]:
    """The k paths that a seed draws, sorted; those of a smaller k are among them."""
    order = np.random.default_rng(seed).permutation(len(paths))
    return sorted(paths[i] for i in order[:k])


def kshot_table(
    results: Sequence[KShotResult],
    metrics: Sequence[str] = ("auroc", "pixel_auroc", "aupro"),
) -> str:
    """A Markdown table, mean ± standard deviation over the seeds; metrics not computed are "-"."""
    lines = [
        "| category | k | seeds | " + " | ".join(metrics) + " |",
        "| --- |" + " --- |" * (len(metrics) + 2),
    ]
    for result in results:
        mean, std = result.mean, result.std
        cells = [_cell(mean[name], std[name]) if name in mean else "-" for name in metrics]
        lines.append(
            f"| {result.category} | {result.k} | {len(result.runs)} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def _cell(mean: float, std: float) -> str:
    return f"{mean:.3f}" if math.isnan(std) else f"{mean:.3f} ± {std:.3f}"


def _check_shots(k: Any, n_train: int, category: str) -> None:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise InvalidTypeError(f"k must be integers, got {k!r}")
    if not 1 <= k <= n_train:
        raise InvalidInputError(
            f"k must be from 1 to {n_train}, the training images of {category!r}; got {k}"
        )
