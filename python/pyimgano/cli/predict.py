"""``pyimgano predict``: score images with a detector file."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pyimgano.cli import options
from pyimgano.utils.text import counted

PROG = "pyimgano predict"
_INTERRUPTED = 130
#: What is written of each image, if it is asked for.
_PICTURES = {
    "maps": "anomaly maps as TIFF, float32",
    "overlays": "pictures with heat maps",
    "masks": "masks as PNG: 255 above the detector's pixel threshold, 0 elsewhere",
}


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Score images with a detector file. Each result is printed as soon as it is"
        " known, and memory does not grow with the number of images.",
        epilog="An image that cannot be scored gives a line with the error, and the others go on."
        " Exit code: 0 if every image was scored, 1 if one was not"
        " (or, with --strict, a file was left out), 2 for a mistake in the"
        " command, a detector file that cannot be loaded or a folder that cannot be written to,"
        " 130 if interrupted (what was finished is in the output folder).",
    )
    parser.add_argument("detector", metavar="DETECTOR", help="file written by pyimgano fit")
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGES",
        help="files, folders (with all folders below, sorted by path), 'quoted patterns' (** for"
        " any depth) or @list.txt, in any combination",
    )
    parser.add_argument(
        "--list",
        action="append",
        default=[],
        metavar="FILE",
        help="file with one path per line; - is standard input, scored line by line",
    )
    out = parser.add_argument_group("output")
    out.add_argument(
        "--output",
        metavar="DIR",
        help="folder for results.jsonl, results.csv, maps, overlays and masks",
    )
    out.add_argument(
        "--jsonl", action="store_true", help="print JSON, one line per image, instead of a table"
    )
    out.add_argument(
        "--regions", action="store_true", help="box, area and highest score of each defect region"
    )
    for name, what in _PICTURES.items():
        out.add_argument(f"--{name}", action="store_true", help=f"write {what} (needs --output)")
    shows = "images, heat maps, the flagged place and the good photo nearest to it"
    options.add_report_options(out, shows, of_stream=True)
    out.add_argument("--quiet", action="store_true", help="show no progress, table or summary")
    run = parser.add_argument_group("run")
    options.add_strict_option(run)
    options.add_load_options(run)
    run.add_argument(
        "--batch-size",
        type=int,
        default=1,
        metavar="N",
        help="images per pass, for a network on a GPU; at most as many as in fit (default: 1)",
    )
    return parser


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    if not args.images and not args.list:
        parser.error("no images: give files, folders, patterns or --list FILE")
    if (args.maps or args.overlays or args.masks) and args.output is None:
        parser.error("--maps, --overlays and --masks need --output DIR")
    from pyimgano.images.left_out import LeftOut
    from pyimgano.images.sources import stream_images
    from pyimgano.pipelines.predict import PredictRun
    from pyimgano.utils.progress import track
    from pyimgano.utils.text import shown

    left_out = LeftOut()
    paths = stream_images(args.images, args.list, left_out=left_out, output=args.output)
    run = PredictRun(
        options.load_detector(args),
        output=args.output,
        maps=args.maps,
        overlays=args.overlays,
        masks=args.masks,
        regions=args.regions,
        batch_size=args.batch_size,
        left_out=left_out,
        report=args.report,
        report_images=args.report_images,
        report_order=args.report_order,
    )
    if run.summary.postprocess is not None and not args.quiet:
        options.tell(PROG, f"post-processing: {run.summary.postprocess.describe()}")
    # On a terminal the table itself shows the progress.
    bar = sys.stderr.isatty() and not sys.stdout.isatty() and not args.quiet
    code = options.OK
    records = run.records(paths)
    try:
        with track(None, "scoring", bar) as advance:
            for number, record in enumerate(records):
                try:
                    _print(record, args, first=number == 0)
                except BrokenPipeError:
                    if args.output is None:
                        raise
                    options.drop_output()  # what is written to the folder goes on
                advance()
    except KeyboardInterrupt:
        options.tell(PROG, "interrupted")
        code = _INTERRUPTED
    finally:
        records.close()
    if not args.quiet:
        for line in (run.summary.describe(), *run.summary.health.lines()):
            options.tell(PROG, line)
        if args.report is not None:
            options.tell(PROG, f"page {shown(args.report)}")
    missed = args.strict and left_out.total
    options.tell(PROG, f"{'error: ' if missed else ''}{left_out.describe()}")
    return code or (options.FAILED if run.summary.n_failed or missed else options.OK)


def _print(record: dict[str, Any], args: argparse.Namespace, *, first: bool) -> None:
    from pyimgano.reporting.records import json_line
    from pyimgano.utils.text import shown

    if args.jsonl:
        # Escaped beyond ASCII: it reads the same in JSON, and in whatever encoding stdout has.
        print(json_line(record, ascii_only=True), flush=True)
        return
    if "error" in record:
        options.tell(PROG, record["error"])
        return
    if args.quiet:
        return
    if first:
        print(f"{'score':>10}  {'verdict':<7}  {'ms':>8}  file")
    verdict = f"{record['verdict']:<7}"
    lines = [f"{record['score']:10.4f}  {verdict}  {record['ms']:8.1f}  {shown(record['path'])}"]
    lines += [f"{'':10}    {warning}" for warning in record["warnings"]]
    for region in record.get("regions", ()):
        x, y, width, height = region["box"]
        lines.append(
            f"{region['score']:10.4f}    region {width} x {height} at ({x}, {y}),"
            f" {region['area']} px"
        )
    left = record.get("n_regions", 0) - len(record.get("regions", ()))
    if left:
        lines.append(f"{'':10}    and {counted(left, 'more region')}, with lower scores")
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(lines).encode(encoding, "backslashreplace").decode(encoding)
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
