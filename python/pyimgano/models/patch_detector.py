"""The detector on patches of images: an extractor and a scorer, and all that both need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pyimgano.features import PatchExtractor
from pyimgano.features.build import BackboneLike
from pyimgano.images.twins import fingerprint
from pyimgano.models.block_fit import BlockFit
from pyimgano.models.collect import collect, fit_features, fit_projection
from pyimgano.models.fitted import FittedState
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_predictions import PatchPredictions
from pyimgano.models.pixel_threshold import GoodMaps
from pyimgano.models.training_reader import TrainingReader
from pyimgano.scorers.base import PatchScorer, is_scorer
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.scorers.image_score import patch_rule
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.types import ImageInput, ImageSize
from pyimgano.utils.parameters import Opaque
from pyimgano.utils.params import check_declared, cloned, take_common
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer


class PatchDetector(PatchPredictions):
    """Any extractor of patch features with any scorer.

    Parameters
    ----------
    backbone : str, path or Backbone
        A torchvision backbone, or ``"timm:NAME"`` (extra ``timm``); ``"embedded"``, the network
        that comes with the package, or ``"filterbank"``, hand-crafted features: both need neither
        torch nor a download; an ONNX file (``"path/to/model.onnx"``), which needs no torch; a name
        that is registered, or a :class:`~pyimgano.extend.Backbone`.
    scorer : PatchScorer or None
        Learns the patches of normal images and scores others, see
        :class:`~pyimgano.scorers.PatchScorer`. It is copied before each fit: yours stays as it is,
        the fitted one is ``scorer_``. None: a :class:`~pyimgano.scorers.MemoryBankScorer`.
    layers : list of str or None
        Layers of the backbone; None: layer2 + layer3 of a ResNet, the last block of a vision
        transformer, all outputs of an ONNX model.
    weights : path, enum, str or None
        Local weights file, torchvision enum or its name; None: ImageNet V1 by torchvision.
    pretrained : bool
        False: random weights, for tests.
    image_size, preset : int, (int, int) or None; str or None
        S for (S, S), (height, width), or None for each image's own size. ``preset="paper"``: resize
        to 256, centre crop to 224, whatever ``image_size`` says.
    resize_mode : str or None
        ``"squash"``: to exactly ``image_size``. ``"fit"``: to the largest size within it that keeps
        the image's aspect, sides rounded to what suits the network; what ``None`` is with tiles.
    tiles, tile_overlap : int, (int, int), str or None; int or None
        Cut images into tiles of that many pixels that overlap by at least ``tile_overlap`` (None:
        128, or a quarter of a small tile), after they are brought to their size; (size, overlap)
        says both. Each patch comes from the tile in which it lies most central, and all are one
        grid. An image smaller than a tile is one tile. ``"auto"``: 1024, or what the network takes.
    smallest_defect : int or None
        Side in pixels, in the image as it was taken, of the smallest defect that matters. It sets
        the size, so that such a defect is as large as one and a quarter patches, with
        ``tiles="auto"`` where nothing is said of tiles; ``image_size`` beside it is an error.
    roi, ignore : path, array, str or None
        The part of the images that counts, and a part that does not: a picture that is black
        outside, a JSON file of polygons, or an array (H, W), of the images' aspect at any size.
        What lies outside is neither learnt nor scored. ``roi="auto"``: where good images differ.
    foreground : float, str or None
        Score the patches of the part alone, told in each image by the first principal axis of its
        own patches: those above this level (AnomalyDINO's with DINOv2: 10), or ``"auto"``, which
        splits them in two where they are far apart. All others score 0; they are learnt. An image
        in which no part stands out is scored whole, and a fit warns how many are.
    light : str or None
        ``"match"``: bring each image, before the network sees it, to the light of the training
        images, by a gain and an offset: mean and deviation of its grey values, inside ``roi``, to
        the medians of theirs. What was clipped stays lost; warnings judge the image as taken. None:
        images are seen as they were taken.
    references : str or tuple
        Copies of the training images to learn from beside them: ``"rotations"`` (by 45 degrees
        each, with the image itself 8), ``("rotations", n)``, ``"small_rotations"`` (4, by 5 and 10
        degrees either way), ``("small_rotations", degrees)`` (by so many and half of them),
        ``"brightness"`` (one copy, brighter or darker by up to a fifth); ``"plain"``: none. They
        never count for the threshold, and are left out with their image.
    projection : int, str or None
        Principal axes of the training patches that are kept, centred and not whitened: a number,
        or ``"auto"`` (for 99 % of the variance, at most 128). The images then pass the backbone
        twice in a fit. None: all features.
    normalization : str or tuple
        ``"imagenet"`` (for ``"timm:NAME"`` what the network was trained with) or (mean, std) of
        RGB in [0, 1].
    position_embedding : str
        How ``"timm:NAME"`` brings a vision transformer's table of positions to an image's size:
        ``"authors"``, as in the code of DINOv2's authors; ``"timm"``, as timm does for all.
    device, engine : str; str or None
        torch device of the backbone, and of a search that has one. What runs the backbone on the
        CPU: ``"opencv"``, ``"onnxruntime"`` (extra ``onnx``), ``"openvino"`` or
        ``"openvino-bf16"`` (extra ``openvino``; the latter is faster, less precise, and only for
        CPUs with bfloat16); the embedded network alone: ``"rust"``, the package's own
        convolutions. A network of torchvision or timm is exported for it once (extra ``export``),
        see ``docs/onnx.md``. None: ``"rust"`` for the embedded network, ``"opencv"`` for an ONNX
        backbone, torch for those of torchvision and timm.
    batch_size, n_jobs : int; int or None
        Images per forward pass. Processes that read images and compute features, in a fit and where
        many are predicted: -1 one per core, None 1 or what ``joblib.parallel_config`` says, such as
        a Dask or Ray cluster; see ``docs/clusters.md``.
    random_state : int
        Seed of everything that is drawn.
    contamination : float
        Share of normal images that may exceed ``threshold_``.
    false_pixels, false_regions : float or None
        One of the two: share of a good image's pixels, or regions per good image, that may exceed
        ``pixel_threshold_``, on the mean of images, see
        :class:`~pyimgano.models.pixel_threshold.PixelThreshold`. None: there is no such threshold.
    gaussian_sigma : float
        Smoothing of the map, in pixels at ``image_size``.
    local_contrast : float
        Share, from 0 to 1, of the mean distance of the 23 x 23 patches around a patch that is taken
        off its own in the map (0: none). Scores of the map follow (``image_score="map_max"``),
        those of patches stay. ``docs/small-defects.md`` has what it was measured to do.
    bit_depth, max_pixels : int or None; int
        Bits used in 16-bit images; None: all 16. Larger image files are refused before decoding.
    on_bad_image : str
        ``"raise"``: one error that names every unreadable training image; ``"skip"``: leave them
        out and list them in ``skipped_``.
    verbose : bool
        Show a progress bar while fitting.

    Attributes
    ----------
    features_, scorer_
        The fitted extractor and scorer.
    region_ : RegionOfInterest or None
        What became of ``roi`` and ``ignore``; the map is 0 outside. None: the whole image counts.
    light_ : Light or None
        Mean and deviation of grey that images are brought to; None: they are not.
    threshold_, map_threshold_ : float
        Images with a score, or a highest value of the map, above it are anomalous: of held-out ones
        (:func:`~pyimgano.models.threshold.held_out_threshold`), or what was assigned.
    map_level_ : float
        Median of the held-out maps: the level of normal surface, for displays.
    pixel_threshold_ : PixelThreshold or None
        Masks are where the map, after post-processing, exceeds it.
    decision_scores_ : ndarray
        float64 (n,): held-out scores of the training images, in their order.
    skipped_ : list of str
        Training images left out.
    timings_ : dict
        Seconds per stage of the last fit and of all predictions since.
    """

    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        "scorer": Opaque(
            "an object with begin, add, finish, score and held_out",
            is_scorer,
            none=True,
            stored=False,  # it has an entry of its own
            option=False,
            help="what scores the patches; None: a memory bank",
        ),
        **PATCHES,
    }

    kind: ClassVar[str] = "patch"
    #: Of a subclass with a scorer of its own: its class, whose parameters are the detector's too.
    SCORER: ClassVar[Any] = None

    def __init__(
        self,
        *,
        backbone: BackboneLike = "wide_resnet50_2",
        scorer: PatchScorer | None = None,
        layers: Sequence[str] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        image_size: ImageSize = 256,
        resize_mode: str | None = None,
        tiles: int | tuple[int, int] | str | None = None,
        tile_overlap: int | None = None,
        smallest_defect: int | None = None,
        roi: Any = None,
        ignore: Any = None,
        foreground: str | float | None = None,
        normalization: Any = "imagenet",
        position_embedding: str = "authors",
        device: str = "cpu",
        batch_size: int = 8,
        n_jobs: int | None = None,
        random_state: int = 0,
        contamination: float = 0.1,
        false_pixels: float | None = None,
        false_regions: float | None = None,
        light: str | None = None,
        references: str | Sequence[Any] = "plain",
        projection: int | str | None = None,
        preset: str | None = None,
        gaussian_sigma: float = 4.0,
        local_contrast: float = 0.0,
        bit_depth: int | None = None,
        max_pixels: int = 100_000_000,
        on_bad_image: str = "raise",
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.scorer = scorer
        self.layers, self.weights = layers, weights
        self.pretrained = pretrained
        self.image_size = image_size
        self.resize_mode = resize_mode
        self.tiles, self.tile_overlap = tiles, tile_overlap
        self.smallest_defect = smallest_defect
        self.roi, self.ignore, self.foreground = roi, ignore, foreground
        self.normalization = normalization
        self.position_embedding = position_embedding
        self.device = device
        self.batch_size, self.n_jobs = batch_size, n_jobs
        self.random_state = random_state
        self.contamination = contamination
        self.false_pixels, self.false_regions = false_pixels, false_regions
        self.light, self.references = light, references
        self.projection = projection
        self.preset = preset
        self.gaussian_sigma, self.local_contrast = gaussian_sigma, local_contrast
        self.bit_depth, self.max_pixels = bit_depth, max_pixels
        self.on_bad_image, self.verbose = on_bad_image, verbose
        self.engine = engine

    def __init_subclass__(cls) -> None:
        take_common(cls, PatchDetector, without=("scorer",))

    def build_scorer(self) -> PatchScorer:
        """A scorer that has learnt nothing, by the parameters."""
        if self.SCORER is None:
            return MemoryBankScorer() if self.scorer is None else cloned("scorer", self.scorer)
        scorer: PatchScorer = self.SCORER(**self._scorer_parameters())
        return scorer

    def _scorer_parameters(self) -> dict[str, Any]:
        shared = self.SCORER.PARAMETERS.keys() & self.PARAMETERS.keys()
        given = {name: self._in_use(name) for name in shared}
        if "image_score" in given:
            given["image_score"] = patch_rule(given["image_score"])
        return given

    def check_params(self) -> None:
        """Check the parameters alone, those that the scorer declares among them."""
        GoodMaps.asked_for(self)
        super().check_params()
        check_declared(self.build_scorer() if self.SCORER is not None else self.scorer)

    def _fit(self, images: Sequence[ImageInput]) -> None:
        """Have the extractor and the scorer learn; the thresholds come from held-out scores.

        Images are read in batches of ``batch_size``; what is kept of their patches is the scorer's
        affair.
        """
        timer = StageTimer()
        with timer.stage("setup"):
            self._check_defect(images)
            self.features_, self.scorer_ = self._build_features(), self.build_scorer()
            self._preprocessor = self._build_preprocessor()
            self._mapper = self._build_mapper()
            self.region_ = self._learn_region(images, self._preprocessor)
        scorer, features = CheckedScorer(self.scorer_), self._seeing(self.features_)
        self.light_ = self._learn_light(images, features, timer)
        self._preprocessor = self._in_light(self._preprocessor)
        reader = TrainingReader(self._preprocessor, features, self.region_)
        if features.needs_fit:
            fit_features(reader, images, random_state=self.random_state, timer=timer)
        how: Any = {"batch_size": self._images_at_once(), "n_jobs": self.n_jobs, "timer": timer}
        self.projection_ = fit_projection(reader, images, self.projection, **how)
        references = self._references()
        learnt: Any = {"projection": self.projection_, "references": references}
        reader = replace(reader, **learnt, foreground=self.foreground)
        how |= {"skip_bad": self.on_bad_image == "skip", "verbose": self.verbose}
        learner: CheckedScorer | BlockFit = scorer
        bank = self.scorer_
        if isinstance(bank, MemoryBankScorer) and bank.coreset_block is not None:
            how |= {"block": bank.coreset_block, "random_state": self.random_state}
            learner = BlockFit(reader, images, bank, **how)
            collected = learner.collect()
        else:
            collected = collect(reader, images, scorer, **how)
        self._remember(images, collected)
        self._check_foreground(collected)
        self.least_side_ = min(min(one.size) for one in collected.geometries)
        self.training_set_ = fingerprint(collected.digests, self._training_pixels())
        with timer.stage("learn"), track(1, "learning the patches", self.verbose) as bar:
            learner.finish(self.random_state, bar.to)
        with timer.stage("threshold"):
            self._fit_thresholds(collected, learner, 1 + references.n_copies)
        self.timings_ = timer.seconds

    def get_state(self) -> FittedState:
        """What was learnt, and the scorer."""
        return replace(super().get_state(), scorer=self.scorer_)

    def set_state(self, state: FittedState, features: PatchExtractor) -> None:
        """Restore what :meth:`get_state` gave."""
        self.check_params()
        self.features_ = self._aggregating(features)
        self._preprocessor = self._in_light(self._build_preprocessor())
        self._mapper = self._build_mapper()
        if state.scorer is not None:
            self.scorer_ = state.scorer
        super().set_state(state, self.features_)
