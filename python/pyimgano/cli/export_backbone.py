"""``pyimgano export-backbone``: a network of torch as an ONNX file."""

import argparse
from collections.abc import Sequence
from typing import Any

from pyimgano.cli import options
from pyimgano.utils.parameters import Normalization, Size
from pyimgano.utils.text import shown

PROG = "pyimgano export-backbone"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Write the part of a network of torchvision or timm that a detector uses as an"
        " ONNX file, for detectors that are to run without torch. Before the file is written, the"
        " features that it gives under OpenCV are compared with the network's own.",
    )
    parser.add_argument(
        "network",
        help="name of a torchvision network, such as resnet18, or of one of timm, such as"
        " timm:vit_small_patch14_dinov2",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE.onnx",
        help="file to write; its name ends in .onnx",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="local weights file, or the name of torchvision's own (default: the network's, which"
        " torchvision or timm download)",
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="NAME",
        help="outputs; the network is cut after the last of them (default: of a ResNet layer2"
        " layer3, of a vision transformer its last block)",
    )
    parser.add_argument(
        "--normalization",
        type=options.typed(Normalization()),
        default="imagenet",
        metavar="M,S",
        help="imagenet, or mean,std of the network's input; noted in the file (default: imagenet,"
        " or what timm knows of the network)",
    )
    parser.add_argument(
        "--image-size",
        type=options.typed(Size()),
        default=256,
        metavar="S",
        help="S or HxW of the image to trace and check with; the file takes any size, but that of a"
        " vision transformer this one alone (default: 256)",
    )
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.errors import InvalidInputError
    from pyimgano.features.build import build_features, is_onnx
    from pyimgano.reporting.files import check_target, write_bytes

    if not is_onnx(args.output):
        raise InvalidInputError(f"--output {shown(args.output)}: the file's name must end in .onnx")
    check_target(args.output)
    given = {key: getattr(args, key) for key in ("layers", "weights", "normalization")}
    network: Any = getattr(build_features(args.network, **given), "backbone", None)
    if not hasattr(network, "to_onnx"):
        raise InvalidInputError(
            f"backbone {args.network!r} is no network of torch, which alone can be exported"
        )
    exported = network.to_onnx(image_size=args.image_size)
    data = exported.onnx_bytes()
    write_bytes(args.output, data)
    outputs = " ".join(layer.name for layer in exported.info.layers)
    print(
        f"{shown(args.output)}: {args.network}, outputs {outputs},"
        f" {len(data) / 1e6:.1f} MB, SHA-256 {exported.info.origin['weights_sha256']}"
    )
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
