"""Classical outlier detectors on image features: one adapter over PyOD."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.images.health import ImageHealth, measure_health
from pyimgano.images.preprocess import each_image
from pyimgano.images.twins import Look, digest, fingerprint, group_twins
from pyimgano.models.base import Detector
from pyimgano.models.batches import in_batches
from pyimgano.models.collect import Collected, readable_images
from pyimgano.models.opened import extract_and_measure, try_to_measure
from pyimgano.models.parameters import COMMON, Parameters
from pyimgano.models.pyod_catalogue import DETECTORS
from pyimgano.models.pyod_estimator import RowDetector, check_can_tell, find_class, find_detector
from pyimgano.types import ImageInput, Prediction
from pyimgano.utils.parameters import Choice, Count, Flag, Opaque, Text
from pyimgano.utils.params import OpenParamsMixin, cloned
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer

if TYPE_CHECKING:
    from pyimgano.features.patches.pooled import ImageFeatures

_FOLDS = 5
T = TypeVar("T")


class ClassicalDetector(OpenParamsMixin, Detector):
    """A PyOD detector on one feature vector per image.

    Parameters
    ----------
    detector
        Short name of PyOD's detector, such as ``"ecod"``.
    contamination
        Share of normal images that may exceed ``threshold_``. PyOD's own parameter of that name
        is left alone: it only moves PyOD's threshold, which is not used.
    feature_extractor
        Any object with ``extract(images) -> float32 (n, d)``, and ``fit(images)`` if it learns
        (``fit(images, random_state=...)`` gets the detector's); ``images`` are paths or arrays as
        given; benchmarks and ``pyimgano predict`` decode files themselves and give arrays. One that
        learns is copied as ``sklearn.base.clone`` does before each fit: yours stays as it is, the
        fitted one is ``features_``. None:
        :class:`~pyimgano.features.patches.pooled.PooledNetwork`.
    standardize
        Bring each feature to mean 0 and standard deviation 1 on the training images.
    max_dims
        Project the features to at most this many principal axes; None: no projection, except to a
        fifth of the number of images for MCD and GMM, which estimate a covariance.
    batch_size
        Images per call of ``extract``.
    random_state, on_bad_image, verbose
        As in :class:`~pyimgano.models.PatchDetector`.
    **params
        Parameters of the PyOD detector.

    Attributes
    ----------
    decision_scores_ : ndarray
        float64 (n,): scores of the training images, held out where that was possible, which
        ``threshold_source_`` says.
    skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    kind: ClassVar[str] = "classical"
    PARAMETERS: ClassVar[Parameters] = {
        **COMMON,
        "detector": Text(option=False, help="PyOD's detector", stored=Choice(*DETECTORS)),
        "feature_extractor": Opaque(
            "an object with a method extract(images) -> float32 (n, d)",
            lambda value: callable(getattr(value, "extract", None)),
            none=True,
            option=False,
            help="what turns images into rows of features",
            stored=False,  # as the features are
        ),
        "standardize": Flag(
            help="bring each feature to mean 0 and standard deviation 1 on the good images"
        ),
        "max_dims": Count(
            none=True,
            metavar="N",
            help="project the features to at most this many principal axes",
            stored=Count(1, 2**20, none=True),
        ),
    }

    def __init__(
        self,
        detector: str = "ecod",
        *,
        contamination: float = 0.1,
        feature_extractor: ImageFeatures | None = None,
        random_state: int = 0,
        standardize: bool = True,
        max_dims: int | None = None,
        batch_size: int = 16,
        on_bad_image: str = "raise",
        verbose: bool = False,
        **params: Any,
    ) -> None:
        self.detector = detector
        self.contamination = contamination
        self.feature_extractor = feature_extractor
        self.random_state = random_state
        self.standardize = standardize
        self.max_dims = max_dims
        self.batch_size = batch_size
        self.on_bad_image = on_bad_image
        self.verbose = verbose
        self.params = params

    def _check_further(self, names: Iterable[str]) -> None:
        find_class(find_detector(self.detector), names)

    def _fit(self, images: Sequence[ImageInput]) -> None:
        """Extract features, fit the detector on them, and hold images out for the threshold."""
        find_class(find_detector(self.detector), self.params)
        timer = StageTimer()
        collected, rows = self._read_training(images, timer)
        with timer.stage("detector"):
            model = self._row_detector(len(rows)).fit(rows)
        self._model, self._rows = model, rows
        self._remember(images, collected)
        self.training_set_ = fingerprint(map(digest, rows), "feature vectors, float32")
        with timer.stage("threshold"):
            self._fit_threshold(rows, collected)
            check_can_tell(model, rows, self.threshold_)
        self.timings_ = timer.seconds

    def validate(self) -> None:
        """Check the parameters and that PyOD is there, without images."""
        super().validate()
        find_class(find_detector(self.detector), self.params)

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order; these detectors have no maps.

        An unreadable file is an ImageReadError after everything before it was yielded.
        """
        self._check_fitted()
        timer = StageTimer(self.timings_)

        def score(
            batch: Sequence[ImageInput],
        ) -> Iterator[tuple[ImageInput, float, ImageHealth | None]]:
            rows, healths = self._extract(batch, timer, measure_health)
            with timer.stage("detector"):
                scores: list[float] = self._model.score(rows).tolist()
            return zip(batch, scores, healths, strict=True)

        for image, value, health in in_batches(each_image(X), self.batch_size, score):
            path = None if isinstance(image, np.ndarray) else str(image)
            yield self._prediction(path, value, None, health)

    def _digest(self, image: ImageInput) -> bytes | None:
        found = try_to_measure(image, Look.of)
        return None if found is None else found.digest

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """The training images' features: the detector is fitted anew when it is restored."""
        return {"rows": self._rows, "train_scores": self._model.train_scores}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A detector that was fitted on the same features.

        An InvalidInputError tells that it does not give the training scores of the old one.
        """
        found = cls(**parameters)
        found.validate()
        rows, expected = state["rows"], state["train_scores"]
        model = found._row_detector(len(rows)).fit(rows)
        if not np.allclose(model.train_scores, expected, rtol=1e-6, atol=1e-9):
            raise InvalidInputError(
                f"PyOD's {found.detector} fitted on the stored features does not give the stored"
                " scores: the installed PyOD or scikit-learn behaves differently"
            )
        found._model, found._rows = model, rows
        return found

    def _row_detector(self, n: int) -> RowDetector:
        """A new detector for n training images; the same for n less those of a fold."""
        return RowDetector(
            self.detector,
            self.params,
            n_rows=max(1, n - math.ceil(n / _FOLDS)),
            max_dims=self.max_dims,
            standardize=self.standardize,
            random_state=self.random_state,
        )

    def _read_training(
        self, images: Sequence[ImageInput], timer: StageTimer
    ) -> tuple[Collected, NDArray[np.float32]]:
        """What is known of the images used, and their features."""
        everything = Collected(kept=list(range(len(images))))
        try:
            return everything, self._learn(images, everything, timer)
        except ImageReadError as error:
            readable = readable_images(images)
            if not readable.errors:  # the extractor reads in a way of its own
                raise
            readable.check(len(images), skip_bad=self.on_bad_image == "skip", cause=error)
        used = Collected(kept=readable.kept, errors=readable.errors)
        return used, self._learn([images[i] for i in used.kept], used, timer)

    def _learn(
        self, images: Sequence[ImageInput], collected: Collected, timer: StageTimer
    ) -> NDArray[np.float32]:
        """Features of images; notes what is known of these beside."""
        with timer.stage("features"):
            self.features_ = self._fit_extractor(images)
        parts = []
        with track(len(images), "reading training images", self.verbose) as advance:
            for start in range(0, len(images), self.batch_size):
                batch = images[start : start + self.batch_size]
                part, found = self._extract(batch, timer, Look.of)
                parts.append(part)
                for look in filter(None, found):
                    collected.see(look)
                advance(len(batch))
        return np.concatenate(parts)

    def _fit_extractor(self, images: Sequence[ImageInput]) -> Any:
        """An extractor that has learnt: the user's own object is never changed, nor shared."""
        if self.feature_extractor is None:
            from pyimgano.features.patches.pooled import PooledNetwork

            return PooledNetwork().fit(images)
        if not callable(getattr(self.feature_extractor, "fit", None)):
            return self.feature_extractor
        extractor: Any = cloned("feature_extractor", self.feature_extractor)
        seeded = "random_state" in inspect.signature(extractor.fit).parameters
        extractor.fit(images, **({"random_state": self.random_state} if seeded else {}))
        return extractor

    def _extract(
        self,
        batch: Sequence[ImageInput],
        timer: StageTimer,
        measure: Callable[[NDArray[Any]], T],
    ) -> tuple[NDArray[np.float32], list[T | None]]:
        with timer.stage("features"):
            rows, found = extract_and_measure(batch, self.features_, measure)
        name = type(self.features_).__name__
        if rows.ndim != 2 or len(rows) != len(batch) or rows.shape[1] == 0:
            raise InvalidInputError(
                f"{name}.extract gave shape {rows.shape} for {len(batch)} images, expected"
                f" ({len(batch)}, d)"
            )
        if not np.isfinite(rows).all():
            raise InvalidInputError(f"{name}.extract gave features that are not finite")
        return rows, found

    def _fit_threshold(self, rows: NDArray[np.float32], collected: Collected) -> None:
        # An extractor of the user's may read images that nothing else here can.
        known = len(collected.thumbnails) == len(rows)
        thumbnails = np.array(collected.thumbnails) if known else None
        groups = group_twins([digest(row) for row in rows], thumbnails)
        folds = min(_FOLDS, len(np.unique(groups)))
        try:
            scores = self._held_out(rows, groups, folds)
        except InvalidInputError as error:
            why = f", too few to hold any out: {error}"
            seen = self._model.train_scores
            self._learn_seen_threshold(seen, groups, who="the detector", why=why)
            return
        self._learn_threshold(scores, groups, how=f"held out in {folds} refits of the detector")

    def _held_out(
        self, rows: NDArray[np.float32], groups: NDArray[np.int64], folds: int
    ) -> NDArray[np.float64]:
        """Scores by detectors that saw neither an image nor another one of the same picture."""
        if folds < 2:
            return self._model.train_scores
        scores = np.empty(len(rows))
        order = np.random.default_rng(self.random_state).permutation(np.unique(groups))
        for part in np.array_split(order, folds):
            held = np.isin(groups, part)
            model = self._row_detector(len(rows)).fit(rows[~held])
            scores[held] = model.score(rows[held])
        return scores
