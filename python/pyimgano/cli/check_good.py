"""``pyimgano check-good``: look at good photos before they are learnt from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pyimgano.cli import detector_options, options

PROG = "pyimgano check-good"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Score each good photo by a detector that has learnt from all the others, and"
        " tell of photos that look odd, show the same picture, or were taken unlike the others.",
        epilog="Exit code: 0 if the photos could be scored, 2 if not. Nothing is changed.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="folders of good images (with all folders below), files, 'quoted patterns' or"
        " @list.txt",
    )
    options.add_good_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options.add_bad_image_option(parser)
    options.add_strict_option(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    detector_options.add_detector_options(parser, backbone="embedded")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.check_good import run_check_good
    from pyimgano.reporting.records import json_line

    (spec,) = detector_options.detector_specs(args)
    run = run_check_good(
        args.images,
        report=args.report,
        leave_out=args.leave_out,
        model=spec.model,
        strict=args.strict,
        verbose=sys.stderr.isatty() and not args.quiet,
        random_state=args.seed,
        on_bad_image=args.on_bad_image,
        **spec.parameters,
    )
    good = run.good
    if args.json:
        print(json_line(good.to_json(), ascii_only=True))
    else:
        print(f"images       {len(good.names)}")
        options.tell_good(good)
        if args.report is not None:
            print(f"pictures     {args.report}")
    for note in (run.left_out.describe(), *good.notes):
        options.tell(PROG, note)
    for path in run.skipped:
        options.tell(PROG, f"image left out: {path}")
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
