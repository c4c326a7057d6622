"""``pyimgano-benchmark``: exact benchmark numbers for one, several or all categories."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from pyimgano.cli import options

PROG = "pyimgano-benchmark"


def build_parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Fit a detector on the normal images of a benchmark set, score its test"
        " images, and print image and pixel metrics.",
    )
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", required=True, help="mvtec, visa, btad, custom or synthetic")
    data.add_argument("--root", required=True, help="folder of the set (synthetic: made there)")
    data.add_argument(
        "--category",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="one, several, or all (default: all)",
    )
    options.add_detector_options(parser, backbone="wide_resnet50_2")
    run = parser.add_argument_group("run")
    run.add_argument(
        "--seed",
        nargs="+",
        type=int,
        default=[0],
        metavar="N",
        help="seeds; the table shows the mean over them (default: 0)",
    )
    run.add_argument(
        "--metric-size",
        type=int,
        metavar="S",
        help="pixel metrics at S x S (default: native resolution)",
    )
    run.add_argument(
        "--integration-limit",
        type=float,
        default=0.3,
        metavar="F",
        help="false-positive rate up to which AUPRO integrates (default: %(default)s)",
    )
    run.add_argument("--output", metavar="DIR", help="folder for results.json and overlays")
    run.add_argument(
        "--overlays",
        type=int,
        default=8,
        metavar="N",
        help="pictures of best and worst images per category, each kind N / 2 (default: 8)",
    )
    run.add_argument("--json", action="store_true", help="print JSON in place of the table")
    run.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _run(argv: Sequence[str] | None, prog: str) -> int:
    args = build_parser(prog).parse_args(argv)
    from pyimgano.pipelines.mvtec_visa import run_benchmark
    from pyimgano.reporting.results import CategoryResult
    from pyimgano.reporting.table import benchmark_table

    def report(one: CategoryResult) -> None:
        if one.error is not None:
            print(f"{prog}: {one.category} failed: {one.error}", file=sys.stderr)

    result = run_benchmark(
        dataset=args.dataset,
        root=args.root,
        categories=args.category,
        model=args.model,
        seeds=args.seed,
        metric_size=args.metric_size,
        integration_limit=args.integration_limit,
        output=args.output,
        n_overlays=args.overlays,
        verbose=sys.stderr.isatty() and not args.quiet,
        on_result=report,
        **options.detector_kwargs(args),
    )
    print(json.dumps(result.to_json(), indent=2) if args.json else benchmark_table(result))
    return options.FAILED if result.failed else options.OK


def main(argv: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Entry point; returns the exit code."""
    return options.run(prog, lambda given: _run(given, prog), argv)
