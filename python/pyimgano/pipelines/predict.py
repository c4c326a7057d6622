"""Score images with a fitted detector and write down what is found, image by image."""

import os
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.images.health_range import HealthTally
from pyimgano.images.left_out import LeftOut
from pyimgano.models.base import Detector, PixelDetector
from pyimgano.models.pixel_threshold import PixelThreshold
from pyimgano.models.reading import Reading
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.postprocess import AnomalyMapPostprocess, RegionRule
from pyimgano.reporting.files import file_stem, make_folder, write_bytes, write_json
from pyimgano.reporting.image_page import DEFAULT_IMAGES, DETECTED, ImagePage
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.map_files import encoded_map
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.panel import verdict_panel
from pyimgano.reporting.pictures import write_png
from pyimgano.reporting.records import Record, RecordFiles, record_of
from pyimgano.types import Unreadable
from pyimgano.utils.text import counted, shown

NO_PIXEL_THRESHOLD = (
    "masks need a pixel threshold, and this detector has none: false_pixels (--false-pixels P) or"
    " false_regions (--false-regions P) makes fit or calibrate find one"
)
#: Digits of the running number in file names.
_NUMBER_WIDTH = 7


@dataclass
class PredictSummary:
    """What a run has done so far.

    Attributes
    ----------
    n_scored, n_anomalous, n_failed
        Images with a score, those with a defect, and files, folders or patterns without a result.
    seconds
        Wall time.
    left_out, health
        Files and folders that are no input, counted by whoever finds the images; how many of the
        scored images are unlike the good photos, and in what.
    postprocess, pixel_threshold
        What the detector's maps go through before regions and pictures are made of them, and the
        level that masks are made by.
    """

    n_scored: int = 0
    n_anomalous: int = 0
    n_failed: int = 0
    seconds: float = 0.0
    left_out: LeftOut = field(default_factory=LeftOut)
    health: HealthTally = field(default_factory=HealthTally)
    postprocess: AnomalyMapPostprocess | None = None
    pixel_threshold: PixelThreshold | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        pixels = self.pixel_threshold
        further: dict[str, Any] = {
            "left_out": self.left_out.to_json(),
            "health": self.health.lines(),
            "postprocess": None if self.postprocess is None else self.postprocess.to_json(),
            "pixel_threshold": None if pixels is None else pixels.to_json(),
        }
        return {**vars(self), **further}

    def describe(self) -> str:
        """One line for people."""
        rate = f", {self.n_scored / self.seconds:.1f} images/s" if self.seconds else ""
        failed = f", {self.n_failed} not scored" if self.n_failed else ""
        defects = f"{self.n_anomalous} with a defect"
        return f"{counted(self.n_scored, 'image')} scored, {defects}{failed}{rate}"


