"""Score images with a fitted detector and write down what is found, image by image."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.models.base import Detector, PixelDetector
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.postprocess import Regions, find_regions
from pyimgano.reporting.files import file_stem, make_folder, write_bytes
from pyimgano.reporting.overlay import MapScale, verdict_panel, write_png
from pyimgano.reporting.records import Record, RecordFiles, error_record, prediction_record
from pyimgano.types import Unreadable
from pyimgano.utils.images import shown

#: Digits of the running number in file names.
_NUMBER_WIDTH = 7


@dataclass
class PredictSummary:
    """What a run has done so far.

    Attributes
    ----------
    n_scored, n_anomalous, n_failed
        Images with a score, those with label 1, and files, folders or patterns without a result.
    seconds
        Wall time.
    """

    n_scored: int = 0
    n_anomalous: int = 0
    n_failed: int = 0
    seconds: float = 0.0

    def describe(self) -> str:
        """One line for people."""
        rate = f", {self.n_scored / self.seconds:.1f} images/s" if self.seconds else ""
        failed = f", {self.n_failed} not scored" if self.n_failed else ""
        return f"{self.n_scored} images scored, {self.n_anomalous} anomalous{failed}{rate}"


class PredictRun:
    """A run over a stream of images.

    Parameters
    ----------
    detector
        Fitted.
    output
        Folder for ``results.jsonl``, ``results.csv`` and what else is asked for; None: nothing is
        written.
    maps
        Write each anomaly map as ``maps/<number>_<name>.tiff``, one channel of float32 at the
        image's own size.
    overlays
        Write a picture of image and map as ``overlays/<number>_<name>.png``.
    regions
        Say where the map exceeds the detector's ``map_threshold_``.
    batch_size
        Images scored in one pass.

    Raises
    ------
    InvalidInputError
        The detector has no maps, or no level for regions; maps without an output folder.
    OutputError
        The output folder cannot be written to.

    Notes
    -----
    The number in file names is that of the record, from 1: equal names in different folders never
    get in each other's way.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        output: str | os.PathLike[str] | None = None,
        maps: bool = False,
        overlays: bool = False,
        regions: bool = False,
        batch_size: int = 1,
    ) -> None:
        self.summary = PredictSummary()
        self._detector = detector
        self._with_maps = maps or overlays or regions
        self._batch_size = batch_size
        if batch_size < 1:
            raise InvalidInputError(f"batch_size must be 1 or more, got {batch_size}")
        if self._with_maps and not isinstance(detector, PixelDetector):
            raise InvalidInputError(
                f"{type(detector).__name__} gives scores only: it has no maps, overlays or regions"
            )
        if (maps or overlays) and output is None:
            raise InvalidInputError("maps and overlays need an output folder")
        self._level: float | None = None
        if regions:
            self._level = float(getattr(detector, "map_threshold_", math.nan))
            if math.isnan(self._level):
                raise InvalidInputError(
                    f"{type(detector).__name__} knows no level of its maps for regions"
                )
        self._folder = None if output is None else make_folder(output)
        self._maps = self._make("maps", maps)
        self._overlays = self._make("overlays", overlays)
        self._scale = MapScale.of(detector)

    def records(self, paths: Iterable[str | Unreadable]) -> Generator[Record, None, None]:
        """One record per path, in order, each written to the output folder before it is yielded.

        Parameters
        ----------
        paths
            As :func:`~pyimgano.datasets.sources.stream_images` gives them.
        """
        start = time.perf_counter()
        files = None if self._folder is None else RecordFiles(self._folder)
        self._remove_old()
        outcomes = predict_stream(
            self._detector, paths, with_maps=self._with_maps, batch_size=self._batch_size
        )
        try:
            for number, outcome in enumerate(outcomes, start=1):
                record = self._record(outcome, number)
                if files is not None:
                    files.add(record)
                self._count(record)
                self.summary.seconds = time.perf_counter() - start
                yield record
        finally:
            outcomes.close()
            if files is not None:
                files.close()

    def _record(self, outcome: Scored | Unreadable, number: int) -> Record:
        if isinstance(outcome, Unreadable):
            return error_record(outcome)
        found = outcome.prediction
        if self._with_maps and found.anomaly_map is None:
            raise InvalidInputError(f"{type(self._detector).__name__} gives no anomaly maps")
        regions: Regions | None = None
        if self._level is not None and found.anomaly_map is not None:
            regions = find_regions(found.anomaly_map, self._level)
        return prediction_record(
            found,
            threshold=self._detector.threshold_,
            ms=outcome.ms,
            regions=regions,
            files=self._write_files(outcome, number),
        )

    def _write_files(self, scored: Scored, number: int) -> dict[str, str]:
        found, written = scored.prediction, {}
        name = f"{number:0{_NUMBER_WIDTH}d}_{file_stem(shown(Path(found.path or '').stem))}"
        if self._maps is not None:
            write_bytes(self._maps / f"{name}.tiff", _tiff(found.anomaly_map))
            written["map"] = f"maps/{name}.tiff"
        if self._overlays is not None:
            picture = verdict_panel(
                scored.image,
                found,
                self._scale,
                name=shown(found.path or ""),
                threshold=self._detector.threshold_,
                bit_depth=getattr(self._detector, "bit_depth", None),
            )
            write_png(self._overlays / f"{name}.png", picture)
            written["overlay"] = f"overlays/{name}.png"
        return written

    def _count(self, record: Record) -> None:
        if "error" in record:
            self.summary.n_failed += 1
        else:
            self.summary.n_scored += 1
            self.summary.n_anomalous += record["label"]

    def _remove_old(self) -> None:
        """Maps and overlays of an earlier run, whose records are replaced."""
        for folder, suffix in ((self._maps, "tiff"), (self._overlays, "png")):
            if folder is not None:
                for old in folder.glob("[0-9]" * _NUMBER_WIDTH + f"*_*.{suffix}"):
                    old.unlink()

    def _make(self, name: str, wanted: bool) -> Path | None:
        return make_folder(self._folder / name) if wanted and self._folder is not None else None


def _tiff(anomaly_map: Any) -> bytes:
    ok, data = cv2.imencode(".tiff", anomaly_map)
    if not ok:
        raise OutputError(f"cannot encode a map of shape {anomaly_map.shape} as TIFF")
    return bytes(data.tobytes())
