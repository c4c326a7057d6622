"""``pyimgano export-submission``: results for the evaluation server of MVTec AD 2."""

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from pyimgano.cli import detector_options, options
from pyimgano.utils.text import shown

PROG = "pyimgano export-submission"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    from pyimgano.reporting.float_tiff import FloatType

    parser = options.Parser(
        prog=PROG,
        description="Learn each object of MVTec AD 2, and write anomaly images of both private test"
        " sets, continuous and thresholded, under the names that the evaluation server expects.",
        epilog="An interrupted export goes on after the last complete object when the same command"
        " is given again. Exit code: 0 if the submission is complete, 2 if not.",
    )
    parser.add_argument(
        "--root", required=True, metavar="DIR", help="folder of MVTec AD 2, with all eight objects"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder to write; must not exist without --overwrite",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="maps above it are 255 in the thresholded images (default: for each object the mean of"
        " the validation pixels plus three standard deviations, or with --false-pixels or"
        " --false-regions the detector's pixel threshold)",
    )
    parser.add_argument(
        "--dtype",
        choices=get_args(FloatType),
        default="float16",
        help="number type of the continuous images (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an earlier submission, and begin anew",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    detector_options.add_detector_options(parser, backbone="wide_resnet50_2")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.submission import export_submission

    (spec,) = detector_options.detector_specs(args)
    done = export_submission(
        args.output,
        root=args.root,
        model=spec.model,
        threshold=args.threshold,
        dtype=args.dtype,
        overwrite=args.overwrite,
        verbose=sys.stderr.isatty() and not args.quiet,
        on_object=lambda name, threshold: print(f"{name}: threshold {threshold:.4f}", flush=True),
        **spec.parameters,
    )
    print(f"{shown(done.folder)}: anomaly images of {done.n_images} private images")
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
