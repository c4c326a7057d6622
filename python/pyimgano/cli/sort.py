"""``pyimgano sort``: the most suspicious images of a folder that nobody has sorted."""

import argparse
import sys
from collections.abc import Sequence

from pyimgano.cli import detector_options, learning, options

PROG = "pyimgano sort"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Compare each image of a folder with all others, and list those first that are"
        " least like the rest. None needs to be known as good; most should be.",
        epilog="Exit code: 0 if all images could be compared, 1 if some were left out, 2 if none"
        " was compared. No image is changed or moved.",
    )
    parser.add_argument("images", **{**learning.IMAGES, "help": learning.SOURCES_HELP})
    parser.add_argument("--output", metavar="DIR", help="folder for results.csv")
    options.add_report_options(parser, "all images with scores and heat maps")
    parser.add_argument(
        "--rerank",
        action="store_true",
        help="average each score over the three images that look most alike, as in the paper",
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="rows of the printed table (default: 20)"
    )
    options.add_strict_option(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    useless = ("contamination", "false_pixels", "false_regions")
    detector_options.add_options_of("mutual", parser, backbone="embedded", without=useless)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.sort import sort_images
    from pyimgano.reporting.table import text_table
    from pyimgano.utils.text import counted, printable, shown

    (spec,) = detector_options.detector_specs(args)
    found = sort_images(
        args.images,
        rerank_alike=args.rerank,
        output=args.output,
        report=args.report,
        report_images=args.report_images,
        strict=args.strict,
        verbose=sys.stderr.isatty() and not args.quiet,
        **spec.parameters,
    )
    top = found.order[: max(0, args.top)].tolist()
    rows = [
        [
            str(rank),
            found.photos.short(i),
            f"{found.scores[i]:.4f}",
            options.told(found.warnings(i)),
        ]
        for rank, i in enumerate(top, start=1)
    ]
    width = 4 if any(row[3] for row in rows) else 3
    header = ["rank", "file", "score", "image is"][:width]
    print(text_table(header, [row[:width] for row in rows]))
    if len(found.paths) > len(rows):
        print(f"... and {len(found.paths) - len(rows)} more, with lower scores")
    print(f"{counted(len(found.paths), 'image')} compared, the most suspicious first")
    for line in found.photos.lines():
        print(printable(line))
    if args.output is not None:
        print(f"results.csv in {shown(args.output)}")
    if args.report is not None:
        print(f"pictures in {shown(args.report)}")
    learning.tell_notes(PROG, found.left_out, found.photos.notes, [])
    for reason in found.unreadable.values():
        options.tell(PROG, f"not compared: {reason}")
    return options.FAILED if found.unreadable else options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
