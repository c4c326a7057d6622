"""Options that several commands share, and the way every command ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from pyimgano.errors import InvalidInputError, PyimganoError
from pyimgano.utils.text import printable

if TYPE_CHECKING:
    from pyimgano.models.good_photos import GoodPhotos
    from pyimgano.pipelines.comparison import ModelSpec

#: Exit codes: everything worked; a category or an image failed; the user's mistake.
OK, FAILED, USAGE = 0, 1, 2
#: An image size on the command line: that of each image.
NATIVE = "native"


class Parser(argparse.ArgumentParser):
    """Parser whose error is one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print a mistake and exit."""
        super().error(printable(message))


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


def add_detector_options(
    parser: argparse.ArgumentParser,
    *,
    backbone: str,
    several: bool = False,
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
    group.add_argument(
        "--backbone",
        metavar="NAME",
        help="'embedded' (no torch, no weights), a torchvision network or an ONNX file, for models"
        f" that have one (default: {backbone}; anomalib's models have their own)",
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
        metavar="M,S",
        help="imagenet, or mean,std of the network's input (default: imagenet)",
    )
    group.add_argument(
        "--image-size", type=image_size, metavar="S", help="S, HxW or native (default: 256)"
    )
    group.add_argument(
        "--coreset-ratio",
        type=float,
        metavar="R",
        help="share of patches kept as memory bank (default: 0.1)",
    )
    group.add_argument(
        "--target-fpr",
        "--contamination",
        dest="contamination",
        type=float,
        metavar="P",
        help="share of good parts that may be flagged: a lower one lets more defects pass"
        " (default: 0.1)",
    )
    group.add_argument("--device", help="torch device of the network (default: cpu)")
    group.add_argument(
        "--engine",
        metavar="NAME",
        help="what runs an ONNX backbone: opencv, onnxruntime, openvino or openvino-bf16 (default:"
        " opencv)",
    )
    group.add_argument("--batch-size", type=int, metavar="N", help="images per pass (default: 8)")
    group.add_argument(
        "--spill-dir",
        metavar="DIR",
        help="folder for training features that do not fit the memory (a temporary file)",
    )
    parser.set_defaults(default_backbone=backbone)


_DETECTOR_OPTIONS = (
    *("backbone", "layers", "weights", "normalization", "image_size", "coreset_ratio"),
    *("contamination", "device", "engine", "batch_size", "spill_dir"),
)


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
    given = {
        name: value for name in _DETECTOR_OPTIONS if (value := getattr(args, name)) is not None
    }
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


def add_bad_image_option(parser: argparse._ActionsContainer) -> None:
    """What to do about images that cannot be learnt from."""
    parser.add_argument(
        "--on-bad-image",
        choices=("raise", "skip"),
        default="raise",
        help="skip: leave out unreadable normal images, and list them (default: raise)",
    )


def add_good_options(parser: argparse._ActionsContainer) -> None:
    """What to do about odd ones among the good photos."""
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="NAME",
        help="good photos not to learn from: file names, 'quoted patterns', or odd for those whose"
        " scores stand apart",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="HTML page with pictures of odd photos, of equal ones, and all scores",
    )


def add_strict_option(parser: argparse._ActionsContainer) -> None:
    """What to do about files that are no input."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="a file or folder that is left out is an error; nobody misses hidden files, texts,"
        " tables and the like, which are left out anyway",
    )


def add_load_options(parser: argparse._ActionsContainer) -> None:
    """What :func:`pyimgano.load` takes beside the file."""
    parser.add_argument(
        "--weights", metavar="FILE", help="the backbone's weights or ONNX file, if it is elsewhere"
    )
    parser.add_argument(
        "--no-onnx", action="store_true", help="refuse a file that holds an ONNX network"
    )
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="run its ONNX network by this engine (default: the one noted in the"
        " file; calibrate notes it in the new file)",
    )


def load_detector(args: argparse.Namespace) -> Any:
    """The fitted detector that the command's first argument names."""
    import pyimgano

    return pyimgano.load(
        args.detector,
        weights=args.weights,
        allow_onnx=not args.no_onnx,
        engine=args.engine,
    )


def tell(prog: str, text: str) -> None:
    """One line on standard error, whatever is in a name; nothing for an empty text."""
    if text:
        print(f"{prog}: {printable(text)}", file=sys.stderr)


def tell_good(good: GoodPhotos) -> None:
    """The threshold and what a person should know of the good photos."""
    print(f"threshold    {good.threshold:.4f} ({printable(good.source)})")
    if good.rate is not None:
        print(f"             {good.rate.describe()}")
        print(f"             {good.rate.outlook()}; --target-fpr sets the share: a lower one lets")
        print("             more defects pass")
    for i, line in enumerate(good.lines()):
        print(f"{'' if i else 'good photos':<13}{printable(line)}")


def quieten() -> None:
    """Keep image codecs from writing to the terminal: what they say is in our own errors."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def run(
    prog: str, command: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None
) -> int:
    """Run a command; a user's mistake becomes one line on standard error and exit code 2."""
    quieten()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    try:
        code = command(argv)
        sys.stdout.flush()
        return code
    except PyimganoError as error:
        tell(prog, f"error: {error}")
        return USAGE
    except KeyboardInterrupt:
        tell(prog, "interrupted")
        return 130
    except BrokenPipeError:
        # The reader went away: nothing is wrong here.
        drop_output()
        return OK
    except OSError as error:
        if isinstance(error.filename, str | bytes):
            tell(prog, f"error: {os.fsdecode(error.filename)}: {error.strerror}")
            return USAGE
        drop_output()
        tell(prog, f"error: cannot write the output: {error.strerror}")
        return USAGE


def drop_output() -> None:
    """Let go of what standard output would not take: Python must not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
