"""Options that several commands share, and the way every command ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pyimgano.errors import PyimganoError

#: Exit codes: everything worked; a category or an image failed; the user's mistake.
OK, FAILED, USAGE = 0, 1, 2


def image_size(text: str) -> int | tuple[int, int] | None:
    """``256``, ``256x384`` (height x width) or ``native``."""
    if text == "native":
        return None
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


def add_detector_options(parser: argparse.ArgumentParser, *, backbone: str) -> None:
    """Options that become parameters of the detector."""
    group = parser.add_argument_group("detector")
    group.add_argument("--model", default="patchcore", help="model name (default: %(default)s)")
    group.add_argument(
        "--backbone",
        default=backbone,
        help="'embedded' (no torch, no weights) or a torchvision network (default: %(default)s)",
    )
    group.add_argument(
        "--layers", nargs="+", metavar="NAME", help="layers of the network (ResNets: layer2 layer3)"
    )
    group.add_argument(
        "--weights", metavar="FILE", help="local weights file, or the name of torchvision's own"
    )
    group.add_argument(
        "--normalization",
        type=normalization,
        default="imagenet",
        metavar="M,S",
        help="imagenet, or mean,std of the network's input (default: %(default)s)",
    )
    group.add_argument(
        "--image-size",
        type=image_size,
        default=256,
        metavar="S",
        help="S, HxW or native (default: %(default)s)",
    )
    group.add_argument(
        "--coreset-ratio",
        type=float,
        default=0.1,
        metavar="R",
        help="share of patches kept as memory bank (default: %(default)s)",
    )
    group.add_argument(
        "--contamination",
        type=float,
        default=0.1,
        metavar="P",
        help="share of normal images allowed above the threshold (default: %(default)s)",
    )
    group.add_argument(
        "--device", default="cpu", help="torch device of the network (default: %(default)s)"
    )
    group.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="images per pass (%(default)s)"
    )


def detector_kwargs(args: argparse.Namespace) -> dict[str, Any]:
    """The detector's parameters out of parsed options."""
    names = (
        "backbone",
        "layers",
        "weights",
        "normalization",
        "image_size",
        "coreset_ratio",
        "contamination",
        "device",
        "batch_size",
    )
    return {name: getattr(args, name) for name in names}


def quieten() -> None:
    """Keep image codecs from writing to the terminal: what they say is in our own errors."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def run(
    prog: str, command: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None
) -> int:
    """Run a command; a user's mistake becomes one line on standard error and exit code 2."""
    quieten()
    try:
        return command(argv)
    except PyimganoError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away: nothing is wrong here, and Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
