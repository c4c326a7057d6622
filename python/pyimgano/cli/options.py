"""Options that several commands share, and the way every command ends."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pyimgano.errors import InvalidInputError, PyimganoError
from pyimgano.utils.parameters import Parameter, Unfit, brief
from pyimgano.utils.text import printable

#: Exit codes: everything worked; a category or an image failed; the user's mistake.
OK, FAILED, USAGE = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """Parser whose error is one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print a mistake and exit."""
        super().error(printable(message))


def typed(parameter: Parameter, *, bounded: bool = True) -> Callable[[str], Any]:
    """What :mod:`argparse` makes a value of a parameter with.

    ``bounded`` says whether it must be within the parameter's bounds; else :func:`check_bounds`
    comes later, when every option is known.
    """

    def convert(word: str) -> Any:
        try:
            value = parameter.parse(word)
        except Unfit as error:
            raise argparse.ArgumentTypeError(f"{word!r} is not {error.wanted}") from None
        try:
            return parameter.accept(value) if bounded else value
        except Unfit:
            raise argparse.ArgumentTypeError(f"{word!r} is not {parameter.typed}") from None

    return convert


def check_bounds(option: str, parameter: Parameter, value: Any) -> None:
    """Refuse a value that a parameter cannot have: an InvalidInputError names the option."""
    try:
        parameter.accept(value)
    except Unfit:
        got = "" if isinstance(value, (list, tuple)) else f", got {brief(value)}"
        raise InvalidInputError(f"{option} must be {parameter.typed}{got}") from None


def add_strict_option(parser: argparse._ActionsContainer) -> None:
    """What to do about files that are no input."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="treat a file or folder that would be left out as an error; hidden files, texts,"
        " tables and the like are always left out",
    )


def add_report_options(
    parser: argparse._ActionsContainer, shows: str, *, of_stream: bool = False
) -> None:
    """The page, and which images it has."""
    from pyimgano.reporting.image_page import DEFAULT_IMAGES

    parser.add_argument("--report", metavar="FILE.html", help=f"HTML page: {shows}")
    parser.add_argument(
        "--report-images",
        type=int,
        default=DEFAULT_IMAGES,
        metavar="N",
        help=f"images with pictures on the page (default: {DEFAULT_IMAGES})",
    )
    if of_stream:
        parser.add_argument(
            "--report-order",
            choices=("worst", "last"),
            default="worst",
            help="which images these are: those with the highest scores, or the last ones"
            " (default: worst)",
        )


def add_by_option(parser: argparse._ActionsContainer) -> None:
    """By what test images are parted."""
    from pyimgano.reporting.subsets import BY

    parser.add_argument(
        "--by",
        nargs="+",
        choices=BY,
        metavar="WHAT",
        default=[],
        help="also show parts of each category by defect (types of defect), group (whole parts that"
        " several images show) or attribute (values of attributes)",
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
        help="what runs the detector's network: an ONNX one, one of torchvision or timm, or the"
        " embedded one (default: the one noted in the file; calibrate notes it in the new file)",
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


def told(warnings: Sequence[str]) -> str:
    """What is told of an image, without the figures, which are in the results."""
    return ", ".join(line.partition(":")[0] for line in warnings)


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
