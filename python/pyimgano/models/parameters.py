"""Parameters that detectors share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from pyimgano.features.backbones.base import is_backbone
from pyimgano.features.backbones.embedded.engines import ENGINES
from pyimgano.features.backbones.timm import POSITION_EMBEDDING
from pyimgano.features.patches.foreground import FOREGROUND
from pyimgano.features.patches.projection import PROJECTION
from pyimgano.images.light import LIGHT
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.references import REFERENCES
from pyimgano.images.region_files import IGNORE, ROI
from pyimgano.images.tiles import SMALLEST_DEFECT, TILE_OVERLAP, TILES
from pyimgano.models.patch_map import LARGEST_SIGMA
from pyimgano.utils.parameters import (
    Choice,
    Count,
    Device,
    Either,
    Flag,
    ListOf,
    Normalization,
    Number,
    Opaque,
    Parameter,
    PathLike,
    Text,
)

Parameters: TypeAlias = Mapping[str, Parameter]

#: Of every detector. Three have no option of their own: commands have ``--seed`` and the like.
COMMON: Parameters = {
    "contamination": Number(
        0,
        1,
        open_low=True,
        open_high=True,
        flags=("--target-fpr", "--contamination"),
        metavar="P",
        help="share of good parts that may be flagged: a lower one lets more defects pass",
    ),
    "batch_size": Count(metavar="N", help="images per pass", stored=Count(1, 1024)),
    "random_state": Count(0, 2**63 - 1, option=False, help="seed of everything that is drawn"),
    "on_bad_image": Choice(
        "raise", "skip", option=False, help="what fit does about an unreadable image"
    ),
    "verbose": Flag(option=False, help="show a progress bar while fitting"),
}
#: Of detectors that have a network; that of a command never has random weights.
NETWORK: Parameters = {
    "layers": ListOf(
        Text(), 1, none=True, metavar="NAME", help="layers of the network (ResNets: layer2 layer3)"
    ),
    "pretrained": Flag(option=False, help="False: random weights, for tests"),
    "device": Device(
        metavar="NAME",
        help="torch device of the network",
        stored=Text(32, r"[a-z]+(:[0-9]{1,3})?"),
    ),
}
#: Where a patch detector's features come from.
FEATURES: Parameters = {
    "backbone": Either(
        PathLike("the name of a network or an ONNX file"),
        Opaque("an object with info and layer_maps", is_backbone),
        metavar="NAME",
        help="'embedded' (no torch, no download), a torchvision network, timm:NAME, an ONNX"
        " file or a name that is registered",
        stored=Text(),
    ),
    "layers": NETWORK["layers"],
    "weights": Either(
        PathLike("a file or the name of torchvision's weights"),
        Opaque("torchvision's enum", lambda value: isinstance(value, Enum)),
        none=True,
        metavar="FILE",
        help="local weights file, or the name of torchvision's own",
        stored=False,  # those of the features are
    ),
    "normalization": Normalization(
        metavar="M,S", help="imagenet, or mean,std of the network's input"
    ),
    "position_embedding": POSITION_EMBEDDING,
    "image_size": ImagePreprocessor.PARAMETERS["resize"],
    "preset": Choice("paper", none=True, help="as in the paper, input size included"),
    "light": LIGHT,
    "references": REFERENCES,
    "projection": PROJECTION,
    "resize_mode": Choice(
        "squash",
        "fit",
        none="fit with tiles, else squash",
        help="bring images to exactly the size, or to the largest one within it that keeps the"
        " aspect",
    ),
    "tiles": TILES,
    "tile_overlap": TILE_OVERLAP,
    "smallest_defect": SMALLEST_DEFECT,
    "roi": ROI,
    "ignore": IGNORE,
    "foreground": FOREGROUND,
}
#: What asks for a pixel threshold; at most one of the two.
PIXEL_TARGETS: Parameters = {
    "false_pixels": Number(
        0,
        1,
        open_low=True,
        open_high=True,
        one_of="pixel threshold",
        none="no pixel threshold",
        metavar="P",
        help="learn a pixel threshold for masks: share of a good image's pixels that may exceed it",
    ),
    "false_regions": Number(
        0,
        1,
        open_low=True,
        open_high=True,
        one_of="pixel threshold",
        none="no pixel threshold",
        metavar="P",
        help="learn a pixel threshold for masks: regions per good image that may exceed it",
    ),
}
#: What else every patch detector has.
PATCHES: Parameters = {
    "gaussian_sigma": Number(
        0, LARGEST_SIGMA, metavar="S", help="smoothing of the map, in pixels at the image size"
    ),
    "local_contrast": Number(
        0,
        1,
        metavar="SHARE",
        help="share of the map's local mean that is subtracted from it: 0.5 makes faint defects"
        " stand out",
    ),
    "contamination": COMMON["contamination"],
    **PIXEL_TARGETS,
    "device": NETWORK["device"],
    "engine": Text(
        none="rust for the embedded network, opencv for an ONNX backbone, torch for a network of"
        " torchvision or timm",
        metavar="NAME",
        help="what runs the backbone on the CPU: opencv (the faster of its two engines;"
        " opencv-classic and opencv-new name one), onnxruntime, openvino or openvino-bf16, for"
        " which a network of torchvision or timm is exported once; or rust, the package's own"
        " convolutions, for the embedded network alone",
        stored=Choice(*ENGINES, none=True),
    ),
    "batch_size": COMMON["batch_size"],
    "n_jobs": Either(
        Count(1),
        Choice(-1),
        none="1",
        stored=False,  # where it is loaded there may be another
        flags=("--jobs",),
        metavar="N",
        help="processes that read good images and compute their features, -1 for one per core",
    ),
    "bit_depth": ImagePreprocessor.PARAMETERS["bit_depth"],
    "max_pixels": ImagePreprocessor.PARAMETERS["max_pixels"],
    "pretrained": NETWORK["pretrained"],
    **COMMON,
}
