"""``pyimgano export-backbone``: a torchvision network as an ONNX file."""

import argparse
from collections.abc import Sequence

from pyimgano.cli import options
from pyimgano.utils.parameters import Normalization
from pyimgano.utils.text import shown

PROG = "pyimgano export-backbone"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Write the part of a torchvision network that a detector uses as an ONNX file,"
        " for detectors that are to run without torch. Before the file is written, the features"
        " that it gives under OpenCV are compared with the network's own.",
    )
    parser.add_argument("network", help="name of a torchvision network, such as resnet18")
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
        help="local weights file, or the name of torchvision's own (default: ImageNet V1, which"
        " torchvision downloads)",
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="NAME",
        help="outputs; the network is cut after the last of them (ResNets: layer2 layer3)",
    )
    parser.add_argument(
        "--normalization",
        type=options.typed(Normalization()),
        default="imagenet",
        metavar="M,S",
        help="imagenet, or mean,std of the network's input; noted in the file (default: imagenet)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        default=256,
        metavar="S",
        help="side of the image to trace and check with; the file takes any size (default: 256)",
    )
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.errors import InvalidInputError
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone
    from pyimgano.features.build import is_onnx
    from pyimgano.reporting.files import check_target, write_bytes

    if not is_onnx(args.output):
        raise InvalidInputError(f"--output {shown(args.output)}: the file's name must end in .onnx")
    check_target(args.output)
    network = TorchvisionBackbone(
        args.network, layers=args.layers, weights=args.weights, normalization=args.normalization
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
