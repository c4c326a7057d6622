"""How often 95 % intervals hold the figure that they are about, and what the bootstrap costs.

Test sets are drawn again and again from simulated detectors whose figures are known, from a very
large draw; counted is how many intervals hold them. Scores of images are normal, anomalous ones
``shift`` higher. Maps are noise with an offset of each image's own, and a square defect in some.

    python benches/intervals.py coverage --runs 2000
    python benches/intervals.py time --images 150 --side 512 --resamples 1000
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from pyimgano import kernels
from pyimgano.metrics.scores import compute_score_metrics
from pyimgano.statistics import Estimate, Units, joint_interval
from pyimgano.statistics.curves import ScoreSweep, in_chunks
from pyimgano.statistics.pixels import PixelSummary

#: Good images, defect images, and by how much the scores of the latter are higher.
CASES = ((50, 100, 1.0), (50, 50, 1.5), (40, 60, 2.5), (40, 90, 3.3), (30, 30, 2.5))
SCORE_KEYS = ("auroc", "average_precision", "f1_max")
PIXEL_KEYS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro")
#: Of the draw that the true figures come from.
MANY = 1_000_000


def draw_scores(
    rng: np.random.Generator, good: int, bad: int, shift: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels = np.repeat([0, 1], [good, bad])
    return labels, rng.normal(labels * shift, 1.0)


def score_estimates(
    labels: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, Estimate]:
    units = Units.of(labels)
    sweep = ScoreSweep(labels, scores)
    whole, drawn = sweep(np.ones((1, len(labels)))), in_chunks(sweep, weights)
    found = {k: Estimate.of_resampled(float(whole[k][0]), drawn[k], units) for k in SCORE_KEYS[1:]}
    closed = Estimate.of_auroc(labels, scores, units)
    assert closed is not None
    return {"auroc": closed, **found}


def of_scores(
    case: tuple[int, int, float], runs: int, resamples: int, seed: int = 0
) -> tuple[dict[str, float], dict[str, float]]:
    """True figures, and the share of intervals that hold them; of a paired difference and of a mean
    of three categories too."""
    good, bad, shift = case
    rng = np.random.default_rng(seed)
    labels, scores = draw_scores(rng, *(round(MANY * n / (good + bad)) for n in (good, bad)), shift)
    exact = compute_score_metrics(labels, scores)
    truth = {key: float(getattr(exact, key)) for key in SCORE_KEYS}
    held: Counter[str] = Counter()
    earlier: list[Estimate] = []
    for run in range(runs):
        labels, scores = draw_scores(rng, good, bad, shift)
        weights = Units.of(labels).weights(resamples, str(run))
        found = score_estimates(labels, scores, weights)
        for key, one in found.items():
            held[key] += _holds(one.interval, truth[key])
        # As good a detector, whose scores have half of their noise in common with the first.
        noise = scores - labels * shift
        scores = labels * shift + (noise + rng.normal(0, 3**0.5, len(labels))) / 2
        other = score_estimates(labels, scores, weights)
        for key in SCORE_KEYS:
            held[f"{key}, paired difference"] += _holds((other[key] - found[key]).interval, 0.0)
        earlier = [*earlier[-2:], found["auroc"]]
        held["auroc, mean of 3 categories"] += _holds(joint_interval(earlier), truth["auroc"])
    return truth, {key: n / runs for key, n in held.items()}


def draw_maps(
    rng: np.random.Generator, images: int, side: int
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    masks, maps = [], []
    for i in range(images):
        mask = np.zeros((side, side), np.uint8)
        noise = rng.normal(rng.normal(0, 0.3), 1.0, (side, side))
        if i % 2:
            extent = int(rng.integers(2, side // 2))
            top, left = rng.integers(0, side - extent, 2)
            mask[top : top + extent, left : left + extent] = 1
            noise += mask * rng.normal(1.8, 0.7)
        masks.append(mask)
        maps.append(noise.astype(np.float32))
    return masks, maps


def of_maps(
    images: int, side: int, runs: int, resamples: int, seed: int = 0
) -> tuple[dict[str, float], dict[str, float]]:
    """The same of pixel metrics."""
    rng = np.random.default_rng(seed)
    exact = kernels.pixel_metrics(*draw_maps(rng, 20_000, side))
    truth = dict(zip(PIXEL_KEYS, (exact.auroc, exact.ap, exact.f1_max, exact.aupro), strict=True))
    held: Counter[str] = Counter()
    for run in range(runs):
        masks, maps = draw_maps(rng, images, side)
        units = Units.of([int(mask.any()) for mask in masks])
        summary = PixelSummary(masks, maps)
        whole = summary(np.ones((1, images)))
        drawn = in_chunks(summary, units.weights(resamples, str(run)))
        for key in PIXEL_KEYS:
            one = Estimate.of_resampled(float(whole[key][0]), drawn[key], units)
            held[key] += _holds(one.interval, truth[key])
    return truth, {key: n / runs for key, n in held.items()}


def _holds(interval: tuple[float, float] | None, value: float) -> bool:
    return interval is not None and interval[0] <= value <= interval[1]


def print_coverage(runs: int, pixel_runs: int, resamples: int) -> None:
    for case in CASES:
        truth, shares = of_scores(case, runs, resamples)
        print(f"{case[0]} good, {case[1]} defect images, shift {case[2]}: {runs} runs", flush=True)
        for key, share in shares.items():
            figure = f"{truth[key]:.4f}" if key in truth else "-"
            print(f"  {key:36} {figure:>7}  {share:.1%}", flush=True)
    truth, shares = of_maps(100, 16, pixel_runs, resamples)
    print(f"maps of 100 images: {pixel_runs} runs")
    for key, share in shares.items():
        print(f"  {key:36} {truth[key]:7.4f}  {share:.1%}")


def print_time(images: int, side: int, resamples: int) -> None:
    masks, maps = draw_maps(np.random.default_rng(0), images, side)
    weights = Units.of([int(mask.any()) for mask in masks]).weights(resamples)
    start = time.perf_counter()
    summary = PixelSummary(masks, maps)
    summed = time.perf_counter()
    in_chunks(summary, weights)
    end = time.perf_counter()
    print(f"{images} images at {side} x {side} px, {resamples} resamples: summaries"
          f" {summed - start:.1f} s, resamples {end - summed:.1f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    coverage = commands.add_parser("coverage")
    coverage.add_argument("--runs", type=int, default=2000)
    coverage.add_argument("--pixel-runs", type=int, default=500)
    coverage.add_argument("--resamples", type=int, default=1000)
    cost = commands.add_parser("time")
    cost.add_argument("--images", type=int, default=150)
    cost.add_argument("--side", type=int, default=512)
    cost.add_argument("--resamples", type=int, default=1000)
    args = parser.parse_args()
    if args.command == "coverage":
        print_coverage(args.runs, args.pixel_runs, args.resamples)
    else:
        print_time(args.images, args.side, args.resamples)


if __name__ == "__main__":
    main()
