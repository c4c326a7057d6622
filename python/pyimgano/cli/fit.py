"""``pyimgano fit``: learn from good images, write a detector file."""

import argparse
from collections.abc import Sequence

from pyimgano.cli import learning, options

PROG = "pyimgano fit"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(
        prog=PROG,
        description="Learn what is normal from good images and write the fitted detector to one"
        " file, for pyimgano predict and pyimgano.load.",
        epilog="Exit code: 0 if the file was written, 2 if not; every unreadable image is named.",
    )
    parser.add_argument("images", **learning.IMAGES)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the detector file; an old one is replaced once the new one is complete",
    )
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
    parser.add_argument(
        "--no-training-paths",
        action="store_true",
        help="do not note in the file where the good images are; pages then do not show the one"
        " nearest to a defect",
    )
    learning.add_learning_options(parser)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.pipelines.fit import run_fit

    run = run_fit(
        args.images,
        args.output,
        bank_dtype=args.bank_dtype,
        embed_backbone=args.embed_backbone,
        training_paths=not args.no_training_paths,
        **learning.learning_arguments(args),
    )
    print(f"images       {run.n_images}")
    if run.bank_shape is not None:
        print("memory bank  {:,} patches of {} features".format(*run.bank_shape))
    learning.print_good(run.good, args.report)
    print(f"file         {run.path}, {run.size / 1e6:.2f} MB")
    print(f"SHA-256      {run.sha256}")
    learning.tell_notes(PROG, run.left_out, run.good.notes, run.skipped)
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
