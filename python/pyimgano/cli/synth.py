"""``pyimgano synth``: write the synthetic image set."""

import argparse
import sys
from collections.abc import Sequence

from pyimgano.cli import options
from pyimgano.utils.parameters import Size

PROG = "pyimgano synth"


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    from pyimgano.datasets.synthetic import CATEGORIES, LARGE_CATEGORIES

    parser = options.Parser(
        prog=PROG, description="Write a synthetic image set in the MVTec AD layout."
    )
    parser.add_argument("root", help="folder to write to")
    parser.add_argument(
        "--category",
        nargs="+",
        metavar="NAME",
        help=f"only these of: {', '.join(CATEGORIES)}; with --large of: "
        f"{', '.join(LARGE_CATEGORIES)}",
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help="large images with small defects instead, of 10 to 320 pixels, faint to strong",
    )
    parser.add_argument(
        "--train", type=int, default=24, metavar="N", help="training images (default: 24)"
    )
    parser.add_argument(
        "--good", type=int, default=10, metavar="N", help="good test images (default: 10)"
    )
    parser.add_argument(
        "--defects",
        type=int,
        default=5,
        metavar="N",
        help="test images per kind of defect (default: 5)",
    )
    parser.add_argument(
        "--image-size",
        type=options.typed(Size()),
        metavar="S",
        help="S or HxW (default: 256; 3000x4000 with --large)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a set written with other parameters (--large always does)",
    )
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.datasets.synthetic import generate_large, generate_synthetic
    from pyimgano.utils.progress import track
    from pyimgano.utils.text import shown

    given = {
        "categories": args.category,
        "n_train": args.train,
        "n_test_good": args.good,
        "n_test_defect": args.defects,
        "image_size": args.image_size or ((3000, 4000) if args.large else 256),
        "seed": args.seed,
    }
    with track(1, "rendering", sys.stderr.isatty()) as advance:
        if args.large:
            names = generate_large(args.root, progress=advance.to, **given)
        else:
            names = generate_synthetic(
                args.root, overwrite=args.overwrite, progress=advance.to, **given
            )
    print(f"{', '.join(names)} in {shown(args.root)}")
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
