"""The models of anomalib that the wrapper offers, and what it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyimgano.models.parameters import COMMON, NETWORK, Parameters
from pyimgano.utils.parameters import Count, Number, PathLike, Size, Text

#: Further ones go to the class of anomalib.
PARAMETERS: Parameters = {
    **COMMON,
    **NETWORK,
    "model": Text(option=False, help="anomalib's model"),
    "backbone": Text(none="its own", metavar="NAME", help="a network of timm"),
    "weights": PathLike(
        none=True, metavar="FILE", help="local file with the network's weights, by timm's names"
    ),
    "image_size": Size(none="its own", metavar="S", help="S or HxW"),
    "teacher_weights": PathLike(
        none=True, metavar="FILE", help="weights of EfficientAD's teacher, which it needs"
    ),
    "imagenet_dir": PathLike(
        none=True,
        metavar="DIR",
        help="natural images in sub-folders, which EfficientAD needs",
    ),
    "max_epochs": Count(
        none="anomalib's", metavar="N", help="passes over the images, for models that train"
    ),
    "max_steps": Count(
        none="anomalib's", metavar="N", help="steps of the training, for models that train"
    ),
    "folds": Count(
        0,
        metavar="N",
        help="refits, each without a part of the images, for the threshold of models that are"
        " fitted in one pass; 0: none",
    ),
    "holdout": Number(
        0,
        1,
        open_high=True,
        metavar="R",
        help="share of the images kept for the threshold, for models that train; 0: none",
    ),
}


@dataclass(frozen=True)
class AnomalibModel:
    """What the wrapper needs to know of one model of anomalib."""

    name: str  #: Class in ``anomalib.models``.
    summary: str  #: One line for listings.
    #: The class's parameter for the backbone's name; None: it has none to choose.
    backbone: str | None = "backbone"
    image_size: int = 256  #: Side that anomalib's own preprocessing brings images to.
    #: Whether it runs gradient steps; if not, one pass over the images fits it.
    trains: bool = True
    #: Trainer arguments of anomalib's own configuration, where the user sets none.
    steps: dict[str, int] = field(default_factory=dict)
    has_map: bool = True  #: Whether it says where.
    #: Parameters of the class that differ from anomalib's.
    defaults: dict[str, Any] = field(default_factory=dict)
    #: Fewest images that it can be fitted on, for the parameters of the class that are set.
    images_needed: Callable[[Mapping[str, Any]], int] = lambda params: 1


#: By the short name; the registered one is ``vision_<short>_anomalib``.
MODELS = {
    "patchcore": AnomalibModel(
        "Patchcore", "anomalib's PatchCore (Roth et al., 2022)", trains=False
    ),
    "padim": AnomalibModel(
        "Padim",
        "anomalib's PaDiM: a Gaussian per place (Defard et al., 2021)",
        trains=False,
        images_needed=lambda params: 2,
    ),
    "dfkde": AnomalibModel(
        "Dfkde",
        "anomalib's DFKDE: density of deep features, no map",
        trains=False,
        has_map=False,
        # One more than it has principal axes: the covariance of fewer is singular.
        images_needed=lambda params: int(params.get("n_pca_components", 16)) + 1,
    ),
    "stfpm": AnomalibModel(
        "Stfpm",
        "anomalib's STFPM: student and teacher (Wang et al., 2021)",
        steps={"max_epochs": 100},
    ),
    "reverse_distillation": AnomalibModel(
        "ReverseDistillation",
        "anomalib's Reverse Distillation (Deng and Li, 2022)",
        steps={"max_epochs": 100},
    ),
    "efficientad": AnomalibModel(
        "EfficientAd",
        "anomalib's EfficientAD (Batzner et al., 2024)",
        backbone=None,
        steps={"max_steps": 70_000},
    ),
    "dinomaly": AnomalibModel(
        "Dinomaly",
        "anomalib's Dinomaly, a ViT (Guo et al., 2025)",
        backbone="encoder_name",
        image_size=392,
        steps={"max_steps": 5_000},
    ),
    "anomalydino": AnomalibModel(
        "AnomalyDINO",
        "anomalib's AnomalyDINO, a ViT (Damm et al., 2025)",
        backbone="encoder_name",
        image_size=252,
        trains=False,
    ),
}
