"""What every detector offers."""

from __future__ import annotations

import copy
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.health import ImageHealth
from pyimgano.images.health_range import HealthRange
from pyimgano.models.depth import check_bits
from pyimgano.models.odd import odd_images
from pyimgano.models.sklearn_api import SklearnApi
from pyimgano.models.state import FittedState
from pyimgano.models.threshold import FalsePositiveRate, held_out_threshold
from pyimgano.models.training_images import training_images
from pyimgano.types import ImageInput, Prediction
from pyimgano.utils.params import ParamsMixin


class Detector(SklearnApi, ParamsMixin, ABC):
    """Base of all detectors.

    Attributes
    ----------
    decision_scores_ : ndarray
        float64 (n,), scores of the training images.
    threshold_ : float
        Images with a score above it are anomalous. A number that is assigned to it is noted as set
        by hand, see :meth:`set_threshold`.
    threshold_source_ : str
        How ``threshold_`` was obtained, and which training image sets it.
    false_positive_rate_ : FalsePositiveRate or None
        What is known of the share of normal images above ``threshold_``; None where it does not
        come from normal images that were held out.
    labels_ : ndarray
        int64 (n,), ``decision_scores_ > threshold_``.
    training_names_ : list of str
        The training images of ``decision_scores_``: their files, ``"image 0"`` for an array; empty
        after loading.
    twins_ : ndarray
        int64 (n,), for each training image the first one that shows the same picture.
    training_set_ : dict
        ``n_images``, a ``sha256`` that does not depend on order and names, and what it is ``of``.
    health_ : HealthRange or None
        Light, contrast, sharpness, colour and size of the training images, which
        ``Prediction.warnings`` compares others with; None where they are not known.
    """

    decision_scores_: NDArray[np.float64]
    skipped_: list[str]
    threshold_source_: str
    false_positive_rate_: FalsePositiveRate | None
    labels_: NDArray[np.int64]
    timings_: dict[str, float]
    training_set_: dict[str, Any]
    health_: HealthRange | None = None
    #: What a detector file says of :attr:`pixel_bits_`.
    _pixel_bits: frozenset[int] = frozenset()
    contamination: float
    training_names_: Sequence[str] = ()
    twins_: NDArray[np.int64]
    #: The fitted feature extractor.
    features_: Any
    _threshold: float
    #: SHA-256 of each training image, for :meth:`has_learnt`.
    _digests: frozenset[bytes] = frozenset()
    #: ``set_params`` takes effect at the next fit: what is stored are the parameters of the last.
    _params_at_fit: dict[str, Any]

    def fit(self, X: Iterable[ImageInput], y: Any = None) -> Self:
        """Learn from normal images.

        If it fails or is interrupted, the detector stays as it was.

        Parameters
        ----------
        X
            Paths or arrays of normal images: a list, a Series, whatever gives one after the other.
        y
            None or zeros.

        Raises
        ------
        ImageReadError
            Names every file that cannot be read.
        InvalidInputError
            A parameter is out of range, or nothing can be learnt from these images.
        InvalidTypeError
            X is no list of images; says what to pass.
        """
        images = training_images(X, y)
        self.check_params()
        fitted = copy.copy(self)
        fitted._fit(images)
        self.__dict__.update(fitted.__dict__)
        return self

    def _fit(self, images: Sequence[ImageInput]) -> None:
        """Learn from normal images, each file once; what it sets is kept only if it ends well.

        A detector has this, or a ``fit`` of its own.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither _fit nor fit")

    @abstractmethod
    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order; memory does not grow with the number of images.

        ``anomaly_map`` is None where the detector has none, or for ``with_maps=False``. An iterator
        is asked for ``batch_size`` images at a time.
        """

    def validate(self) -> None:
        """Check the parameters, and that what they name can be had, without images."""
        self.check_params()

    def decision_function(self, X: Iterable[ImageInput]) -> NDArray[np.float64]:
        """Anomaly scores, float64 (n,), higher is more anomalous."""
        scores = [p.score for p in self.iter_predict(X, with_maps=False)]
        return np.array(scores, dtype=np.float64)

    def predict_one(self, image: ImageInput, *, with_map: bool = True) -> Prediction:
        """What the detector says of one path or array.

        Several threads may share one detector. For an array no file is touched.

        Parameters
        ----------
        image
            A path, or an RGB or grey array (H, W) or (H, W, 3) of uint8 or uint16.
        with_map
            False leaves out the anomaly map.
        """
        (prediction,) = self.iter_predict([image], with_maps=with_map)
        return prediction

    def predict(self, X: Iterable[ImageInput]) -> NDArray[np.int64]:
        """Labels, int64 (n,): 1 where the score is above ``threshold_``, else 0."""
        return (self.decision_function(X) > self.threshold_).astype(np.int64)

    def held_out_map(self, number: int, image: ImageInput) -> NDArray[np.float32] | None:
        """Where a training image differs from all others, float32 (H, W) at its own size.

        None for a detector without maps, and after loading.

        Parameters
        ----------
        number
            Of the image, in :attr:`training_names_`.
        image
            The image itself, which is not kept.
        """
        return None

    def has_learnt(self, image: ImageInput) -> bool:
        """Whether the very same picture is among the training images, whatever its name.

        False where that is not known: after loading a file of an older version.

        Raises
        ------
        ImageReadError
            It cannot be read.
        """
        self._check_fitted()
        return bool(self._digests) and self._digest(image) in self._digests

    def _digest(self, image: ImageInput) -> bytes | None:
        """What :meth:`has_learnt` knows an image by; None for a detector that knows none."""
        return None

    @property
    def threshold_(self) -> float:
        """Images with a score above it are anomalous."""
        if not hasattr(self, "_threshold"):
            raise AttributeError(f"{type(self).__name__} has no threshold_ before it is fitted")
        return self._threshold

    @threshold_.setter
    def threshold_(self, value: float) -> None:
        self.set_threshold(value, source="set by hand")

    @property
    def pixel_bits_(self) -> frozenset[int]:
        """Bits (8, 16) of the training images' pixels; empty where that is not known.

        An image of another depth is refused: its pixels may be on another scale.
        """
        known = frozenset() if self.health_ is None else self.health_.bits
        return known or self._pixel_bits

    @property
    def odd_(self) -> list[int]:
        """Numbers of the training images to look at, the oddest first."""
        self._check_fitted()
        return odd_images(self.decision_scores_, getattr(self, "twins_", None))[0]

    def set_threshold(
        self,
        value: float,
        *,
        source: str,
        false_positive_rate: FalsePositiveRate | None = None,
    ) -> None:
        """Decide by another threshold, and mark the training images by it.

        Parameters
        ----------
        value
            Images with a score above it are anomalous; infinity for none.
        source
            Where it comes from, in words, for ``threshold_source_``.
        false_positive_rate
            What is known of its false-positive rate, for ``false_positive_rate_``.

        Notes
        -----
        ``map_threshold_``, the level of the maps for regions, stays: it is on another scale. An
        image above the threshold has a region all the same, and one that is not has none
        (:class:`pyimgano.postprocess.RegionRule`).
        """
        if not hasattr(self, "decision_scores_"):
            from pyimgano.models.sklearn_errors import NotFittedError

            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit first")
        number = isinstance(value, (int, float, np.integer, np.floating))
        if not number or isinstance(value, bool) or math.isnan(value):
            raise InvalidInputError(f"the threshold must be a number, got {value!r}")
        self._threshold = float(value)
        self.threshold_source_ = source
        self.false_positive_rate_ = false_positive_rate
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(np.int64)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        bank_dtype: str = "float32",
        embed_backbone: bool = False,
    ) -> None:
        """Write the fitted detector to one file, for :func:`pyimgano.load`.

        The file is written whole or not at all and can run no code; ``docs/files.md`` specifies it.

        Parameters
        ----------
        path
            Name of the file, used as it is; an existing file is replaced.
        bank_dtype
            ``"float32"``: scores after loading are the same bit for bit. ``"float16"``: half the
            size; the change in distances is measured and noted in the file.
        embed_backbone
            Put the network into the file, as ONNX, so that it needs no other file and no torch: a
            torchvision backbone is exported (extra ``export``) and compared with the original.
            Otherwise the name and SHA-256 of its file are noted.

        Raises
        ------
        InvalidInputError
            The detector, its extractor or a parameter cannot be stored without pickle.
        OutputError
            The file cannot be written; names it.
        """
        from pyimgano.persistence import save

        self._check_fitted()
        save(self, path, bank_dtype=bank_dtype, embed_backbone=embed_backbone)

    def get_state(self) -> FittedState:
        """What was learnt, as plain numbers.

        Raises
        ------
        InvalidInputError
            It cannot be had without pickle.
        """
        self._check_fitted()
        rate = self.false_positive_rate_
        facts = {
            "threshold": self.threshold_,
            "threshold_source": self.threshold_source_,
            "false_positive_rate": None if rate is None else rate.assumed(),
            "skipped": list(self.skipped_),
            "training_set": dict(self.training_set_),
            "pixel_bits": sorted(self.pixel_bits_),
        }
        params = dict(self._params_at_fit)
        tensors: dict[str, NDArray[Any]] = {"decision_scores": self.decision_scores_}
        if self.health_ is not None:
            tensors["health"] = self.health_.to_array()
        if self._digests:
            known = b"".join(sorted(self._digests))
            tensors["digests"] = np.frombuffer(known, dtype=np.uint8).reshape(-1, 32)
        return FittedState(params, facts, tensors)

    def set_state(self, state: FittedState, features: Any) -> None:
        """Restore what :meth:`get_state` gave, on a detector with the same parameters.

        Parameters
        ----------
        state
            Its numbers.
        features
            The fitted feature extractor.
        """
        self._params_at_fit = self.get_params()
        self.features_ = features
        self.training_set_ = dict(state.facts["training_set"])
        self.skipped_ = list(state.facts["skipped"])
        self.decision_scores_ = state.tensors["decision_scores"]
        self.training_names_ = []
        self.twins_ = np.arange(len(self.decision_scores_))
        self._digests = frozenset(map(bytes, state.tensors.get("digests", ())))
        health = state.tensors.get("health")  # absent from files of older versions
        self.health_ = None if health is None else HealthRange.from_array(health)
        self._pixel_bits = frozenset(state.facts["pixel_bits"])
        self.timings_ = {}
        rate = state.facts["false_positive_rate"]
        self.set_threshold(
            state.facts["threshold"],
            source=state.facts["threshold_source"],
            false_positive_rate=(
                None
                if rate is None
                else FalsePositiveRate(rate["target"], rate["n_images"], rate["fitted"])
            ),
        )

    def _learn_threshold(
        self,
        scores: NDArray[np.float64],
        groups: NDArray[np.int64],
        held: NDArray[np.int64] | None = None,
        *,
        how: str,
        stacklevel: int,
    ) -> None:
        """The threshold from held-out scores of the training images, and who sets it.

        ``held`` are the numbers of the images that count; None: all.
        """
        counted = np.arange(len(scores)) if held is None else held
        self.decision_scores_, self.twins_ = scores, groups
        found = held_out_threshold(
            scores[counted], self.contamination, groups=groups[counted], stacklevel=stacklevel + 1
        )
        n, n_pictures = len(counted), found.rate.n
        source = f"{n} training images, {how}; contamination {self.contamination:g}"
        if n_pictures < n:
            source += (
                f"; {n - n_pictures} of them show the same picture as another and do not count"
            )
        if found.set_by is not None:
            source += f"; set by {self.training_names_[counted[found.set_by]]}"
        self.set_threshold(found.value, source=source, false_positive_rate=found.rate)

    def _prediction(
        self,
        path: str | None,
        score: float,
        anomaly_map: NDArray[np.float32] | None,
        health: ImageHealth | None,
    ) -> Prediction:
        """The decision on one image, and what its health says beside it."""
        check_bits(path, health, self.pixel_bits_)
        told: tuple[str, ...] = ()
        if health is not None and self.health_ is not None:
            told = self.health_.warnings(health)
        return Prediction(path, score, int(score > self.threshold_), anomaly_map, told)

    def _check_fitted(self) -> None:
        if not hasattr(self, "threshold_"):
            from pyimgano.models.sklearn_errors import NotFittedError

            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit first")


class PixelDetector(Detector):
    """A detector that also says where."""

    def predict_anomaly_map(self, X: Iterable[ImageInput]) -> list[NDArray[np.float32]]:
        """Anomaly maps, float32 (H, W) each at its image's own size."""
        return [_map_of(p) for p in self.iter_predict(X)]

    def get_anomaly_map(self, image: ImageInput) -> NDArray[np.float32]:
        """Anomaly map of one image, float32 (H, W) at its own size."""
        return self.predict_anomaly_map([image])[0]


def _map_of(prediction: Prediction) -> NDArray[np.float32]:
    if prediction.anomaly_map is None:
        raise InvalidInputError("this detector gives no anomaly map")
    return prediction.anomaly_map
