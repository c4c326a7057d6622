"""Options that become parameters of a detector."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError

if TYPE_CHECKING:
    from pyimgano.pipelines.comparison import ModelSpec

#: An image size on the command line: that of each image.
NATIVE = "native"


def image_size(text: str) -> int | tuple[int, int] | str:
    """``256``, ``256x384`` (height x width) or ``native``."""
    if text == NATIVE:
        return NATIVE
    parts = text.lower().split("x")
    try:
        sides = [int(part) for part in parts]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides, default=0) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size: give 256, 256x384 (height x width) or native"
        )
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def normalization(text: str) -> Any:
    """``imagenet``, or six numbers: three means and three standard deviations."""
    if text == "imagenet":
        return text
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 2:
        values = [values[0]] * 3 + [values[1]] * 3
    if len(values) != 6:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a normalization: give imagenet, "mean,std" or "m,m,m,s,s,s"'
        )
    return values[:3], values[3:]


#: Parameter, and its option; an option is called as its parameter unless it says otherwise. ``{}``
#: is the command's own default backbone.
_OPTIONS: dict[str, dict[str, Any]] = {
    "backbone": {
        "metavar": "NAME",
        "help": "'embedded' (no torch, no weights), a torchvision network or an ONNX file, for"
        " models that have one (default: {}; anomalib's models have their own)",
    },
    "layers": {
        "nargs": "+",
        "metavar": "NAME",
        "help": "layers of the network (ResNets: layer2 layer3)",
    },
    "weights": {
        "metavar": "FILE",
        "help": "local weights file, or the name of torchvision's own",
    },
    "normalization": {
        "type": normalization,
        "metavar": "M,S",
        "help": "imagenet, or mean,std of the network's input (default: imagenet)",
    },
    "image_size": {
        "type": image_size,
        "metavar": "S",
        "help": "S, HxW or native (default: 256)",
    },
    "preset": {
        "choices": ("paper",),
        "help": "as in the paper: resize to 256, centre crop to 224",
    },
    "coreset_ratio": {
        "type": float,
        "metavar": "R",
        "help": "share of the patches kept as memory bank, the patches of good images that others"
        " are compared with (default: 0.1)",
    },
    "n_neighbors": {
        "type": int,
        "metavar": "N",
        "help": "bank rows in the re-weighting of the image score (default: 9)",
    },
    "knn_backend": {
        "metavar": "NAME",
        "help": "what finds the nearest bank rows: rust, sklearn, faiss or one that is registered"
        " (default: auto, always the Rust one)",
    },
    "gaussian_sigma": {
        "type": float,
        "metavar": "S",
        "help": "smoothing of the map, in pixels at the image size (default: 4)",
    },
    "contamination": {
        "flags": ("--target-fpr", "--contamination"),
        "type": float,
        "metavar": "P",
        "help": "share of good parts that may be flagged: a lower one lets more defects pass"
        " (default: 0.1)",
    },
    "device": {"metavar": "NAME", "help": "torch device of the network (default: cpu)"},
    "engine": {
        "metavar": "NAME",
        "help": "what runs an ONNX backbone: opencv, onnxruntime, openvino or openvino-bf16"
        " (default: opencv)",
    },
    "batch_size": {"type": int, "metavar": "N", "help": "images per pass (default: 8)"},
    "bit_depth": {
        "type": int,
        "metavar": "B",
        "help": "bits used in 16-bit images, such as 12 (default: all 16)",
    },
    "max_pixels": {
        "type": int,
        "metavar": "N",
        "help": "larger images are refused before they are decoded (default: 100000000)",
    },
    "spill_dir": {
        "metavar": "DIR",
        "help": "folder for training features that do not fit the memory (a temporary file)",
    },
}


def add_detector_options(
    parser: argparse.ArgumentParser, *, backbone: str, several: bool = False
) -> None:
    """Options that become parameters of the detector; those not given are left to it."""
    group = parser.add_argument_group("detector")
    if several:
        group.add_argument(
            "--model",
            nargs="+",
            default=["patchcore"],
            metavar="MODEL[:BACKBONE]",
            help="one or several, compared in one table (default: patchcore); pyimgano models"
            " lists them",
        )
    else:
        group.add_argument(
            "--model",
            default="patchcore",
            metavar="MODEL",
            help="pyimgano models lists them (default: patchcore)",
        )
    for name, option in _OPTIONS.items():
        settings = {key: value for key, value in option.items() if key != "flags"}
        settings["help"] = settings["help"].format(backbone)
        flags = option.get("flags", ("--" + name.replace("_", "-"),))
        group.add_argument(*flags, dest=name, **settings)
    parser.set_defaults(default_backbone=backbone)


def _useless(backbone: Any) -> tuple[str, ...]:
    """Options that a kind of backbone has no use for, although others in a comparison may."""
    from pyimgano.features.build import EMBEDDED, is_onnx

    if backbone == EMBEDDED:
        return ("layers", "weights", "normalization", "device", "engine")
    return ("weights", "device") if is_onnx(backbone) else ("engine",)


def detector_specs(args: argparse.Namespace) -> list[ModelSpec]:
    """The models of ``--model``, each with those of the given options that it has.

    Raises
    ------
    InvalidInputError
        An option that no model of the command has.
    """
    from pyimgano.models import create_model
    from pyimgano.pipelines.comparison import ModelSpec

    specs = [ModelSpec.parse(m) for m in ([args.model] if type(args.model) is str else args.model)]
    given = {name: value for name in _OPTIONS if (value := getattr(args, name)) is not None}
    if args.image_size == NATIVE:
        given["image_size"] = None
    unused = set(given)
    found = []
    for spec in specs:
        known = create_model(spec.model).get_params()
        if not spec.parameters.keys() <= known.keys():
            raise InvalidInputError(f"--model {spec.title}: {spec.model} has no backbone to choose")
        # A model whose own default is None (anomalib's) knows best what suits it.
        own = {} if known.get("backbone") is None else {"backbone": args.default_backbone}
        own |= {name: value for name, value in given.items() if name in known}
        own |= spec.parameters
        if len(specs) > 1 and "backbone" in own:
            own = {k: v for k, v in own.items() if k not in _useless(own["backbone"])}
        unused -= set(own)
        found.append(replace(spec, parameters=own))
    if unused:
        option = "--" + min(unused).replace("_", "-")
        raise InvalidInputError(
            f"{option}: {' and '.join(s.model for s in specs)} has no such option"
        )
    return found
