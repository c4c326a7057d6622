"""The pictures of a category that a person wants to see first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyimgano.datasets.base import TestSplit
from pyimgano.models.base import Detector
from pyimgano.models.reading import Reading
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import file_stem, make_folder
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.panel import panel
from pyimgano.reporting.picture_file import write_png
from pyimgano.types import Prediction
from pyimgano.utils.text import shown


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
    worst += [("worst_good", i) for i in reversed(good[-(n - half) :])]
    return chosen + [(kind, i) for kind, i in worst if i not in taken]


def gallery_folder(category: str) -> str:
    """Where the large pictures of a category go, seen from the folder of the run."""
    # A category may be called like a file or a folder of the report.
    files = category.lower().endswith((".html", ".json", ".csv", ".md"))
    taken = files or category in ("pictures", "plots", "categories")
    return f"{category}{'_' if taken else ''}/overlays"


def write_gallery(
    detector: Detector,
    split: TestSplit,
    predictions: Sequence[Prediction],
    folder: Path,
    n: int,
) -> list[Path]:
    """Write one panel per chosen image: the image (true defect in green) and its heat map."""
    make_folder(folder)
    labels = None if split.labels is None else split.labels.tolist()
    chosen = choose_images(labels, [p.score for p in predictions], n)
    scale = MapScale.around(
        getattr(detector, "map_level_", 0.0), getattr(detector, "map_threshold_", np.inf)
    )
    rule, reading = RegionRule.of(detector), Reading.of(detector)
    written = []
    for rank, (kind, i) in enumerate(chosen):
        path = Path(split.paths[i])
        (prediction,) = detector.iter_predict([split.paths[i]])
        if prediction.anomaly_map is None:
            continue
        picture = panel(
            reading.read(split.paths[i]),
            prediction,
            scale,
            rule=rule,
            caption=f"score {prediction.score:.3f}, threshold {detector.threshold_:.3f}\n"
            f"{shown(Path(path.parent.name, path.name))}",
            mask=None if split.masks is None else split.masks[i],
            bit_depth=reading.bit_depth,
        )
        name = file_stem(shown(f"{path.parent.name}_{path.stem}"))
        target = folder / f"{rank:02d}_{kind}_{name}.png"
        write_png(target, picture)
        written.append(target)
    return written
