"""What a detector has learnt of its training images, and how it decides."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError, ThresholdWarning
from pyimgano.images.health import ImageHealth
from pyimgano.images.health_range import HealthRange
from pyimgano.models.collect import Collected
from pyimgano.models.threshold import FalsePositiveRate, held_out_threshold
from pyimgano.models.training_images import files_of, names_of, packed, unpacked
from pyimgano.scorers.base import PatchScorer
from pyimgano.types import ImageInput, Prediction
from pyimgano.utils.foreign import asked
from pyimgano.utils.params import ParamsMixin
from pyimgano.utils.text import shown


def check_bits(path: str | None, health: ImageHealth | None, known: frozenset[int]) -> None:
    """Refuse an image of another depth than was learnt: its values may be on another scale."""
    if health is None or health.bits is None or not known or health.bits in known:
        return
    what = (
        f"has {health.bits}-bit pixels, and the detector learnt from {min(known)}-bit images:"
        " fit it on images of this kind"
    )
    if path is None:
        raise InvalidInputError(f"the image {what}")
    raise ImageReadError(f"image {shown(path)} {what}")


@dataclass(frozen=True)
class FittedState:
    """What a detector has learnt, beside its feature extractor."""

    params: dict[str, Any]  #: Constructor's arguments at the time of the fit.
    facts: dict[str, Any]  #: Numbers, texts and lists of texts.
    tensors: dict[str, NDArray[Any]]  #: Arrays.
    scorer: PatchScorer | None = None  #: The fitted scorer of a detector that has one.
    #: Arrays that the detector's class gives by ``to_state`` and takes by ``from_state``.
    learnt: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Fitted(ParamsMixin):
    """The fitted part of every detector: thresholds, training images, and their state in files."""

    decision_scores_: NDArray[np.float64]
    skipped_: Sequence[str] = ()
    threshold_source_: str
    false_positive_rate_: FalsePositiveRate | None
    labels_: NDArray[np.int64]
    timings_: dict[str, float]
    training_set_: dict[str, Any] | None = None
    health_: HealthRange | None = None
    #: What a detector file says of :attr:`pixel_bits_`.
    _pixel_bits: frozenset[int] = frozenset()
    contamination: float
    training_names_: Sequence[str] = ()
    #: Paths of the training images; an empty text for an array, none where they are not known.
    training_files_: Sequence[str] = ()
    twins_: NDArray[np.int64]
    #: The fitted feature extractor.
    features_: Any
    _threshold: float
    #: SHA-256 of each training image, for :meth:`has_learnt`.
    _digests: frozenset[bytes] = frozenset()
    #: ``set_params`` takes effect at the next fit: what is stored are the parameters of the last.
    _params_at_fit: dict[str, Any]
    #: What files call the class; none: they hold no detectors of it.
    kind: ClassVar[str] = ""

    def has_learnt(self, image: ImageInput) -> bool:
        """Whether the very same picture is among the training images, whatever its name.

        False where that is not known: after loading a file of an older version. A file that cannot
        be read is an ImageReadError.
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
        source, false_positive_rate
            Where it comes from, in words, and what is known of its false-positive rate.

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

    def get_state(self) -> FittedState:
        """What was learnt, as plain numbers; an InvalidInputError if it cannot be had without
        pickle.
        """
        self._check_fitted()
        rate = self.false_positive_rate_
        facts = {
            "threshold": self.threshold_,
            "threshold_source": self.threshold_source_,
            "false_positive_rate": None if rate is None else rate.assumed(),
            "skipped": list(self.skipped_),
            "training_set": self.training_set_,
            "pixel_bits": sorted(self.pixel_bits_),
        }
        params = dict(getattr(self, "_params_at_fit", self.get_params()))
        tensors: dict[str, NDArray[Any]] = {"decision_scores": self.decision_scores_}
        if self.health_ is not None:
            tensors["health"] = self.health_.to_array()
        if self._digests:
            known = b"".join(sorted(self._digests))
            tensors["digests"] = np.frombuffer(known, dtype=np.uint8).reshape(-1, 32)
        if getattr(getattr(self, "scorer_", None), "origins_", None) is not None:
            tensors.update(packed(self.training_files_))
        learnt = asked(f"{type(self).__name__}.to_state", self.to_state)
        return FittedState(params, facts, tensors, learnt=learnt)

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """What the class itself has learnt, see :class:`~pyimgano.extend.Storable`.

        Thresholds, scores and all else that every detector has are no part of it.

        Raises
        ------
        InvalidInputError
            No file can hold such a detector.
        """
        raise InvalidInputError(
            f"{type(self).__name__} does not say what a file is to hold of it: that takes kind,"
            " to_state and from_state"
        )

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A detector that has learnt what :meth:`to_state` gave.

        Raises
        ------
        InvalidInputError
            It cannot have.
        """
        if state:
            raise InvalidInputError(f"{cls.__name__} has no from_state for {min(state)!r}")
        return cls(**parameters)

    def set_state(self, state: FittedState, features: Any) -> None:
        """Restore what :meth:`get_state` gave, and the extractor, on a detector of the same
        parameters.
        """
        self._params_at_fit = self.get_params()
        self.features_ = features
        self.training_set_ = state.facts["training_set"]
        self.skipped_ = list(state.facts["skipped"])
        self.decision_scores_ = state.tensors["decision_scores"]
        self.training_names_ = []
        self.twins_ = np.arange(len(self.decision_scores_))
        self._digests = frozenset(map(bytes, state.tensors.get("digests", ())))
        self.training_files_ = unpacked(state.tensors)
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

    def _remember(self, images: Sequence[ImageInput], collected: Collected) -> None:
        """Note which of the images were used, and what they look like."""
        self.skipped_ = sorted(str(images[i]) for i in collected.errors)
        self.training_names_ = names_of(images[i] for i in collected.kept)
        self.training_files_ = files_of(images[i] for i in collected.kept)
        self.health_ = HealthRange.of(collected.health) if collected.health else None
        self._digests = frozenset(collected.digests)

    def _learn_threshold(
        self,
        scores: NDArray[np.float64],
        groups: NDArray[np.int64],
        held: NDArray[np.int64] | None = None,
        *,
        how: str,
    ) -> None:
        """The threshold from held-out scores of the training images, and who sets it.

        ``held`` are the numbers of the images that count; None: all. It is called by what ``_fit``
        calls: its warnings point at the call of ``fit``.
        """
        counted = np.arange(len(scores)) if held is None else held
        self.decision_scores_, self.twins_ = scores, groups
        found = held_out_threshold(
            scores[counted], self.contamination, groups=groups[counted], stacklevel=6
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

    def _learn_seen_threshold(
        self, scores: NDArray[np.float64], groups: NDArray[np.int64], *, who: str, why: str = ""
    ) -> None:
        """The same from scores of training images that could not be held out, with a warning.

        ``who`` had seen them; ``why`` they could not.
        """
        warnings.warn(
            f"threshold_ comes from training images that {who} had seen{why}",
            ThresholdWarning,
            stacklevel=5,
        )
        self.decision_scores_, self.twins_ = scores, groups
        found = held_out_threshold(scores, self.contamination, groups=groups, stacklevel=6)
        source = f"{len(scores)} training images, which {who} had seen"
        self.set_threshold(found.value, source=f"{source}; contamination {self.contamination:g}")

    def _prediction(
        self,
        path: str | None,
        score: float,
        anomaly_map: NDArray[np.float32] | None,
        health: ImageHealth | None,
        nearest: NDArray[np.int32] | None = None,
    ) -> Prediction:
        """The decision on one image, and what its health says beside it."""
        check_bits(path, health, self.pixel_bits_)
        told: tuple[str, ...] = ()
        if health is not None and self.health_ is not None:
            told = self.health_.warnings(health)
        measured = None if health is None else health.light()
        label, mask = int(score > self.threshold_), self._mask(anomaly_map)
        return Prediction(path, score, label, anomaly_map, told, nearest, mask, measured)

    def _mask(self, anomaly_map: NDArray[np.float32] | None) -> NDArray[np.uint8] | None:
        """Where a map exceeds the pixel threshold; None where there is none of the two."""
        return None

    def _check_fitted(self) -> None:
        if not hasattr(self, "threshold_"):
            from pyimgano.models.sklearn_errors import NotFittedError

            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit first")
