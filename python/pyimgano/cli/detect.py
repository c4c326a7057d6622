"""``pyimgano detect``: learn from one folder, check another."""

import argparse
from collections.abc import Sequence

from pyimgano.cli import learning, options

PROG = "pyimgano detect"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Learn what is normal from one folder of good images, then score every image"
        " of another folder. No labels and no particular layout are needed.",
    )
    parser.add_argument("--normal", required=True, metavar="DIR", help="folder of good images")
    parser.add_argument("--test", required=True, metavar="DIR", help="folder of images to check")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder for results and overlays"
    )
    parser.add_argument("--no-overlays", action="store_true", help="write no pictures")
    parser.add_argument(
        "--masks",
        action="store_true",
        help="write masks as PNG, 255 above the pixel threshold and 0 elsewhere (needs"
        " --false-pixels or --false-regions)",
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="rows of the printed table (default: 20)"
    )
    learning.add_learning_options(
        parser,
        shows="the checked images, heat maps, the flagged place and the good photo nearest to it",
    )
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.detect import run_detect
    from pyimgano.reporting.table import text_table
    from pyimgano.utils.text import counted, shown

    run = run_detect(
        normal=args.normal,
        test=args.test,
        output=args.output,
        overlays=not args.no_overlays,
        masks=args.masks,
        **learning.learning_arguments(args),
    )
    rows = [
        [d.path, f"{d.score:.4f}", d.verdict or "", options.told(d.warnings)]
        for d in run.detections[: max(0, args.top)]
        if d.error is None
    ]
    # Without warnings there is no column of that name.
    width = 4 if any(row[3] for row in rows) else 3
    header = ["file", "score", "verdict", "image is"][:width]
    print(text_table(header, [row[:width] for row in rows]))
    left_out = len(run.detections) - len(run.unreadable) - len(rows)
    if left_out > 0:
        print(f"... and {left_out} more, with lower scores")
    n_scored = len(run.detections) - len(run.unreadable)
    print(f"defects found in {run.n_anomalous} of {counted(n_scored, 'image')}")
    learning.print_good(run.good, args.report)
    pictures = f", {run.overlays}/" if run.n_overlays else ""
    pictures += f", {run.masks}/" if run.masks else ""
    print(f"results.csv, results.json{pictures} in {shown(args.output)}")
    learning.tell_notes(PROG, run.left_out, [*run.health(), *run.notes], run.skipped)
    for bad in run.unreadable:
        options.tell(PROG, f"not scored: {bad.error}")
    return options.FAILED if run.unreadable else options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