class PredictRun:
    """A run over a stream of images.

    Parameters
    ----------
    detector
        Fitted.
    output
        Folder for ``results.jsonl``, ``results.csv``, ``summary.json`` (once all is done) and what
        else is asked for; None: nothing is written.
    maps
        Write each raw anomaly map as ``maps/<number>_<name>.tiff``, one channel of float32 at the
        image's own size.
    overlays
        Write a picture of image and map as ``overlays/<number>_<name>.png``.
    masks
        Write what exceeds the pixel threshold as ``masks/<number>_<name>.png``: one channel, 255
        there and 0 elsewhere, at the image's own size.
    regions
        Say where the defects are: at least one region for an image with a defect, none for others.
    batch_size
        Images scored in one pass, at most the detector's own ``batch_size``.
    left_out
        What :func:`~pyimgano.images.sources.stream_images` counts, for the summary.
    report, report_images, report_order
        HTML page of so many images, those with the highest scores (``"worst"``) or the ``"last"``
        ones; written when the run ends, however it does. None: no page.

    Raises
    ------
    InvalidInputError
        The detector has no maps, or no pixel threshold for masks; maps, overlays or masks without
        an output folder.
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
        masks: bool = False,
        regions: bool = False,
        batch_size: int = 1,
        left_out: LeftOut | None = None,
        report: str | os.PathLike[str] | None = None,
        report_images: int = DEFAULT_IMAGES,
        report_order: str = "worst",
    ) -> None:
        self._rule, self._with_regions = RegionRule.of(detector), regions
        self.summary = PredictSummary(
            left_out=LeftOut() if left_out is None else left_out,
            postprocess=self._rule.postprocess,
            pixel_threshold=detector.pixel_threshold_,
        )
        self._detector = detector
        self._with_maps = maps or overlays or masks or regions
        self._batch_size = batch_size
        if batch_size < 1:
            raise InvalidInputError(f"batch_size must be 1 or more, got {batch_size}")
        if self._with_maps and not isinstance(detector, PixelDetector):
            raise InvalidInputError(
                f"{type(detector).__name__} gives scores only: it has no maps, overlays, masks or"
                " regions"
            )
        if (maps or overlays or masks) and output is None:
            raise InvalidInputError("maps, overlays and masks need an output folder")
        if masks and detector.pixel_threshold_ is None:
            raise InvalidInputError(NO_PIXEL_THRESHOLD)
        self._folder = None if output is None else make_folder(output)
        self._wanted = {"maps": maps, "overlays": overlays, "masks": masks}
        self._places: dict[str, str] = {}
        self._scale = MapScale.of(detector)
        self._page = None
        if report is not None:
            self._page = ImagePage(
                report, detector, DETECTED, most=report_images, order=report_order
            )

    def records(self, paths: Iterable[str | Unreadable]) -> Generator[Record, None, None]:
        """One record per path, in order, each written to the output folder before it is yielded.

        Paths are as :func:`~pyimgano.images.sources.stream_images` gives them. An OutputError tells
        that another run is writing to the output folder, that it holds a file that would be
        replaced and is no result of an earlier run, or that it cannot be written to.
        """
        if self._folder is None:
            yield from self._scored(paths, None, None)
            return
        with OutputFolder(self._folder, "predict") as output:
            summary = output.claim("summary.json")
            files = RecordFiles(output.claim("results.jsonl"), output.claim("results.csv"))
            for kind, wanted in self._wanted.items():
                if wanted:
                    self._places[kind] = output.claim_pictures(kind)
                    make_folder(output.path / self._places[kind])
            output.remove_old(*self._places.values())
            summary.unlink(missing_ok=True)
            with files, closing(self._scored(paths, output, files)) as scored:
                yield from scored
            write_json(summary, self.summary.to_json())

    def _scored(
        self,
        paths: Iterable[str | Unreadable],
        output: OutputFolder | None,
        files: RecordFiles | None,
    ) -> Generator[Record, None, None]:
        start = time.perf_counter()
        outcomes = predict_stream(
            self._detector,
            paths,
            with_maps=self._with_maps or self._page is not None,
            batch_size=self._batch_size,
        )
        try:
            for number, outcome in enumerate(outcomes, start=1):
                record = self._record(outcome, number, output)
                if files is not None:
                    files.add(record)
                self._count(record)
                self.summary.seconds = time.perf_counter() - start
                yield record
        finally:
            outcomes.close()
            if self._page is not None:
                self._page.write([self.summary.describe(), *self.summary.health.lines()])

    def _record(
        self, outcome: Scored | Unreadable, number: int, output: OutputFolder | None
    ) -> Record:
        if isinstance(outcome, Unreadable):
            if self._page is not None:
                self._page.add_error(outcome.path, outcome.reason)
            return record_of(ImageResult.of(outcome.path, outcome))
        found = outcome.prediction
        if self._with_maps and found.anomaly_map is None:
            raise InvalidInputError(f"{type(self._detector).__name__} gives no anomaly maps")
        if self._page is not None:
            self._page.add(outcome.image, found)
        result = ImageResult.of(
            found.path or "",
            found,
            threshold=self._detector.threshold_,
            ms=outcome.ms,
            health=found.health,
            regions=self._rule.regions(found) if self._with_regions else None,
            pictures={} if output is None else self._write_files(outcome, number, output),
        )
        return record_of(result)

    def _write_files(self, scored: Scored, number: int, output: OutputFolder) -> dict[str, str]:
        found, written = scored.prediction, {}
        name = f"{number:0{_NUMBER_WIDTH}d}_{file_stem(shown(Path(found.path or '').stem))}"
        if self._wanted["maps"] and found.anomaly_map is not None:
            written["map"] = output.claim_new(f"{self._places['maps']}/{name}.tiff")
            write_bytes(output.path / written["map"], encoded_map(found.anomaly_map, "tiff"))
        if self._wanted["masks"] and found.mask is not None:
            written["mask"] = output.claim_new(f"{self._places['masks']}/{name}.png")
            write_png(output.path / written["mask"], found.mask)
        if self._wanted["overlays"]:
            picture = verdict_panel(
                scored.image,
                found,
                self._scale,
                rule=self._rule,
                name=shown(found.path or ""),
                threshold=self._detector.threshold_,
                bit_depth=Reading.of(self._detector).bit_depth,
            )
            written["overlay"] = output.claim_new(f"{self._places['overlays']}/{name}.png")
            write_png(output.path / written["overlay"], picture)
        return written

    def _count(self, record: Record) -> None:
        if "error" in record:
            self.summary.n_failed += 1
        else:
            self.summary.n_scored += 1
            self.summary.n_anomalous += record["predicted"]
            self.summary.health.add(record["warnings"])
