"""Learn from one folder, check another: no labels, no layout."""

from __future__ import annotations

import math
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyimgano.datasets.custom import unlabelled_images
from pyimgano.errors import DatasetError, ThresholdWarning
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from pyimgano.models.threshold import FalsePositiveRate
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.reporting.files import file_stem, make_folder, write_csv, write_json
from pyimgano.reporting.overlay import MapScale, verdict_panel, write_png
from pyimgano.types import Unreadable
from pyimgano.utils.images import shown
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track

_NUMBER_WIDTH = 4


@dataclass(frozen=True)
class Detection:
    """One checked file; ``score`` and ``label`` are None where it could not be read."""

    file: str
    score: float | None
    label: int | None
    error: str | None = None


@dataclass(frozen=True)
class DetectionRun:
    """Everything that ``detect`` found, the most anomalous file first, unreadable ones last.

    Attributes
    ----------
    n_overlays
        Pictures written: none for a detector without anomaly maps, which ``notes`` then says.
    """

    threshold: float
    threshold_source: str
    false_positive_rate: FalsePositiveRate | None
    n_normal: int
    skipped: list[str]
    notes: list[str]
    detections: list[Detection]
    n_overlays: int = 0

    @property
    def n_anomalous(self) -> int:
        """Files with label 1."""
        return sum(d.label == 1 for d in self.detections)

    @property
    def unreadable(self) -> list[Detection]:
        """Files without a score."""
        return [d for d in self.detections if d.error is not None]


def run_detect(
    *,
    normal: str | os.PathLike[str],
    test: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str = "patchcore",
    overlays: bool = True,
    verbose: bool = False,
    **model_kwargs: Any,
) -> DetectionRun:
    """Fit on all images of one folder and score all images of another.

    Writes ``results.csv``, ``results.json`` and one overlay per test image, named so that a file
    listing shows the most anomalous first. Memory does not grow with the number of test images.

    Parameters
    ----------
    normal, test
        Folders; images in sub-folders count too.
    output
        Folder for the results; created if missing.
    model
        Name of a detector.
    overlays
        False writes no pictures; a detector without anomaly maps has none to write.
    verbose
        Progress bars.
    **model_kwargs
        Parameters of the model.
    """
    normal_paths, test_paths = unlabelled_images(normal), unlabelled_images(test)
    shared = set(map(os.path.realpath, normal_paths)) & set(map(os.path.realpath, test_paths))
    if shared:
        raise DatasetError(
            f"{len(shared)} images are in both folders, such as {shown(min(shared))}: a score says"
            " nothing about an image that was learned from"
        )
    detector = create_model(model, verbose=verbose, **model_kwargs)
    detector.validate()
    folder = make_folder(output)
    with noting(ThresholdWarning) as notes:
        detector.fit(normal_paths)
    writer = _OverlayWriter(detector, folder / "overlays", Path(test)) if overlays else None
    detections = []
    stream = predict_stream(detector, test_paths, with_maps=overlays)
    with closing(stream), track(len(test_paths), "scoring", verbose) as advance:
        for path, outcome in zip(test_paths, stream, strict=True):
            if isinstance(outcome, Unreadable):
                detections.append(Detection(shown(path), None, None, outcome.reason))
            else:
                found = outcome.prediction
                detections.append(Detection(shown(path), found.score, found.label))
                if writer is not None:
                    writer.add(path, outcome)
            advance()
    n_overlays = 0
    if writer is not None:
        n_overlays = writer.rank()
        if writer.without_map:
            notes.append(f"{model} gives no anomaly maps: no overlays")
    detections.sort(key=lambda d: -math.inf if d.score is None else d.score, reverse=True)
    run = DetectionRun(
        detector.threshold_,
        detector.threshold_source_,
        detector.false_positive_rate_,
        len(normal_paths) - len(detector.skipped_),
        [shown(path) for path in detector.skipped_],
        notes,
        detections,
        n_overlays,
    )
    _write_results(run, folder)
    return run


class _OverlayWriter:
    """Writes pictures as they come and gives them their rank when all scores are known."""

    def __init__(self, detector: Detector, folder: Path, test: Path) -> None:
        self._folder = folder
        for old in self._folder.glob("[0-9]*_*.png"):
            old.unlink()
        self._test = test
        self._scale = MapScale.of(detector)
        self._bit_depth = getattr(detector, "bit_depth", None)
        self._threshold = detector.threshold_
        self._written: list[tuple[float, Path, str]] = []
        self.without_map = False

    def add(self, path: str, scored: Scored) -> None:
        """Write the picture of one image."""
        if scored.prediction.anomaly_map is None:
            self.without_map = True
            return
        if not self._written:
            make_folder(self._folder)
        name = shown(Path(path).relative_to(self._test))
        picture = verdict_panel(
            scored.image,
            scored.prediction,
            self._scale,
            name=name,
            threshold=self._threshold,
            bit_depth=self._bit_depth,
        )
        stem = file_stem("_".join(Path(name).with_suffix("").parts))
        temporary = self._folder / f".{len(self._written)}.png"
        write_png(temporary, picture)
        self._written.append((scored.prediction.score, temporary, stem))

    def rank(self) -> int:
        """Rename: the highest score becomes number 1. Returns how many there are."""
        ordered = sorted(self._written, key=lambda item: item[0], reverse=True)
        width = max(_NUMBER_WIDTH, len(str(len(ordered))))
        for number, (score, temporary, stem) in enumerate(ordered, start=1):
            temporary.replace(self._folder / f"{number:0{width}d}_{score:.3f}_{stem}.png")
        return len(ordered)


def _write_results(run: DetectionRun, folder: Path) -> None:
    write_csv(
        folder / "results.csv",
        ["file", "score", "label", "error"],
        [
            ["" if v is None else v for v in (d.file, d.score, d.label, d.error)]
            for d in run.detections
        ],
    )
    finite = math.isfinite(run.threshold)
    rate = run.false_positive_rate
    write_json(
        folder / "results.json",
        {
            "threshold": run.threshold if finite else None,
            "threshold_source": run.threshold_source,
            "false_positive_rate": None if rate is None else rate.to_json(),
            "n_normal": run.n_normal,
            "skipped": run.skipped,
            "notes": run.notes,
            "detections": [
                {"file": d.file, "score": d.score, "label": d.label, "error": d.error}
                for d in run.detections
            ],
        },
    )
