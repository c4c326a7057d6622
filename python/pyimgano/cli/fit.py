"""``pyimgano fit``: learn from good images, write a detector file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pyimgano.cli import detector_options, options

PROG = "pyimgano fit"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Learn what is normal from good images and write the fitted detector to one"
        " file, for pyimgano predict and pyimgano.load.",
        epilog="Exit code: 0 if the file was written, 2 if not; every unreadable image is named.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="folders of good images (with all folders below), files, 'quoted patterns' or"
        " @list.txt",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the detector file; an old one is replaced once the new one is complete",
    )
    options.add_good_options(parser)
    options.add_bad_image_option(parser)
    options.add_strict_option(parser)
    parser.add_argument(
        "--bank-dtype",
        choices=("float32", "float16"),
        default="float32",
        help="float16: half the file size, scores change slightly (default: float32)",
    )
    parser.add_argument(
        "--embed-backbone",
        action="store_true",
        help="put the network into the file, as ONNX: it then runs without torch (exporting a"
        " torchvision network needs the extra export)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    detector_options.add_detector_options(parser, backbone="embedded")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.fit import run_fit

    (spec,) = detector_options.detector_specs(args)
    run = run_fit(
        args.images,
        args.output,
        model=spec.model,
        bank_dtype=args.bank_dtype,
        embed_backbone=args.embed_backbone,
        leave_out=args.leave_out,
        report=args.report,
        strict=args.strict,
        verbose=sys.stderr.isatty() and not args.quiet,
        random_state=args.seed,
        on_bad_image=args.on_bad_image,
        **spec.parameters,
    )
    print(f"images       {run.n_images}")
    if run.bank_shape is not None:
        print("memory bank  {:,} patches of {} features".format(*run.bank_shape))
    options.tell_good(run.good)
    print(f"file         {run.path}, {run.size / 1e6:.2f} MB")
    print(f"SHA-256      {run.sha256}")
    for note in (run.left_out.describe(), *run.good.notes):
        options.tell(PROG, note)
    for path in run.skipped:
        options.tell(PROG, f"image left out: {path}")
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
