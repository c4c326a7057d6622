"""``pyimgano check-good``: look at good photos before they are learnt from."""

import argparse
from collections.abc import Sequence

from pyimgano.cli import learning, options

PROG = "pyimgano check-good"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Score each good photo by a detector that has learnt from all the others, and"
        " tell of photos that look odd, show the same picture, or were taken unlike the others.",
        epilog="Exit code: 0 if the photos could be scored, 2 if not. No photo is changed.",
    )
    parser.add_argument("images", **learning.IMAGES)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    model_group = parser.add_mutually_exclusive_group()
    model_group.add_argument(
        "--mutual",
        dest="model",
        default=argparse.SUPPRESS,  # which is that of --model
        action="store_const",
        const="mutual",
        help="compare the photos with each other, where many of them may be bad: --model mutual",
    )
    learning.add_learning_options(parser, model_group)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.check_good import run_check_good
    from pyimgano.reporting.records import json_line

    run = run_check_good(args.images, **learning.learning_arguments(args))
    good = run.good
    if args.json:
        print(json_line(good.to_json(), ascii_only=True))
    else:
        print(f"images       {len(good.names)}")
        learning.print_good(good, args.report)
    learning.tell_notes(PROG, run.left_out, good.notes, run.skipped)
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
