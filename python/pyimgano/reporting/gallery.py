"""The pictures of a category that a person wants to see first."""

from bisect import insort
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyimgano.models.base import Detector
from pyimgano.models.reading import Reading
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import file_stem, make_folder
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.panel import panel
from pyimgano.reporting.pictures import write_png
from pyimgano.types import Prediction
from pyimgano.utils.text import shown

#: Score and number of an image.
_Place: TypeAlias = tuple[float, int]


def choose_images(
    labels: Sequence[int] | None, scores: Sequence[float], n: int
) -> list[tuple[str, int]]:
    """The best and the worst images, each with the reason it was chosen.

    Best are the defects with the highest scores and the good images with the lowest; worst are the
    defects with the lowest scores and the good images with the highest. Without labels: the
    highest scores.
    """
    by_score = [int(i) for i in np.argsort(scores, kind="stable")]
    if labels is None:
        return [("highest", i) for i in reversed(by_score[-n:])]
    defects = [i for i in by_score if labels[i]]
    good = [i for i in by_score if not labels[i]]
    half = max(1, n // 2)
    chosen = [("best_defect", i) for i in reversed(defects[-half:])]
    chosen += [("best_good", i) for i in good[: n - half]]
    taken = {i for _, i in chosen}
    worst = [("worst_defect", i) for i in defects[:half]]
    worst += [("worst_good", i) for i in reversed(good[max(0, len(good) - n + half) :])]
    return chosen + [(kind, i) for kind, i in worst if i not in taken]


def gallery_folder(category: str) -> str:
    """Where the large pictures of a category go, seen from the folder of the run."""
    # A category may be called like a file or a folder of the report.
    files = category.lower().endswith((".html", ".json", ".csv", ".md"))
    taken = files or category in ("pictures", "plots", "categories")
    return f"{category}{'_' if taken else ''}/overlays"


class Gallery:
    """Panels of the images that :func:`choose_images` will choose, made while they are scored.

    Memory holds the pictures of those that may still be chosen, at most twice ``n``. ``labels`` are
    of the images that will come; None where they are unknown.
    """

    def __init__(
        self, detector: Detector, folder: Path, labels: Sequence[int] | None, n: int
    ) -> None:
        self._folder = make_folder(folder)
        self._labels, self._n = labels, n
        self._threshold = detector.threshold_
        self._scale = MapScale.of(detector)
        self._rule, self._bit_depth = RegionRule.of(detector), Reading.of(detector).bit_depth
        self._scores: list[float] = []
        #: Per label (score, number) of those in front, from the bottom and from the top.
        self._ends: dict[int | None, tuple[list[_Place], list[_Place]]] = {}
        self._panels: dict[int, tuple[str, NDArray[np.uint8]]] = {}

    def add(
        self, image: NDArray[Any], prediction: Prediction, mask: NDArray[np.uint8] | None
    ) -> None:
        """Take the next image, with its path in the prediction, and its known defect."""
        number = len(self._scores)
        self._scores.append(prediction.score)
        if self._may_be_chosen(number) and prediction.anomaly_map is not None:
            path = Path(prediction.path or "")
            picture = panel(
                image,
                prediction,
                self._scale,
                rule=self._rule,
                caption=f"score {prediction.score:.3f}, threshold {self._threshold:.3f}\n"
                f"{shown(Path(path.parent.name, path.name))}",
                mask=mask,
                bit_depth=self._bit_depth,
            )
            self._panels[number] = file_stem(shown(f"{path.parent.name}_{path.stem}")), picture

    def write(self) -> list[Path]:
        """Write one panel per chosen image: the image (true defect in green) and its heat map."""
        written = []
        for rank, (kind, i) in enumerate(choose_images(self._labels, self._scores, self._n)):
            if i in self._panels:
                name, picture = self._panels[i]
                written.append(self._folder / f"{rank:02d}_{kind}_{name}.png")
                write_png(written[-1], picture)
        return written

    def _may_be_chosen(self, number: int) -> bool:
        """Whether an image is in front so far; drops the panels of those that no longer are."""
        label = None if self._labels is None else self._labels[number]
        half = max(1, self._n // 2)
        low, high = {None: (0, self._n), 0: (self._n - half,) * 2, 1: (half, half)}[label]
        bottom, top = self._ends.setdefault(label, ([], []))
        place = self._scores[number], number
        insort(bottom, place)
        insort(top, place)
        dropped = {*bottom[low:], *top[: max(0, len(top) - high)]}
        del bottom[low:], top[: max(0, len(top) - high)]
        for one in dropped.difference(bottom, top):
            self._panels.pop(one[1], None)
        return place in bottom or place in top
