"""``pyimgano compare``: whether two benchmark runs differ by more than chance."""

import argparse
import json
from collections.abc import Sequence

from pyimgano.cli import options

PROG = "pyimgano compare"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Compare two benchmark runs on the same images: the difference of each figure"
        " with a paired 95 % interval and test, per category and over all.",
        epilog="Exit code: 0 if the runs were compared, 2 if they cannot be.",
    )
    parser.add_argument("a", metavar="A", help="folder of results, or a results.json")
    parser.add_argument("b", metavar="B", help="that of the other run")
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help="metrics to compare (default: those of the tables that both runs have)",
    )
    options.add_by_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.compare_runs import compare_runs

    found = compare_runs(args.a, args.b, metrics=args.metrics, by=args.by)
    print(json.dumps(found.to_json(), indent=2) if args.json else found.table())
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
