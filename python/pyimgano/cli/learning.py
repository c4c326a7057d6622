"""What commands that learn from good photos share: options, and what they say of the photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyimgano.cli import detector_options, options
from pyimgano.utils.text import printable, shown

if TYPE_CHECKING:
    from pyimgano.images.left_out import LeftOut
    from pyimgano.models.good_photos import GoodPhotos

#: What a source of images can be, for ``--help``.
SOURCES_HELP = "folders of images (with all folders below), files, 'quoted patterns' or @list.txt"
#: Sources of good photos, as an argument of a command.
IMAGES: dict[str, Any] = {
    "nargs": "+",
    "metavar": "IMAGES",
    "help": SOURCES_HELP.replace("images", "good images", 1),
}


def add_learning_options(
    parser: argparse.ArgumentParser,
    model_group: argparse._MutuallyExclusiveGroup | None = None,
    *,
    shows: str = "all good photos with scores, heat maps and the photo nearest to each",
) -> None:
    """The photos not to learn from, the page about them, and the detector."""
    parser.add_argument(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="NAME",
        help="good photos not to learn from: file names, 'quoted patterns', or odd: those whose"
        " scores stand apart from the rest",
    )
    options.add_report_options(parser, shows)
    parser.add_argument(
        "--on-bad-image",
        choices=("raise", "skip"),
        default="raise",
        help="an unreadable good image ends the run (raise), or is left out and listed (skip);"
        " default: raise",
    )
    options.add_strict_option(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    detector_options.add_detector_options(parser, backbone="embedded", model_group=model_group)


def learning_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """These options as the pipelines take them."""
    (spec,) = detector_options.detector_specs(args)
    # JSON has standard output for itself.
    told = sys.stderr if getattr(args, "json", False) else None
    return {
        "model": spec.model,
        "leave_out": args.leave_out,
        "report": args.report,
        "report_images": args.report_images,
        "strict": args.strict,
        "verbose": sys.stderr.isatty() and not args.quiet,
        "random_state": args.seed,
        "on_bad_image": args.on_bad_image,
        "on_plan": lambda line: print(f"plan         {line}", file=told, flush=True),
        **spec.parameters,
    }


def print_good(good: GoodPhotos, report: str | None) -> None:
    """The threshold, and what a person should know of the photos."""
    print(f"threshold    {good.threshold:.4f} ({printable(good.source)})")
    if good.rate is not None:
        print(f"             {good.rate.describe()}")
        print(f"             {good.rate.outlook()}; --target-fpr sets the share:")
        print("             a lower one lets more defects pass")
    if (pixels := good.pixel_threshold) is not None:
        print(f"pixels       {pixels.value:.4f} ({pixels.describe()})")
    rows = [(printable(name), score, printable(why)) for name, score, why in good.rows()]
    width = max((len(name) for name, _, _ in rows), default=0)
    for i, (name, score, why) in enumerate(rows):
        print(f"{'' if i else 'look at':<13}{name:<{width}}  {score:>8}  {why}".rstrip())
    for i, line in enumerate(good.lines()):
        print(f"{'' if i else 'good photos':<13}{printable(line)}")
    if report is not None:
        print(f"pictures     {shown(report)}")


def tell_notes(prog: str, left_out: LeftOut, notes: Iterable[str], skipped: Iterable[str]) -> None:
    """On standard error: what was left out, warnings, and good photos that could not be read."""
    for note in (left_out.describe(), *notes):
        options.tell(prog, note)
    for path in skipped:
        options.tell(prog, f"good photo left out: {path}")
