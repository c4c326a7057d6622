"""Sort a folder that nobody has sorted: the images that are least like the others come first."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import DatasetError, ImageReadError, RepeatedImageWarning
from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_images
from pyimgano.models.base import Detector
from pyimgano.models.good_photos import GoodPhotos
from pyimgano.models.reading import Reading
from pyimgano.models.training_images import each_once
from pyimgano.pipelines.check_good import Learning
from pyimgano.reporting.files import write_csv
from pyimgano.reporting.good_page import SORTED
from pyimgano.reporting.image_page import DEFAULT_IMAGES
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.scorers.mutual import rerank
from pyimgano.utils.notes import noting
from pyimgano.utils.text import shown

#: Reasons that an error gives for unreadable images.
_TOLD = 5
_COLUMNS = ("rank", "file", "score", "warnings", "error")


@dataclass(frozen=True, eq=False)
class SortedImages:
    """Images of a folder, each compared with all others.

    Attributes
    ----------
    paths
        The images that were compared, in the order in which they were found.
    scores
        float64 (n,), higher is more suspicious.
    ranks
        int64 (n,), 1 for the most suspicious.
    photos
        Images that show the same picture or were taken unlike the others, and warnings.
    unreadable
        Images that were left out, with the reason.
    left_out
        Files and folders that are no input.
    """

    paths: list[str]
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]
    photos: GoodPhotos
    unreadable: dict[str, str]
    left_out: LeftOut
    _detector: Detector

    @property
    def order(self) -> NDArray[np.int64]:
        """int64 (n,): numbers of the images, the most suspicious first."""
        return np.argsort(self.ranks)

    def anomaly_map(self, number: int) -> NDArray[np.float32]:
        """Where an image is unlike the others, float32 (H, W) at its own size; the file is read.

        Raises
        ------
        ImageReadError
            It cannot be read any more.
        """
        found = self._detector.held_out_map(number, self.paths[number])
        assert found is not None  # mutual scoring has maps of all images
        return found

    def warnings(self, number: int) -> tuple[str, ...]:
        """In what an image was taken unlike the others."""
        return self.photos.unhealthy.get(number, ())


def sort_images(
    sources: Sources,
    *,
    rerank_alike: bool = False,
    output: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
    report_images: int = DEFAULT_IMAGES,
    strict: bool = False,
    verbose: bool = False,
    **parameters: Any,
) -> SortedImages:
    """Rank images by mutual scoring: none of them needs to be known as good.

    A patch is compared with the nearest patch of every other image, and its distances to the images
    that come nearest are averaged (:class:`~pyimgano.models.mutual.MutualScoring`). Defects must be
    rarer than sound parts, and no two alike in a third of the images.

    Parameters
    ----------
    sources : path, or list of paths
        Files, folders, patterns or lists, as for
        :func:`~pyimgano.images.sources.stream_images`; at least two images.
    rerank_alike : bool
        Average each score over the three images that look most alike
        (:func:`~pyimgano.scorers.mutual.rerank`), by their mean patches.
    output : path or None
        Folder for ``results.csv``, created if missing; None: nothing is written.
    report : path or None
        HTML page with all scores, and pictures of the first images.
    report_images : int
        How many these are.
    strict : bool
        Raise if a file or folder is left out that somebody could miss.
    verbose : bool
        Show progress bars.
    **parameters
        Of :class:`~pyimgano.models.mutual.MutualScoring`; the backbone is ``"embedded"`` unless it
        is among them.

    Returns
    -------
    SortedImages
        Scores, ranks and maps.

    Raises
    ------
    DatasetError
        There are no two images that show different pictures; or, with ``strict``, something was
        left out.
    ImageReadError
        No image can be read.
    OutputError
        The folder or the page cannot be written; known before anything is compared.

    References
    ----------
    X. Li et al., "MuSc: Zero-Shot Industrial Anomaly Classification and Segmentation with Mutual
    Scoring of the Unlabeled Images", ICLR 2024.

    Examples
    --------
    >>> import pyimgano
    >>> found = pyimgano.sort_images("parts/unsorted")  # doctest: +SKIP
    >>> for number in found.order[:10]:  # doctest: +SKIP
    ...     print(found.paths[number], found.scores[number])
    """
    with LeftOut.counted(strict) as left_out:
        paths = gather_images(sources, left_out=left_out, output=output)
    with noting(RepeatedImageWarning) as repeated:
        paths = list(each_once(paths, "given"))
    _check_several(paths)
    given = {"backbone": "embedded", "on_bad_image": "skip", **parameters}
    learning = Learning("mutual", report, report_images=report_images, verbose=verbose, **given)
    if output is None:
        return _sorted(learning, paths, repeated, rerank_alike, left_out)
    with OutputFolder(output, "sort") as folder:
        table = folder.claim("results.csv")
        found = _sorted(learning, paths, repeated, rerank_alike, left_out)
        write_csv(table, _COLUMNS, _rows(found))
    return found


def _sorted(
    learning: Learning,
    paths: list[str],
    repeated: list[str],
    rerank_alike: bool,
    left_out: LeftOut,
) -> SortedImages:
    """Sort files that are all different; ``repeated`` says of others."""
    photos = learning.fit(paths)
    detector: Any = learning.detector
    unreadable = {path: _reason(path, detector) for path in detector.skipped_}
    kept = [path for path in paths if path not in unreadable]
    _check_several(kept, list(unreadable.values()))
    scores = np.array(detector.decision_scores_)
    if not np.isfinite(scores).all():
        raise DatasetError(
            f"all {len(scores)} images show the same picture: there is nothing to compare"
        )
    if rerank_alike:
        scores = rerank(scores, detector.scorer_.image_features())
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.arange(1, len(scores) + 1)
    photos = replace(
        photos,
        scores=scores.tolist(),
        odd=[],
        threshold=np.inf,
        rate=None,
        notes=[*repeated, *(note for note in photos.notes if "threshold" not in note)],
    )
    learning.write_page(photos, SORTED)
    return SortedImages(kept, scores, ranks, photos, unreadable, left_out, detector)


def _check_several(paths: list[str], unread: Sequence[str] = ()) -> None:
    """Images are compared with each other; ``unread`` says why others cannot be."""
    if len(paths) < 2:
        given = f"only {shown(paths[0])}" if paths else "none"
        more = [f"{len(unread) - _TOLD} more"] if len(unread) > _TOLD else []
        why = "".join(f"; {one}" for one in [*unread[:_TOLD], *more])
        raise DatasetError(
            f"sorting compares images with each other and needs two, got {given}{why}"
        )


def _reason(path: str, detector: Detector) -> str:
    """Why an image was left out."""
    try:
        Reading.of(detector).read(path)
    except ImageReadError as error:
        return str(error)
    return f"cannot use image {shown(path)}: it does not suit the network"


def _rows(found: SortedImages) -> list[list[Any]]:
    """The lines of the table, the most suspicious first; images without a score last."""
    ranked = [
        [rank, shown(found.paths[i]), float(found.scores[i]), "; ".join(found.warnings(i)), None]
        for rank, i in enumerate(found.order.tolist(), start=1)
    ]
    return ranked + [
        [None, shown(path), None, None, reason] for path, reason in found.unreadable.items()
    ]
