"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ThresholdWarning
from pyimgano.features import PatchExtractor, PatchGrid, build_features
from pyimgano.images.fingerprint import digest, fingerprint
from pyimgano.images.health_range import HealthRange
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage, as_size, each_image
from pyimgano.models.base import PixelDetector
from pyimgano.models.batches import in_batches
from pyimgano.models.collect import Collected, collect, fit_features
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_map import PatchMapper
from pyimgano.models.state import FittedState
from pyimgano.models.threshold import held_out_threshold
from pyimgano.models.training_images import names_of
from pyimgano.neighbors import NearestNeighbors, create_neighbors
from pyimgano.neighbors.catalogue import NEIGHBORS, is_search
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.held_out import score_held_out
from pyimgano.scorers.memory_bank import MemoryBank, select_coreset
from pyimgano.types import ImageInput, ImageSize, Prediction
from pyimgano.utils.parameters import Count, Either, Number, Opaque, Registered, Text
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer


class PatchCore(PixelDetector):
    """Nearest neighbours among the patch features of normal images.

    Parameters
    ----------
    backbone
        A torchvision backbone; ``"embedded"``, which needs no torch, no weights file and no
        network; or an ONNX file (``"path/to/model.onnx"``), which needs no torch.
    layers
        Layers of the backbone; None: layer2 + layer3 of a ResNet, all outputs of an ONNX model.
    weights
        Local weights file, torchvision enum or its name; None: ImageNet V1 by torchvision.
    pretrained
        False: random weights, for tests.
    image_size
        S for (S, S), (height, width), or None for each image's own size.
    normalization
        ``"imagenet"`` or (mean, std) of RGB in [0, 1].
    coreset_ratio
        Share of the training patches kept as memory bank, in (0, 1].
    n_neighbors
        Bank rows in the re-weighting of the image score.
    knn_backend
        ``"auto"`` (always the Rust one), ``"rust"``, ``"sklearn"``, ``"faiss"``, another name given
        to :func:`~pyimgano.neighbors.register_neighbors`, or a
        :class:`~pyimgano.neighbors.NearestNeighbors`, which no file can hold.
    device
        torch device of the backbone.
    batch_size
        Images per forward pass.
    random_state
        Seed of the coreset's start, of the folds, and of everything else that is drawn.
    contamination
        Share of normal images that may exceed ``threshold_``.
    preset
        ``"paper"``: resize to 256, centre crop to 224, whatever ``image_size`` says.
    gaussian_sigma
        Smoothing of the map, in pixels at ``image_size``.
    bit_depth
        Bits used in 16-bit images; None: all 16.
    max_pixels
        Larger image files are refused before they are decoded.
    on_bad_image
        ``"raise"``: one error that names every unreadable training image; ``"skip"``: leave them
        out and list them in ``skipped_``.
    spill_dir
        Folder where ``fit`` keeps the features in a temporary file in place of memory; None: in
        memory. It must have room for 4 bytes x d per patch.
    verbose
        Show a progress bar while fitting.
    engine
        What runs an ONNX backbone: ``"opencv"``, ``"onnxruntime"`` (extra ``onnx``),
        ``"openvino"`` or ``"openvino-bf16"`` (extra ``openvino``; the latter is faster, less
        precise, and only for CPUs with bfloat16); None: ``"opencv"``, and for all other backbones.

    Attributes
    ----------
    memory_bank_ : ndarray
        float32 (m, d).
    threshold_ : float
        See :func:`~pyimgano.models.threshold.held_out_threshold`.
    map_threshold_ : float
        The same for the highest value of an image's map.
    map_level_ : float
        Median of the held-out maps: the level of normal surface, for displays.
    decision_scores_ : ndarray
        float64 (n,): held-out scores of the training images, in their order.
    skipped_ : list of str
        Training images left out.
    timings_ : dict
        Seconds per stage of the last fit and of all predictions since.
    """

    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        "coreset_ratio": Number(
            0,
            1,
            open_low=True,
            metavar="R",
            help="share of the patches kept as memory bank, the patches of good images that others"
            " are compared with",
        ),
        "n_neighbors": Count(metavar="N", help="bank rows in the re-weighting of the image score"),
        "knn_backend": Either(
            Text(),
            Opaque("an object with fit and kneighbors", is_search),
            metavar="NAME",
            help="what finds the nearest bank rows: rust, sklearn, faiss or one that is registered;"
            " auto is always the Rust one",
            stored=Registered(NEIGHBORS),
        ),
        **PATCHES,
    }

    features_: PatchExtractor
    _held_out_grids: Sequence[NDArray[np.float32]] = ()

    def __init__(
        self,
        *,
        backbone: str | os.PathLike[str] = "wide_resnet50_2",
        layers: Sequence[str] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        image_size: ImageSize = 256,
        normalization: Any = "imagenet",
        coreset_ratio: float = 0.1,
        n_neighbors: int = 9,
        knn_backend: str | NearestNeighbors = "auto",
        device: str = "cpu",
        batch_size: int = 8,
        random_state: int = 0,
        contamination: float = 0.1,
        preset: str | None = None,
        gaussian_sigma: float = 4.0,
        bit_depth: int | None = None,
        max_pixels: int = 100_000_000,
        on_bad_image: str = "raise",
        spill_dir: str | os.PathLike[str] | None = None,
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.layers = layers
        self.weights = weights
        self.pretrained = pretrained
        self.image_size = image_size
        self.normalization = normalization
        self.coreset_ratio = coreset_ratio
        self.n_neighbors = n_neighbors
        self.knn_backend = knn_backend
        self.device = device
        self.batch_size = batch_size
        self.random_state = random_state
        self.contamination = contamination
        self.preset = preset
        self.gaussian_sigma = gaussian_sigma
        self.bit_depth = bit_depth
        self.max_pixels = max_pixels
        self.on_bad_image = on_bad_image
        self.spill_dir = spill_dir
        self.verbose = verbose
        self.engine = engine

    def _fit(self, images: Sequence[ImageInput]) -> None:
        """Build the memory bank and the thresholds.

        Images are read in batches of ``batch_size``; what is kept are their patch features,
        4 bytes x d per patch, once, in memory or in ``spill_dir``. Beside what ``fit`` says it
        raises :class:`NotEnoughMemoryError` where the features will not fit, judged by those of
        the first batch, and :class:`OutputError` where ``spill_dir`` has no room.
        """
        timer = StageTimer()
        preprocessor = self._build_preprocessor()
        with timer.stage("setup"):
            features = self._build_features()
        if features.needs_fit:
            fit_features(
                features, images, preprocessor, random_state=self.random_state, timer=timer
            )
        collected = collect(
            images,
            preprocessor,
            features,
            batch_size=self.batch_size,
            skip_bad=self.on_bad_image == "skip",
            verbose=self.verbose,
            timer=timer,
            coreset_ratio=self.coreset_ratio,
            spill_dir=self.spill_dir,
        )
        self._preprocessor, self.features_ = preprocessor, features
        self._mapper = self._build_mapper()
        self.health_ = HealthRange.of(collected.health)
        self._digests = frozenset(collected.digests)
        self.training_set_ = fingerprint(collected.digests, "preprocessed pixels, float32 RGB")
        self.skipped_ = sorted(str(images[i]) for i in collected.skipped)
        self.training_names_ = names_of(images[i] for i in collected.kept)
        picks, rows = self._select_bank(collected.store, timer)
        with timer.stage("threshold"):
            self._fit_thresholds(collected, picks, rows)
        with timer.stage("knn"):
            self._bank = self._build_bank(rows)
        self._params_at_fit = self.get_params()
        self.timings_ = timer.seconds

    def validate(self) -> None:
        """Check the parameters and that the backbone and its weights can be had, without images."""
        super().validate()
        self._build_features()

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one, in order, in one backbone pass.

        Parameters
        ----------
        X
            Paths or arrays.
        with_maps
            False leaves out the anomaly maps.

        Yields
        ------
        Prediction
            With ``anomaly_map`` float32 (H, W) at the image's own size.

        Raises
        ------
        ImageReadError
            At an unreadable file, after everything before it was yielded.
        """
        self._check_fitted()
        timer = StageTimer(self.timings_)

        def read(batch: Sequence[ImageInput]) -> Iterable[tuple[LoadedImage, PatchGrid]]:
            with timer.stage("decode"):
                loaded = [self._preprocessor.load(image) for image in batch]
            return zip(loaded, self._extract(loaded, timer), strict=True)

        for loaded, patches in in_batches(each_image(X), self.batch_size, read):
            yield self._predict_patches(loaded, patches, with_maps, timer)

    def _predict_patches(
        self,
        loaded: LoadedImage,
        patches: PatchGrid,
        with_map: bool,
        timer: StageTimer,
    ) -> Prediction:
        with timer.stage("knn"):
            score, distances = self._bank.score(patches.rows)
        anomaly_map = None
        if with_map:
            with timer.stage("map"):
                grid = distances.reshape(patches.shape)
                anomaly_map = self._mapper.to_source(grid, loaded)
        return self._prediction(loaded.path, score, anomaly_map, loaded.health)

    def held_out_map(self, number: int, image: ImageInput) -> NDArray[np.float32] | None:
        """Where a training image differs from all others, float32 (H, W) at its own size."""
        if number >= len(self._held_out_grids):
            return None
        loaded = self._preprocessor.load(image)
        return self._mapper.to_source(self._held_out_grids[number], loaded)

    def _digest(self, image: ImageInput) -> bytes:
        return digest(self._preprocessor.load(image).pixels)

    def _extract_patch_features(
        self, image: ImageInput
    ) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Features of one image, float32 (h * w, d), and the patch grid (h, w)."""
        self._check_fitted()
        (patches,) = self._extract([self._preprocessor.load(image)], StageTimer())
        return patches.rows, patches.shape

    def _extract(self, batch: Sequence[LoadedImage], timer: StageTimer) -> list[PatchGrid]:
        with timer.stage("backbone"):
            return self.features_.extract_batch([loaded.pixels for loaded in batch])

    def check_params(self) -> None:
        """Check the parameters alone."""
        super().check_params()
        create_neighbors(self.knn_backend)

    def _build_preprocessor(self) -> ImagePreprocessor:
        paper = self.preset == "paper"
        return ImagePreprocessor(
            256 if paper else self.image_size,
            center_crop=224 if paper else None,
            bit_depth=self.bit_depth,
            max_pixels=self.max_pixels,
        )

    def get_state(self) -> FittedState:
        """The memory bank and the thresholds."""
        state = super().get_state()
        state.facts.update(map_threshold=self.map_threshold_, map_level=self.map_level_)
        state.tensors.update(memory_bank=self.memory_bank_)
        return state

    def set_state(self, state: FittedState, features: PatchExtractor) -> None:
        """Restore what :meth:`get_state` gave, and index the bank."""
        self.check_params()
        self._preprocessor, self._mapper = self._build_preprocessor(), self._build_mapper()
        self._bank = self._build_bank(state.tensors["memory_bank"])
        self.map_threshold_ = state.facts["map_threshold"]
        self.map_level_ = state.facts["map_level"]
        super().set_state(state, features)

    def _build_mapper(self) -> PatchMapper:
        return PatchMapper(
            as_size(256 if self.preset else self.image_size),
            as_size(224 if self.preset else None),
            self.gaussian_sigma,
        )

    @property
    def memory_bank_(self) -> NDArray[np.float32]:
        """float32 (m, d), the patch features that are kept."""
        return self._bank.rows

    def _build_bank(self, rows: NDArray[np.float32]) -> MemoryBank:
        return MemoryBank(rows, n_neighbors=self.n_neighbors, knn_backend=self.knn_backend)

    def _build_features(self) -> PatchExtractor:
        features = build_features(
            self.backbone,
            layers=self.layers,
            weights=self.weights,
            pretrained=self.pretrained,
            normalization=self.normalization,
            device=self.device,
            batch_size=self.batch_size,
            engine=self.engine,
        )
        size = as_size(224 if self.preset else self.image_size)
        if size is not None:
            features.check_size(*size)
        return features

    def _select_bank(
        self, store: FeatureStore, timer: StageTimer
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        with timer.stage("coreset"), track(1, "selecting the coreset", self.verbose) as bar:
            picks = select_coreset(
                store.rows, self.coreset_ratio, random_state=self.random_state, progress=bar.to
            )
            return picks, store.rows[picks]

    def _fit_thresholds(
        self, collected: Collected, picks: NDArray[np.int64], rows: NDArray[np.float32]
    ) -> None:
        groups, n = collected.groups, collected.store.n_images
        nothing = np.full(n, np.nan)  # one picture leaves nothing to score it with
        scores, peaks, levels = nothing, nothing, np.zeros(1)
        self._held_out_grids = ()
        if len(np.unique(groups)) > 1:
            held_out = score_held_out(
                collected.store,
                collected.grids,
                groups,
                picks,
                rows,
                n_neighbors=self.n_neighbors,
            )
            scores = np.array([one.image for one in held_out])
            self._held_out_grids = [one.distances for one in held_out]
            maps = map(self._mapper.at_input, self._held_out_grids, collected.inputs)
            peaks, levels = np.array([(one.max(), np.median(one)) for one in maps], np.float64).T
        self._learn_threshold(scores, groups, how="each left out of the bank", stacklevel=5)
        with warnings.catch_warnings():  # it would say the same again
            warnings.simplefilter("ignore", ThresholdWarning)
            self.map_threshold_ = held_out_threshold(peaks, self.contamination, groups=groups).value
        self.map_level_ = float(np.median(levels))
