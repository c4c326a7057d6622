"""``pyimgano monitor``: whether images have left what was learnt, from the records of predict."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from pyimgano.cli import options
from pyimgano.errors import InvalidInputError

PROG = "pyimgano monitor"
_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Tell from the records of predict whether light, contrast, sharpness or scores"
        " have drifted, and since when. Records are taken in the order in which they stand. A"
        " change is told on standard error as soon as it is found; the report comes at the end.",
        epilog="Exit code: 0 if nothing has changed, 1 if something has, 2 for a mistake in the"
        " command or a line that is no record (the report on the lines before it is printed), 130"
        " if interrupted (likewise).",
    )
    parser.add_argument(
        "records", metavar="FILE", help="results.jsonl of predict; - is standard input"
    )
    parser.add_argument(
        "--detector",
        metavar="FILE",
        help="detector file: compare all records with its training images (default: later records"
        " with earlier ones)",
    )
    parser.add_argument(
        "--false-alarm-every",
        type=int,
        default=10_000,
        metavar="N",
        help="how many images pass, on average and at least, before a false alarm (default: 10000)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options.add_load_options(parser)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.monitor import Monitor, watch
    from pyimgano.reporting.records import json_line
    from pyimgano.utils.text import printable, shown

    detector = None if args.detector is None else options.load_detector(args)
    monitor = Monitor(detector, false_alarm_every=args.false_alarm_every)
    piped = args.records == "-"
    name = "standard input" if piped else shown(args.records)
    code = options.OK
    with nullcontext(sys.stdin.buffer) if piped else open(args.records, "rb") as lines:
        try:
            for drift in watch(monitor, lines, name):
                options.tell(PROG, drift.describe())
        except InvalidInputError as error:
            options.tell(PROG, f"error: {error}")
            code = options.USAGE
        except KeyboardInterrupt:
            options.tell(PROG, "interrupted")
            code = _INTERRUPTED
    if args.json and monitor.n_records:
        print(json_line(monitor.to_json(), ascii_only=True))
    elif monitor.n_records:
        print("\n".join(map(printable, monitor.lines())))
    return code or (options.FAILED if monitor.drifts else options.OK)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
