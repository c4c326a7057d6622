"""The models of anomalib that the wrapper offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


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
