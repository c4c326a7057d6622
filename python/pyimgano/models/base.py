"""What every detector offers."""

import copy
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError, ThresholdWarning
from pyimgano.models.fitted import FittedState
from pyimgano.models.good_patch import GoodPatch
from pyimgano.models.notebook import InNotebooks
from pyimgano.models.pixel_threshold import PixelThreshold
from pyimgano.models.sklearn_api import SklearnApi
from pyimgano.models.training_images import training_images
from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess
from pyimgano.scorers.base import PatchScorer
from pyimgano.types import ImageInput, Prediction

#: What a detector with maps may know of them.
_LEVELS = ("map_threshold", "map_level")


class Detector(InNotebooks, SklearnApi, ABC):
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
    training_set_ : dict or None
        ``n_images``, a ``sha256`` that does not depend on order and names, and what it is ``of``.
    health_ : HealthRange or None
        Light, contrast, sharpness, colour and size of the training images, which
        ``Prediction.warnings`` compares others with; None where they are not known.
    pixel_threshold_ : PixelThreshold or None
        What ``Prediction.mask`` is made by; None: there are no masks.
    """

    pixel_threshold_: PixelThreshold | None = None

    def fit(self, X: Iterable[ImageInput], y: Any = None) -> Self:
        """Learn from normal images; if that fails or is interrupted, the detector stays as it was.

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
        InvalidInputError, InvalidTypeError
            A parameter is out of range, nothing can be learnt from these images, or X is no list of
            images; says what to pass.
        """
        images = training_images(X, y)
        self.check_params()
        fitted = copy.copy(self)
        fitted.pixel_threshold_ = None
        fitted._fit(images)
        fitted._params_at_fit = self.get_params()
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

    def build_scorer(self) -> PatchScorer | None:
        """A scorer by the parameters that has learnt nothing; None for a detector without one."""
        return None

    def decision_function(self, X: Iterable[ImageInput]) -> NDArray[np.float64]:
        """Anomaly scores, float64 (n,), higher is more anomalous."""
        scores = [p.score for p in self.iter_predict(X, with_maps=False)]
        return np.array(scores, dtype=np.float64)

    def predict_one(self, image: ImageInput, *, with_map: bool = True) -> Prediction:
        """What the detector says of one path, or array as in :data:`~pyimgano.types.ImageInput`.

        Several threads may share one detector. For an array no file is touched. The map is left out
        with ``with_map=False``.
        """
        (prediction,) = self.iter_predict([image], with_maps=with_map)
        return prediction

    def predict(self, X: Iterable[ImageInput]) -> NDArray[np.int64]:
        """Labels, int64 (n,): 1 where the score is above ``threshold_``, else 0."""
        return (self.decision_function(X) > self.threshold_).astype(np.int64)

    def held_out_map(self, number: int, image: ImageInput) -> NDArray[np.float32] | None:
        """Where a training image differs from all others, float32 (H, W) at its own size.

        It is that of a number in :attr:`training_names_`; the image itself is not kept. None for a
        detector without maps, and after loading.
        """
        return None

    def held_out(self, number: int, image: ImageInput) -> Prediction:
        """What is said of a training image by what was learnt from all others.

        With the map of :meth:`held_out_map`, and without warnings.
        """
        score = float(self.decision_scores_[number])
        path = None if isinstance(image, np.ndarray) else os.fspath(image)
        found = self.held_out_map(number, image)
        return Prediction(path, score, int(score > self.threshold_), found)

    def nearest_good(self, prediction: Prediction, x: int, y: int) -> GoodPatch | None:
        """Which patch of which training image a place of an image was compared with.

        The training image is read again, from where it was when the detector learnt from it.

        Parameters
        ----------
        prediction
            Of that image, with its map.
        x, y
            The place, in pixels of the image.

        Returns
        -------
        GoodPatch or None
            None for a detector that does not compare with single patches, or that was loaded from
            a file of an older version.
        """
        return None

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        bank_dtype: str = "float32",
        embed_backbone: bool = False,
        training_paths: bool = True,
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
        training_paths
            Keep where the training images are, so that :meth:`nearest_good` of the loaded detector
            finds them.

        Raises
        ------
        InvalidInputError
            The detector, its extractor or a parameter cannot be stored without pickle.
        OutputError
            The file cannot be written; names it.
        """
        from pyimgano.persistence import save

        self._check_fitted()
        save(
            self,
            path,
            bank_dtype=bank_dtype,
            embed_backbone=embed_backbone,
            training_paths=training_paths,
        )


