"""Learn from normal images and write the detector to a file."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_images
from pyimgano.models.good_photos import GoodPhotos
from pyimgano.persistence.detector_file import check_storable, kind_of
from pyimgano.pipelines.check_good import Learning
from pyimgano.reporting.files import check_target
from pyimgano.reporting.image_page import DEFAULT_IMAGES
from pyimgano.utils.text import shown


@dataclass(frozen=True)
class FitRun:
    """What was learnt, and the file it is in.

    Attributes
    ----------
    path, size, sha256
        The file, its bytes and their digest.
    n_images, skipped, left_out
        Images that were learnt from, unreadable ones, and other files that were left out.
    bank_shape
        Rows and columns of the memory bank; None for a detector without one.
    good
        The photos, the threshold that they give, and warnings.
    """

    path: str
    size: int
    sha256: str
    n_images: int
    skipped: list[str]
    left_out: LeftOut
    bank_shape: tuple[int, int] | None
    good: GoodPhotos


def run_fit(
    sources: Sources,
    output: str | os.PathLike[str],
    *,
    model: str = "patchcore",
    bank_dtype: str = "float32",
    embed_backbone: bool = False,
    training_paths: bool = True,
    leave_out: Sequence[str] = (),
    report: str | os.PathLike[str] | None = None,
    report_images: int = DEFAULT_IMAGES,
    strict: bool = False,
    verbose: bool = False,
    **model_kwargs: Any,
) -> FitRun:
    """Fit a detector on all images that the sources stand for, and save it.

    Parameters
    ----------
    sources
        As for :func:`~pyimgano.images.sources.stream_images`.
    output
        The file; one of that name is replaced when the new one is complete.
    bank_dtype, embed_backbone, training_paths
        As for :meth:`~pyimgano.models.base.Detector.save`.
    model, leave_out, report, report_images, strict, verbose, **model_kwargs
        As for :func:`~pyimgano.pipelines.check_good.run_check_good`.

    Raises
    ------
    DatasetError, ImageReadError
        As :func:`~pyimgano.pipelines.check_good.run_check_good` does.
    InvalidInputError, OutputError
        Such a detector cannot be stored, or the file cannot be written; known before anything is
        learnt.
    """
    with LeftOut.counted(strict) as left_out:
        paths = gather_images(sources, left_out=left_out)
    learning = Learning(
        model,
        report,
        report_images=report_images,
        check=kind_of,
        verbose=verbose,
        **model_kwargs,
    )
    detector = learning.detector
    target = check_target(output)
    check_storable(detector, bank_dtype=bank_dtype, embed_backbone=embed_backbone)
    good = learning.fit(paths, leave_out)
    detector.save(
        target,
        bank_dtype=bank_dtype,
        embed_backbone=embed_backbone,
        training_paths=training_paths,
    )
    learning.write_page(good)
    bank = getattr(detector, "memory_bank_", None)
    return FitRun(
        path=shown(target),
        size=target.stat().st_size,
        sha256=file_sha256(target),
        n_images=len(detector.decision_scores_),
        skipped=learning.skipped,
        left_out=left_out,
        bank_shape=None if bank is None else (int(bank.shape[0]), int(bank.shape[1])),
        good=good,
    )


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
