"""The half of a patch detector that says of further images how anomalous they are, and where."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from pyimgano.errors import ImageReadError, InvalidInputError, InvalidTypeError
from pyimgano.images.preprocess import LoadedImage, each_image
from pyimgano.models.batches import in_batches
from pyimgano.models.held_out import HeldOutThresholds
from pyimgano.models.training_reader import inside, seen_from
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.types import ImageInput, Prediction
from pyimgano.utils.timing import StageTimer
from pyimgano.utils.workers import in_order, runs_here


class PatchPredictions(HeldOutThresholds):
    """Predicts batch by batch, in this process or in workers."""

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order, in one backbone pass.

        ``anomaly_map`` is float32 (H, W) at the image's own size, None with ``with_maps=False``. An
        unreadable file is an ImageReadError after everything before it was yielded.
        """
        self._check_fitted()
        if runs_here(self.n_jobs):
            yield from self._predicted(each_image(X), with_maps)
            return
        images, timer = each_image(X), StageTimer(self.timings_)
        batches = iter(lambda: list(islice(images, self._images_at_once())), [])
        work = PredictedBatch.of(self, with_maps)
        for found, error, seconds in in_order(work, batches, self.n_jobs, what="predict"):
            timer.add(seconds)
            yield from found
            if error is not None:
                raise error

    def _predicted(self, images: Iterable[ImageInput], with_maps: bool) -> Iterator[Prediction]:
        timer, scorer = StageTimer(self.timings_), CheckedScorer(self.scorer_)

        def run(batch: Sequence[ImageInput]) -> Iterable[tuple[LoadedImage, PatchScores]]:
            with timer.stage("decode"):
                loaded = [self._preprocessor.load(image) for image in batch]
            grids = self._extract(loaded, timer)
            with timer.stage("score"):
                pairs = zip(grids, loaded, strict=True)
                scores = scorer.score([inside(self.region_, a, b.geometry) for a, b in pairs])
            return zip(loaded, scores, strict=True)

        for loaded, found in in_batches(images, self._images_at_once(), run):
            score, anomaly_map = found.image, None
            if with_maps or self._scores_maps():
                with timer.stage("map"):
                    at_input = self._mapper.at_input(found.distances, loaded.geometry.size)
                    score = self._score(found, self._counted(at_input, loaded.geometry))
                    if with_maps:
                        anomaly_map = self._at_source(at_input, loaded.geometry)
            yield self._prediction(loaded.path, score, anomaly_map, loaded.health, found.nearest)


@dataclass(frozen=True)
class PredictedBatch:
    """What a fitted detector says of a batch, up to an image that cannot be used, with seconds."""

    detector: PatchPredictions
    with_maps: bool
    #: Where relative paths begin: workers may stand elsewhere.
    folder: str = field(default_factory=os.getcwd)

    @classmethod
    def of(cls, detector: PatchPredictions, with_maps: bool) -> PredictedBatch:
        """Without what only the training images' own pictures need."""
        sent = copy.copy(detector)
        sent._held_out = ()
        return cls(sent, with_maps)

    def __call__(
        self, images: Sequence[Any]
    ) -> tuple[list[Prediction], Exception | None, dict[str, float]]:
        """Predictions, the error at which they end, and seconds by stage."""
        detector = copy.copy(self.detector)  # threads may share it
        detector.timings_ = {}
        found: list[Prediction] = []
        error: Exception | None = None
        try:
            seen = (seen_from(self.folder, image) for image in images)
            for given, one in zip(images, detector._predicted(seen, self.with_maps), strict=False):
                path = None if isinstance(given, np.ndarray) else os.fspath(given)
                found.append(replace(one, path=path))
        except (ImageReadError, InvalidInputError, InvalidTypeError) as refused:
            error = refused
        return found, error, detector.timings_