class PixelDetector(Detector):
    """A detector that also says where.

    Attributes
    ----------
    map_threshold_ : float
        Like ``threshold_``, for the highest value of a map; missing where none is known.
    map_level_ : float
        The level of maps on normal surface, for displays; missing where none is known.
    postprocess_ : AnomalyMapPostprocess or None
        See :meth:`set_postprocess`.
    """

    map_threshold_: float
    map_level_: float
    postprocess_: AnomalyMapPostprocess | None = None

    def set_postprocess(self, postprocess: AnomalyMapPostprocess | None) -> None:
        """Make regions, outlines and heat maps of processed maps; part of the detector's file.

        Scores, labels and ``Prediction.anomaly_map`` stay as they are, and so do the metrics made
        of them. ``map_threshold_`` stays a level of raw maps. It holds through further fits.
        A pixel threshold is one of maps after other steps, and is dropped with a ThresholdWarning.

        Parameters
        ----------
        postprocess : AnomalyMapPostprocess or None
            The steps, such as those that :func:`~pyimgano.calibration.tune_postprocess` found;
            None: maps are taken as they are.

        Raises
        ------
        InvalidInputError, NotFittedError, InvalidTypeError
            ``normalize="image"``, after which no level holds for all maps; ``normalize="dataset"``
            without a range; something else.
        """
        if not isinstance(postprocess, AnomalyMapPostprocess | None):
            raise InvalidTypeError(
                f"postprocess must be an AnomalyMapPostprocess or None, got {postprocess!r:.80}"
            )
        if postprocess is not None:
            postprocess.level(0.0)
        if self.pixel_threshold_ is not None and postprocess != self.postprocess_:
            self.pixel_threshold_ = None
            warnings.warn(
                "the pixel threshold is dropped: it was one of maps after other post-processing",
                ThresholdWarning,
                stacklevel=2,
            )
        self.postprocess_ = postprocess

    def get_state(self) -> FittedState:
        """What was learnt, the levels of maps, and the post-processing that is attached."""
        state = super().get_state()
        if (pixels := self.pixel_threshold_) is not None:
            target = {"of": pixels.of, "target": pixels.target, "n": pixels.n}
            state.facts.update({"pixel_threshold": pixels.value, "pixel_target": target})
        for name in _LEVELS:
            state.facts[name] = getattr(self, f"{name}_", None)
        if self.postprocess_ is not None:
            state.facts["postprocess"] = self.postprocess_.to_json()
        return state

    def set_state(self, state: FittedState, features: Any) -> None:
        """Restore what :meth:`get_state` gave."""
        super().set_state(state, features)
        for name in _LEVELS:
            if state.facts[name] is not None:
                setattr(self, f"{name}_", state.facts[name])
        given = state.facts.get("postprocess")
        self.pixel_threshold_ = None
        self.set_postprocess(None if given is None else AnomalyMapPostprocess(**given))
        if (target := state.facts.get("pixel_target")) is not None:
            self.pixel_threshold_ = PixelThreshold(state.facts["pixel_threshold"], **target)

    def _mask(self, anomaly_map: NDArray[np.float32] | None) -> NDArray[np.uint8] | None:
        if self.pixel_threshold_ is None or anomaly_map is None:
            return None
        steps = self.postprocess_
        return self.pixel_threshold_.mask(anomaly_map if steps is None else steps(anomaly_map))

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
