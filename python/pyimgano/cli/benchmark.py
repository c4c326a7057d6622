"""``pyimgano-benchmark``: exact benchmark numbers for one, several or all categories."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from pyimgano.cli import detector_options, options
from pyimgano.utils.text import shown

PROG = "pyimgano-benchmark"


def build_parser(prog: str = PROG) -> argparse.ArgumentParser:
    """The command's parser."""
    from pyimgano.datasets.load import list_datasets

    parser = options.Parser(
        prog=prog,
        description="Fit a detector on the normal images of a benchmark set, score its test"
        " images, and print image and pixel metrics.",
        epilog="With --output, a run that was interrupted goes on where it stopped when the same"
        " command is given again. Exit code: 0 if every category succeeded, 1 if one failed,"
        " 2 for a mistake in the command or a folder that cannot be written to.",
    )
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", required=True, help=", ".join(list_datasets()))
    data.add_argument(
        "--root", required=True, metavar="DIR", help="folder of the set (synthetic: made there)"
    )
    data.add_argument(
        "--category",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="one, several, or all (default: all)",
    )
    detector = parser.add_argument_group("detector")
    run = parser.add_argument_group("run")
    _add_draw_options(run)
    _add_run_options(run)
    _add_output_options(run)
    detector_options.add_detector_options(
        parser, detector, backbone="wide_resnet50_2", several=True, without=("n_jobs",)
    )
    return parser


def _add_draw_options(run: argparse._ActionsContainer) -> None:
    from pyimgano.pipelines.shots import DRAWS

    run.add_argument(
        "--seed",
        nargs="+",
        type=int,
        default=[0],
        metavar="N",
        help="seeds; the table shows the mean over them (default: 0)",
    )
    run.add_argument(
        "--shots",
        nargs="+",
        type=int,
        metavar="K",
        help="learn from so many training images, drawn by each seed (default: from all)",
    )
    run.add_argument(
        "--draw",
        choices=DRAWS,
        default=DRAWS[0],
        help="how they are drawn: at random, or as a slice of the sorted names, AnomalyDINO's"
        " protocol (default: %(default)s)",
    )


def _add_run_options(run: argparse._ActionsContainer) -> None:
    from pyimgano.metrics.catalogue import default_metrics, list_metrics

    run.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help=f"metrics to compute, or all ({', '.join(list_metrics())}); aupro and spro also up to"
        " a limit of their own, such as aupro@0.05 (default:"
        f" {', '.join(default_metrics())})",
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
    run.add_argument(
        "--intervals",
        nargs="?",
        type=int,
        const=1000,
        default=0,
        metavar="N",
        help="show 95 %% intervals over the draw of test images, from N resamples (default of N:"
        " %(const)s)",
    )
    options.add_by_option(run)
    options.add_strict_option(run)
    run.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="categories computed side by side, -1 for one per core (default: 1)",
    )


def _add_output_options(run: argparse._ActionsContainer) -> None:
    run.add_argument(
        "--output",
        metavar="DIR",
        help="folder for report.html, results.json, tables, plots and pictures",
    )
    run.add_argument(
        "--overwrite",
        action="store_true",
        help="compute everything again, whatever the output folder holds, and replace its report",
    )
    run.add_argument(
        "--overlays",
        type=int,
        default=8,
        metavar="N",
        help="pictures per category, half of the best and half of the worst images (default: 8)",
    )
    run.add_argument(
        "--maps",
        choices=("tiff", "npy"),
        help="keep the raw anomaly maps of the first seed in the output folder, as float32",
    )
    run.add_argument("--json", action="store_true", help="print JSON instead of the table")
    run.add_argument("--quiet", action="store_true", help="show no progress")


def _run(argv: Sequence[str] | None, prog: str) -> int:
    args = build_parser(prog).parse_args(argv)
    from pyimgano.pipelines.comparison import run_comparison
    from pyimgano.pipelines.mvtec_visa import run_benchmark
    from pyimgano.reporting.report import save_run_report
    from pyimgano.reporting.results import CategoryResult, Results, runs_of
    from pyimgano.reporting.table import benchmark_table

    specs = detector_options.detector_specs(args)

    def report(title: str, one: CategoryResult) -> None:
        if one.error is not None:
            of = f"{title}, " if len(specs) > 1 else ""
            options.tell(prog, f"{of}{one.title} failed: {one.error}")

    common: dict[str, Any] = {
        "dataset": args.dataset,
        "root": args.root,
        "categories": args.category,
        "seeds": args.seed,
        "shots": args.shots,
        "draw": args.draw,
        "metric_size": args.metric_size,
        "integration_limit": args.integration_limit,
        "metrics": args.metrics,
        "intervals": args.intervals,
        "output": args.output,
        "overwrite": args.overwrite,
        "n_jobs": args.jobs,
        "strict": args.strict,
        "n_overlays": args.overlays,
        "maps": args.maps,
        "verbose": sys.stderr.isatty() and not args.quiet,
    }
    result: Results
    if len(specs) > 1:
        result = run_comparison(specs, on_result=report, **common)
    else:
        (spec,) = specs
        result = run_benchmark(
            model=spec.model,
            label=spec.label,
            on_result=lambda one: report(spec.title, one),
            **common,
            **spec.parameters,
        )
    for one in runs_of(result):
        one.by.extend(args.by)
    page = None if args.output is None else save_run_report(args.output, result)[0]
    print(json.dumps(result.to_json(), indent=2) if args.json else benchmark_table(result))
    if page is not None and not args.json:
        print(f"report: {shown(page)}")
    return options.FAILED if result.failed else options.OK


def main(argv: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Entry point; returns the exit code."""
    return options.run(prog, lambda given: _run(given, prog), argv)
