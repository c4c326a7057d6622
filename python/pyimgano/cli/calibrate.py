"""``pyimgano calibrate``: set a detector file's threshold by labelled images."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pyimgano.cli import options

PROG = "pyimgano calibrate"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    from pyimgano.models.parameters import PIXEL_TARGETS

    parser = options.Parser(
        prog=PROG,
        description="Score images whose labels are known, and write a detector file with the"
        " threshold that suits them. Use images that the detector has not learnt from.",
        epilog="Exit code: 0 if the file was written, 2 if not.",
    )
    parser.add_argument("detector", metavar="DETECTOR", help="file written by pyimgano fit")
    parser.add_argument(
        "--normal", nargs="+", default=[], metavar="IMAGES", help="good images: folders or files"
    )
    parser.add_argument(
        "--anomalous",
        nargs="+",
        default=[],
        metavar="IMAGES",
        help="defective images: folders or files",
    )
    parser.add_argument(
        "--objective",
        choices=("fpr", "f1", "youden", "recall"),
        help="fpr: a false-positive rate of --target, from the good images; the others need"
        " --anomalous (default: f1 with --anomalous and no --target, else fpr)",
    )
    parser.add_argument(
        "--target", type=float, metavar="P", help="rate for fpr (default: 0.1) or recall"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="set this threshold; --normal and --anomalous then only show what it does",
    )
    parser.add_argument(
        "--postprocess",
        metavar="STEPS",
        help="steps that maps go through before regions and pictures are made of them, such as"
        " gaussian_sigma=2,min_component_area=30, or none; alone they need no images",
    )
    pixels = parser.add_mutually_exclusive_group()
    for name, parameter in PIXEL_TARGETS.items():
        pixels.add_argument(
            f"--{name.replace('_', '-')}",
            type=options.typed(parameter, bounded=False),
            metavar=parameter.metavar,
            help=f"{parameter.help} (from --normal)",
        )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the file to write; may be the same file",
    )
    options.add_strict_option(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options.add_load_options(parser)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.models.parameters import PIXEL_TARGETS
    from pyimgano.pipelines.calibrate import Operating, attach_postprocess, run_calibrate
    from pyimgano.reporting.files import check_target
    from pyimgano.reporting.table import text_table

    for name, parameter in PIXEL_TARGETS.items():
        options.check_bounds(f"--{name.replace('_', '-')}", parameter, getattr(args, name))
    detector = options.load_detector(args)
    check_target(args.output)
    if args.postprocess is not None:
        image = (args.threshold, args.objective, args.target)
        given = {*image, args.false_pixels, args.false_regions}
        if not (args.normal or args.anomalous) and given == {None}:
            print(f"post-processing: {attach_postprocess(detector, args.postprocess)}")
            detector.save(args.output, **_storage(args.detector))
            return options.OK
    run = run_calibrate(
        detector,
        args.normal,
        args.anomalous,
        objective=args.objective,
        target=args.target,
        threshold=args.threshold,
        postprocess=args.postprocess,
        false_pixels=args.false_pixels,
        false_regions=args.false_regions,
        strict=args.strict,
        verbose=sys.stderr.isatty() and not args.quiet,
    )
    detector.save(args.output, **_storage(args.detector))
    if args.postprocess is not None:
        attached = detector.postprocess_
        print(f"post-processing: {'none' if attached is None else attached.describe()}")

    def row(name: str, one: Operating) -> list[str]:
        return [
            name,
            f"{one.threshold:.4f}",
            f"{one.n_false_alarms} of {one.n_normal}" if one.n_normal else "-",
            f"{one.n_found} of {one.n_anomalous}" if one.n_anomalous else "-",
        ]

    header = ["", "threshold", "false alarms", "defects found"]
    print(text_table(header, [row("before", run.before), row("after", run.after)]))
    print(run.source)
    if run.false_positive_rate is not None:
        print(run.false_positive_rate.describe())
    if (pixels := run.pixel_threshold) is not None:
        print(f"pixel threshold {pixels.value:.4f}: {pixels.describe()}")
    for note in (run.left_out.describe(), *run.notes):
        options.tell(PROG, note)
    return options.OK


def _storage(path: str) -> dict[str, Any]:
    """How a detector file stores its detector: the new file must go wherever it goes."""
    from pyimgano.persistence.container import read_container

    header, _ = read_container(path)
    return {
        "bank_dtype": (header["bank"] or {}).get("dtype", "float32"),
        "embed_backbone": header["features"].get("embedded", False),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
