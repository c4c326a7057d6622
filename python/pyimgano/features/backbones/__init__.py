"""Networks that turn batches of images into maps of features."""

from pyimgano.features.backbones.base import Backbone, BackboneInfo, LayerInfo
from pyimgano.features.backbones.named import list_backbones, register_backbone

__all__ = ["Backbone", "BackboneInfo", "LayerInfo", "list_backbones", "register_backbone"]
