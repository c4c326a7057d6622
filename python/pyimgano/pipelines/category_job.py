"""One category with one seed, as it is sent to a worker."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pyimgano.datasets import Dataset
from pyimgano.errors import OutputError, PyimganoError
from pyimgano.pipelines.checkpoints import Checkpoints, images_digest
from pyimgano.pipelines.evaluate import evaluate_category
from pyimgano.pipelines.shots import draw_shots
from pyimgano.pipelines.worker_paths import moved
from pyimgano.reporting.results import CategoryResult
from pyimgano.utils.text import printable


@dataclass(frozen=True)
class Job:
    """What is to be computed; its paths are absolute."""

    #: Category, number of training images that are drawn (None: all), seed.
    key: tuple[str, int | None, int]
    draw: str
    #: Called by the worker: a fitted detector lives no longer than its category takes.
    make_detector: Callable[[], Any]
    open_dataset: Callable[[], Dataset]
    #: Absolute, and as it was given: results tell of it so.
    root: tuple[str, str]
    checkpoints: Checkpoints | None
    strict: bool
    options: dict[str, Any]


def run_job(job: Job) -> CategoryResult:
    """A category's result, from the disk if it is there, or the record of its failure."""
    category, shots, seed = job.key
    try:
        dataset = job.open_dataset()
        if job.strict:
            dataset.get_train_paths(), dataset.get_test_paths()
            dataset.left_out.check()
        images = ""
        if job.checkpoints is not None:
            images = images_digest(dataset)
            finished = job.checkpoints.load(job.key, images)
            if finished is not None:
                return finished
        train = dataset.get_train_paths()
        if shots is not None:
            train = draw_shots(train, shots, seed, job.draw)
        result = evaluate_category(
            job.make_detector(),
            dataset,
            train=train,
            category=category,
            shots=shots,
            seed=seed,
            **job.options,
        )
        result = replace(result, images=[moved(one, *job.root) for one in result.images])
    except OutputError:
        raise  # nothing can be kept any more: that is no matter of this category
    except Exception as error:  # a detector or layout of others may raise anything
        name, reason = type(error).__name__, printable(str(error))
        if not isinstance(error, PyimganoError):
            reason = f"{name}: {reason}" if reason else name
        return CategoryResult(category, seed, shots=shots, error=reason)
    if job.checkpoints is not None and not result.failed_metrics:
        job.checkpoints.save(result, images)
    return result
