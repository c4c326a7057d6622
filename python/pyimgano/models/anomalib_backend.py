"""Models of anomalib behind this package's detector interface."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage, as_size, each_image
from pyimgano.images.twins import digest
from pyimgano.models import anomalib_training as training
from pyimgano.models.anomalib_catalogue import MODELS, PARAMETERS, AnomalibModel
from pyimgano.models.base import PixelDetector
from pyimgano.models.batches import in_batches
from pyimgano.models.collect import readable_images
from pyimgano.models.parameters import Parameters
from pyimgano.registry import unknown_name
from pyimgano.types import ImageInput, ImageSize, Prediction
from pyimgano.utils.params import OpenParamsMixin
from pyimgano.utils.timing import StageTimer

Found: TypeAlias = tuple[LoadedImage, float, NDArray[np.float32] | None]


class AnomalibDetector(OpenParamsMixin, PixelDetector):
    """A model of anomalib, trained by anomalib, with raw scores and maps.

    Images go through anomalib's own preprocessing. Scores and maps are the network's own: no
    normalisation, no clamping.

    Parameters
    ----------
    model
        Short name, such as ``"patchcore"``.
    backbone, layers
        Name of a timm network and of its layers; None: anomalib's defaults.
    weights, pretrained
        Local file with the backbone's weights, by timm's names (torchvision's ResNets share them);
        None: what timm downloads. ``pretrained=False``: random weights, for tests.
    teacher_weights, imagenet_dir
        For EfficientAD, which cannot do without: its teacher's file, and a folder of natural
        images in sub-folders.
    image_size
        S for (S, S) or (height, width); None: anomalib's default.
    max_epochs, max_steps
        End of the training, whichever comes first; None for both: anomalib's defaults.
    batch_size
        Images per step; EfficientAD always takes one.
    folds
        For models that one pass fits: refits, each without a part of the images, whose scores
        give ``threshold_``; 0: none.
    holdout
        For models that train: share of the images that is kept out of the training and gives
        ``threshold_``; 0: none.
    device, random_state, contamination, on_bad_image, verbose
        As in :class:`~pyimgano.models.PatchDetector`.
    **params
        Further parameters of anomalib's class.

    Attributes
    ----------
    module_ : LightningModule
        anomalib's fitted module.
    threshold_source_ : str
        Which images ``threshold_`` comes from.
    """

    PARAMETERS: ClassVar[Parameters] = PARAMETERS

    def __init__(
        self,
        model: str = "patchcore",
        *,
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | os.PathLike[str] | None = None,
        pretrained: bool = True,
        teacher_weights: str | os.PathLike[str] | None = None,
        imagenet_dir: str | os.PathLike[str] | None = None,
        image_size: ImageSize = None,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        batch_size: int = 8,
        folds: int = 3,
        holdout: float = 0.2,
        device: str = "cpu",
        random_state: int = 0,
        contamination: float = 0.1,
        on_bad_image: str = "raise",
        verbose: bool = False,
        **params: Any,
    ) -> None:
        self.model = model
        self.backbone = backbone
        self.layers = layers
        self.weights = weights
        self.pretrained = pretrained
        self.teacher_weights = teacher_weights
        self.imagenet_dir = imagenet_dir
        self.image_size = image_size
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.folds = folds
        self.holdout = holdout
        self.device = device
        self.random_state = random_state
        self.contamination = contamination
        self.on_bad_image = on_bad_image
        self.verbose = verbose
        self.params = params

    def _check_further(self, names: Iterable[str]) -> None:
        training.find_class(self._spec(), dict.fromkeys(names))

    def _fit(self, images: Sequence[ImageInput]) -> None:
        """Train on normal images; :class:`WeightsError` where weights are missing or do not fit."""
        self._check_choices()
        timer = StageTimer()
        with timer.stage("decode"):
            collected = readable_images(images)
        collected.check(len(images), skip_bad=self.on_bad_image == "skip")
        self._remember(images, collected)
        self.timings_, groups = timer.seconds, collected.groups
        used = [images[i] for i in collected.kept]
        pictures = np.random.default_rng(self.random_state).permutation(np.unique(groups))
        held, scores = np.arange(0), None
        with timer.stage("fit"), training.explained(self._spec(), len(used)):
            if self._spec().trains:
                first = pictures[: round(self.holdout * len(pictures))]
                held = np.flatnonzero(np.isin(groups, first))
            elif self.folds > 1 and len(pictures) > 1:
                held, scores = np.arange(len(used)), self._refit_scores(used, groups, pictures)
            out = held if self._spec().trains else np.arange(0)
            self.module_, self._transform = self._train(used, out)
        with timer.stage("threshold"), training.explained(self._spec(), len(used)):
            if scores is None:
                scores = self._scores(self.module_, self._transform, used)
            self._fit_threshold(scores, groups, held)

    def _digest(self, image: ImageInput) -> bytes:
        return digest(ImagePreprocessor(resize=None).load(image).pixels)

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """Refused: such a model is a tree of torch modules, stored by pickle only."""
        raise InvalidInputError(
            f"anomalib's {self._spec().name} cannot be stored without pickle: export module_ with"
            " anomalib itself, or use PatchCore"
        )

    def validate(self) -> None:
        """Check the parameters and that the model and its weights can be had, without images."""
        super().validate()
        self._check_choices()
        with training.seeded(self.random_state):
            self._build()

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order; maps at each image's own size.

        An unreadable file is an ImageReadError after everything before it was yielded.
        """
        self._check_fitted()
        timer = StageTimer(self.timings_)
        for loaded, score, grid in self._run(self.module_, self._transform, X, timer):
            anomaly_map = None
            if with_maps and grid is not None:
                with timer.stage("map"):
                    anomaly_map = _at_size(grid, loaded.size)
            yield self._prediction(loaded.path, score, anomaly_map, loaded.health)

    def predict_anomaly_map(self, X: Iterable[ImageInput]) -> list[NDArray[np.float32]]:
        """Anomaly maps, float32 (H, W) each at its image's own size; a model without any is an
        error.
        """
        if not self._spec().has_map:
            raise InvalidInputError(
                f"anomalib's {self._spec().name} has no anomaly map: use decision_function"
            )
        return super().predict_anomaly_map(X)

    def _run(
        self, module: Any, transform: Any, X: Iterable[ImageInput], timer: StageTimer
    ) -> Iterator[Found]:
        import torch

        reader = ImagePreprocessor(resize=None)

        def run(batch: Sequence[ImageInput]) -> Iterator[Found]:
            with timer.stage("decode"):
                images = [reader.load(image) for image in batch]
                pixels = [torch.from_numpy(one.pixels.transpose(2, 0, 1).copy()) for one in images]
                tensors = torch.stack([transform(one) for one in pixels])
            with timer.stage("network"), torch.inference_mode():
                out = module.model(tensors.to(self.device))
            scores = out.pred_score.reshape(len(batch)).double().cpu().numpy()
            maps = None if out.anomaly_map is None else out.anomaly_map.float().cpu().numpy()
            for i, loaded in enumerate(images):
                grid = None if maps is None else maps[i].reshape(maps.shape[-2:])
                yield loaded, float(scores[i]), grid

        return in_batches(each_image(X), self.batch_size, run)

    def _scores(
        self, module: Any, transform: Any, images: Sequence[ImageInput]
    ) -> NDArray[np.float64]:
        found = [score for _, score, _ in self._run(module, transform, images, StageTimer())]
        return np.array(found, dtype=np.float64)

    def _spec(self) -> AnomalibModel:
        if self.model not in MODELS:
            raise unknown_name("anomalib model", self.model, MODELS)
        return MODELS[self.model]

    def check_params(self) -> None:
        """Check the parameters alone."""
        super().check_params()
        if not self.pretrained and self.weights is not None:
            raise InvalidInputError("pretrained=False and weights=... exclude each other")

    def _check_choices(self) -> None:
        """Whether the model is there, and takes what was set."""
        if self._spec().backbone is None and (self.weights or self.backbone or self.layers):
            raise InvalidInputError(f"anomalib's {self._spec().name} has no backbone to choose")
        training.find_class(self._spec(), self._class_params())

    def _check_enough(self, n: int, n_held: int) -> None:
        """Refuse so few images that a fit, or a refit without those held out, is none."""
        spec = self._spec()
        needed = spec.images_needed(self._class_params())
        if n < needed:
            out = f", with {n_held} held out for the threshold: or folds=0" if n_held else ""
            raise InvalidInputError(
                f"anomalib's {spec.name} needs at least {needed} images in each fit, got {n}{out}"
            )

    def _class_params(self) -> dict[str, Any]:
        spec = self._spec()
        named: dict[str, Any] = {}
        if self.backbone is not None and spec.backbone is not None:
            named[spec.backbone] = self.backbone
        if self.layers is not None:
            named["layers"] = list(self.layers)
        return {**spec.defaults, **named, **self.params}

    def _build(self) -> tuple[Any, Any]:
        spec = self._spec()
        module, transform = training.build_module(
            spec,
            self._class_params(),
            size=as_size(self.image_size) or (spec.image_size, spec.image_size),
            weights=self.weights,
            pretrained=self.pretrained,
            device=self.device,
        )
        if spec.name == "EfficientAd":
            training.prepare_efficientad(module, self.teacher_weights, self.imagenet_dir)
        return module, transform

    def _train(self, images: Sequence[ImageInput], held: NDArray[np.int64]) -> tuple[Any, Any]:
        """A module fitted on all images but some."""
        spec = self._spec()
        out = set(held.tolist())
        used = [image for i, image in enumerate(images) if i not in out]
        self._check_enough(len(used), len(out))
        limits = {k: v for k in ("max_epochs", "max_steps") if (v := getattr(self, k)) is not None}
        with training.seeded(self.random_state):
            module, transform = self._build()
            training.train(
                module,
                training.Images(used, transform),
                batch_size=1 if spec.name == "EfficientAd" else self.batch_size,
                shuffle=spec.trains,
                limits=(limits or spec.steps) if spec.trains else {},
                device=self.device,
                verbose=self.verbose,
            )
            if spec.name == "EfficientAd":
                calibration = [images[i] for i in held.tolist()] or used
                seen = training.Images(calibration, transform)
                training.normalise_efficientad(module, seen, self.verbose)
        return module, transform

    def _refit_scores(
        self,
        images: Sequence[ImageInput],
        groups: NDArray[np.int64],
        pictures: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        scores = np.empty(len(images))
        for part in np.array_split(pictures, min(self.folds, len(pictures))):
            held = np.flatnonzero(np.isin(groups, part))
            module, transform = self._train(images, held)
            scores[held] = self._scores(module, transform, [images[i] for i in held.tolist()])
        return scores

    def _fit_threshold(
        self, scores: NDArray[np.float64], groups: NDArray[np.int64], held: NDArray[np.int64]
    ) -> None:
        if not np.isfinite(scores).all():
            raise InvalidInputError(
                f"anomalib's {self._spec().name} gives scores that are not finite"
            )
        if not len(held):
            self._learn_seen_threshold(scores, groups, who="the model")
            return
        how = "not trained on" if self._spec().trains else f"held out in {self.folds} refits"
        self._learn_threshold(scores, groups, held, how=how)


def _at_size(grid: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map at (height, width), bilinear."""
    if grid.shape == size:
        return grid
    resized = cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.float32)
