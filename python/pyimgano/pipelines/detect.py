"""Learn from one folder, check another: no labels, no layout."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyimgano.errors import DatasetError, InvalidInputError
from pyimgano.images.health_range import HealthTally
from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_found, gather_images
from pyimgano.models.base import Detector
from pyimgano.models.good_photos import GoodPhotos
from pyimgano.models.pixel_threshold import asks_for_pixels
from pyimgano.models.reading import Reading
from pyimgano.pipelines.check_good import Learning
from pyimgano.pipelines.predict import NO_PIXEL_THRESHOLD
from pyimgano.pipelines.scoring import Scored, is_learnt, predict_stream, say_learnt
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import file_stem, make_folder, write_csv, write_json
from pyimgano.reporting.good_page import add_good, good_lines
from pyimgano.reporting.image_page import DEFAULT_IMAGES, DETECTED, ImagePage
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.panel import verdict_panel
from pyimgano.reporting.pictures import write_png
from pyimgano.reporting.records import record_of
from pyimgano.types import Prediction, Unreadable
from pyimgano.utils.progress import track
from pyimgano.utils.text import shown

_NUMBER_WIDTH = 4
#: Good photos with pictures on the page.
_GOOD_SHOWN = 24
#: What the path is called in the results.
_FILE = "file"
_COLUMNS = ("label", "score", "predicted", "verdict", "n_regions", "warnings", "mask", "error")


@dataclass(frozen=True)
class DetectionRun:
    """Everything that ``detect`` found, the most anomalous file first, unreadable ones last.

    Attributes
    ----------
    good
        The good photos, the threshold that they give, and warnings.
    n_overlays, overlays
        Pictures written, and their folder in the output folder: none for a detector without anomaly
        maps, which ``notes`` then says.
    masks
        Folder of the masks in the output folder; empty if none were asked for.
    left_out
        Files and folders that are no input.
    """

    good: GoodPhotos
    skipped: list[str]
    notes: list[str]
    detections: list[ImageResult]
    n_overlays: int = 0
    overlays: str = ""
    masks: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def n_anomalous(self) -> int:
        """Files with a defect."""
        return sum(d.predicted == 1 for d in self.detections)

    def health(self) -> list[str]:
        """How many of the scored files are unlike the good ones, and in what."""
        tally = HealthTally()
        for detection in self.detections:
            if detection.error is None:
                tally.add(detection.warnings)
        return tally.lines()

    @property
    def unreadable(self) -> list[ImageResult]:
        """Files without a score."""
        return [d for d in self.detections if d.error is not None]


def run_detect(
    *,
    normal: Sources,
    test: Sources,
    output: str | os.PathLike[str],
    model: str = "patchcore",
    overlays: bool = True,
    masks: bool = False,
    leave_out: Sequence[str] = (),
    report: str | os.PathLike[str] | None = None,
    report_images: int = DEFAULT_IMAGES,
    strict: bool = False,
    verbose: bool = False,
    **model_kwargs: Any,
) -> DetectionRun:
    """Fit on normal images and score all others.

    Writes ``results.csv``, ``results.json`` and one overlay per test image, named so that a file
    listing shows the most anomalous first. Memory does not grow with the number of test images.

    Parameters
    ----------
    normal, test
        As for :func:`~pyimgano.images.sources.stream_images`; images in sub-folders count too.
    output
        Folder for the results; created if missing, and never taken as input.
    overlays
        False writes no pictures; a detector without anomaly maps has none to write.
    masks
        Write what exceeds the pixel threshold as ``masks/<name>.png``: one channel, 255 there and 0
        elsewhere, at the image's own size. It takes ``false_pixels`` or ``false_regions``.
    report, report_images
        HTML page of the checked images with the highest scores, and of the good photos; None: no
        page. How many of the former it has.
    model, leave_out, strict, verbose, **model_kwargs
        As for :func:`~pyimgano.pipelines.check_good.run_check_good`, of the normal images.

    Raises
    ------
    DatasetError
        A source has no images, or an image is in both; or, with ``strict``, something was left out.
    InvalidInputError
        Masks are asked for, and no pixel threshold.
    OutputError
        Another run is writing to the output folder, or it holds a file that would be replaced and
        is no result of an earlier run.
    """
    with LeftOut.counted(strict) as left_out:
        normal_paths = gather_images(normal, left_out=left_out, output=output)
        found = gather_found(test, left_out=left_out, output=output)
    _refuse_shared(normal_paths, found)
    learning = Learning(model, report, report_images=report_images, verbose=verbose, **model_kwargs)
    detector = learning.detector
    if masks and not asks_for_pixels(detector):
        raise InvalidInputError(NO_PIXEL_THRESHOLD)
    with OutputFolder(output, "detect") as folder:
        files = [folder.claim(name) for name in ("results.csv", "results.json")]
        good = learning.fit(normal_paths, leave_out)
        page = learning.page(DETECTED, groups=("checked images", "good photos"))
        writer = _OverlayWriter(detector, folder, test) if overlays else None
        found_masks = _MaskWriter(folder, test) if masks else None
        detections, learnt = _score(detector, found, writer, found_masks, page, verbose)
        n_overlays, pictures, notes = 0, "", [*good.notes, *learnt]
        if writer is not None:
            n_overlays, pictures = writer.rank(), writer.folder
            if writer.without_map:
                notes.append(f"{model} gives no anomaly maps: no overlays")
        run = DetectionRun(
            good,
            learning.skipped,
            notes,
            detections,
            n_overlays,
            pictures,
            "" if found_masks is None else found_masks.folder,
            left_out,
        )
        _write_results(run, *files)
        if page is not None:
            add_good(page, good, detector, group=1, most=_GOOD_SHOWN)
            page.write([*good_lines(good), left_out.describe(), *run.health(), *learnt])
    return run


def _refuse_shared(normal: list[str], test: list[str | Unreadable]) -> None:
    tested = {os.path.realpath(path) for path in test if isinstance(path, str)}
    shared = tested.intersection(map(os.path.realpath, normal))
    if shared:
        raise DatasetError(
            f"{len(shared)} images are in both folders, such as {shown(min(shared))}: a score says"
            " nothing about an image that was learned from"
        )


def _score(
    detector: Detector,
    found: list[str | Unreadable],
    writer: _OverlayWriter | None,
    masks: _MaskWriter | None,
    page: ImagePage | None,
    verbose: bool,
) -> tuple[list[ImageResult], list[str]]:
    """The most anomalous first, what has no score last; and a note on images learnt from."""
    detections, learnt = [], []
    rule = RegionRule.of(detector)
    with_maps = writer is not None or masks is not None or page is not None
    stream = predict_stream(detector, found, with_maps=with_maps)
    with closing(stream), track(len(found), "scoring", verbose) as advance:
        for one, outcome in zip(found, stream, strict=True):
            path = one if isinstance(one, str) else one.path
            if isinstance(outcome, Unreadable):
                detections.append(ImageResult.of(path, outcome))
                if page is not None:
                    page.add_error(path, outcome.reason)
            else:
                prediction = outcome.prediction
                marked = prediction.anomaly_map is not None
                regions = rule.regions(prediction) if marked else None
                files = {} if masks is None else masks.add(path, prediction)
                detections.append(ImageResult.of(path, prediction, regions=regions, pictures=files))
                if is_learnt(detector, outcome.image):
                    learnt.append(path)
                if writer is not None:
                    writer.add(path, outcome)
                if page is not None:
                    page.add(outcome.image, prediction)
            advance()
    detections.sort(key=lambda d: -math.inf if d.error is not None else d.score, reverse=True)
    return detections, say_learnt(learnt, len(found), "its score says nothing")


class _OverlayWriter:
    """Writes pictures as they come and gives them their rank when all scores are known."""

    def __init__(self, detector: Detector, output: OutputFolder, test: Sources) -> None:
        self._output = output
        self.folder = output.claim_pictures("overlays")
        output.remove_old(self.folder)
        self._test = test
        self._scale, self._rule = MapScale.of(detector), RegionRule.of(detector)
        self._bit_depth = Reading.of(detector).bit_depth
        self._threshold = detector.threshold_
        self._written: list[tuple[float, str, str]] = []
        self.without_map = False

    def add(self, path: str, scored: Scored) -> None:
        """Write the picture of one image."""
        if scored.prediction.anomaly_map is None:
            self.without_map = True
            return
        if not self._written:
            make_folder(self._output.path / self.folder)
        name = _name(path, self._test)
        picture = verdict_panel(
            scored.image,
            scored.prediction,
            self._scale,
            rule=self._rule,
            name=name,
            threshold=self._threshold,
            bit_depth=self._bit_depth,
        )
        stem = _stem(name)
        temporary = self._output.claim_new(f"{self.folder}/.{len(self._written)}.png")
        write_png(self._output.path / temporary, picture)
        self._written.append((scored.prediction.score, temporary, stem))

    def rank(self) -> int:
        """Rename: the highest score becomes number 1. Returns how many there are."""
        ordered = sorted(self._written, key=lambda item: item[0], reverse=True)
        width = max(_NUMBER_WIDTH, len(str(len(ordered))))
        for number, (score, temporary, stem) in enumerate(ordered, start=1):
            name = f"{self.folder}/{number:0{width}d}_{score:.3f}_{stem}.png"
            self._output.move(temporary, self._output.claim_new(name))
        return len(ordered)


class _MaskWriter:
    """Writes the masks as they come, each under the name of its image."""

    def __init__(self, output: OutputFolder, test: Sources) -> None:
        self._output, self._test = output, test
        self.folder = output.claim_pictures("masks")
        output.remove_old(self.folder)
        make_folder(output.path / self.folder)

    def add(self, path: str, found: Prediction) -> dict[str, str]:
        """Write the mask of one image; its name by its kind."""
        if found.mask is None:
            return {}
        stem = _stem(_name(path, self._test))
        name = self._output.claim_new(f"{self.folder}/{stem}.png")
        write_png(self._output.path / name, found.mask)
        return {"mask": name}


def _name(path: str, test: Sources) -> str:
    """The path below the folder that was named, or as it is."""
    if isinstance(test, (str, os.PathLike)) and os.path.isdir(test):
        return shown(Path(path).relative_to(test))
    return shown(path)


def _stem(name: str) -> str:
    return file_stem("_".join(Path(name).with_suffix("").parts))


def _write_results(run: DetectionRun, table: Path, results: Path) -> None:
    write_csv(
        table,
        [_FILE, *_COLUMNS],
        [_cells(_plain(d)) for d in run.detections],
    )
    good, rate, pixels = run.good, run.good.rate, run.good.pixel_threshold
    write_json(
        results,
        {
            "threshold": good.threshold if math.isfinite(good.threshold) else None,
            "threshold_source": good.source,
            "false_positive_rate": None if rate is None else rate.to_json(),
            "pixel_threshold": None if pixels is None else pixels.to_json(),
            "n_normal": len(good.names),
            "good_photos": good.to_json(),
            "skipped": run.skipped,
            "left_out": run.left_out.to_json(),
            "notes": run.notes,
            "health": run.health(),
            "detections": [_plain(d) for d in run.detections],
        },
    )


def _plain(one: ImageResult) -> dict[str, Any]:
    """An image for JSON: a file of the folder that was named, here."""
    plain = record_of(one)
    return {_FILE: plain.pop("path"), **plain}


def _cells(plain: dict[str, Any]) -> list[Any]:
    cells = {**plain, "warnings": "; ".join(plain.get("warnings", ()))}
    return [cells.get(name) for name in (_FILE, *_COLUMNS)]
