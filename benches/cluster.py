"""Fits over joblib's processes, a local Dask cluster and Ray, against a fit in one process.

For each category of an image set in the MVTec AD layout, and each backend that is installed:

- with one coreset of all patches: whether bank, thresholds, held-out scores and scores of the test
  images are the same to the last bit;
- with local coresets (``coreset_block``): whether all backends give the same bits, how many
  verdicts differ from those by one coreset, the covering radius of both banks, and the bound;
- with ``--seeds``, how many verdicts another ``random_state`` changes, with one coreset.

    python benches/cluster.py --root DIR [--backbone embedded] [--block 16] [--ratio 0.1]
        [--seeds 1 2] [--backends [dask ...]]

Seconds are those of a fit alone; the workers are there before.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import joblib
import numpy as np

from pyimgano import create_model, load_dataset
from pyimgano.errors import ThresholdWarning
from pyimgano.kernels import KnnIndex


@contextmanager
def one_process() -> Iterator[int]:
    yield 1


@contextmanager
def processes() -> Iterator[int]:
    with joblib.parallel_config("loky", n_jobs=2):
        yield 2


@contextmanager
def dask_cluster() -> Iterator[int]:
    import distributed

    settings = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        distributed.LocalCluster(n_workers=2, **settings) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield 2


@contextmanager
def ray_cluster() -> Iterator[int]:
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        register_ray()
        with joblib.parallel_config("ray", n_jobs=2):
            yield 2
    finally:
        ray.shutdown()


BACKENDS = {"dask": dask_cluster, "ray": ray_cluster, "loky": processes}


def learnt(detector: Any, test: list[str], seconds: float) -> dict[str, Any]:
    """What two fits must have in common, and what one took."""
    scores = detector.decision_function(test)
    return {
        "bits": [
            detector.memory_bank_,
            np.array([detector.threshold_, detector.map_threshold_]),
            detector.decision_scores_,
            scores,
        ],
        "verdicts": scores > detector.threshold_,
        "seconds": seconds,
        "detector": detector,
    }


def fit(files: list[str], test: list[str], warm: bool, **given: Any) -> dict[str, Any]:
    if warm:  # the workers import and build what a fit needs
        create_model("patchcore", **given).fit(files[:4])
    start = time.perf_counter()
    detector = create_model("patchcore", **given).fit(files)
    return learnt(detector, test, time.perf_counter() - start)


def radius(detector: Any, files: list[str]) -> float:
    """The distance of the farthest training patch from the bank."""
    index, far = KnnIndex(detector.memory_bank_), 0.0
    for file in files:
        rows, _ = detector._extract_patch_features(file)
        far = max(far, float(index.query(rows, 1)[0].max()))
    return far


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one["bits"], other["bits"], strict=True))


def row(*cells: Any) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main() -> int:
    """Exit status: 1 where bits differ or a radius is beyond its bound."""
    parser = argparse.ArgumentParser(description="Fits on clusters against one process.")
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", default=["leather", "cookie", "screw"])
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--weights", help="local weights file of the backbone")
    parser.add_argument("--block", type=int, default=16, help="images per local coreset")
    parser.add_argument("--ratio", type=float, default=0.1, help="share of patches in the bank")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="other random_state")
    parser.add_argument("--backends", nargs="*", default=list(BACKENDS), choices=BACKENDS)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ThresholdWarning)
    given: dict[str, Any] = {"backbone": args.backbone, "coreset_ratio": args.ratio}
    if args.weights:
        given["weights"] = args.weights
    sets = {}
    for category in args.category:
        dataset = load_dataset("mvtec", args.root, category)
        sets[category] = (list(dataset.get_train_paths()), list(dataset.get_test_paths().paths))
    wanted = {"one coreset": {}, "local coresets": {"coreset_block": args.block}}
    alone = {
        (category, kind): fit(*files, False, **given, **more)
        for category, files in sets.items()
        for kind, more in wanted.items()
    }
    differ = False
    row("set", "fit", "backend", "same bits as one process", "s", "s in one process")
    row(*["---"] * 6)
    for backend in args.backends:
        with ExitStack() as stack:
            try:
                stack.enter_context(BACKENDS[backend]())
            except ImportError as error:
                print(f"{backend} is left out: {error}", file=sys.stderr)
                continue
            for (category, kind), expected in alone.items():
                found = fit(*sets[category], True, **given, **wanted[kind])
                equal = same(found, expected)
                differ |= not equal
                seconds = f"{found['seconds']:.2f}", f"{expected['seconds']:.2f}"
                row(category, kind, backend, "yes" if equal else "NO", *seconds)
    print()
    row("set", "blocks", "verdicts that differ", "radius, one coreset", "radius", "bound", "factor")
    row(*["---"] * 7)
    for category, (files, test) in sets.items():
        whole, local = alone[category, "one coreset"], alone[category, "local coresets"]
        coverage = local["detector"].scorer_.coverage_
        found = radius(local["detector"], files)
        differ |= found > coverage.bound * (1 + 1e-6)
        row(
            category,
            -(-len(files) // args.block),
            f"{int((whole['verdicts'] != local['verdicts']).sum())} of {len(test)}",
            f"{radius(whole['detector'], files):.3f}",
            f"{found:.3f}",
            f"{coverage.local:.3f} + {coverage.union:.3f} = {coverage.bound:.3f}",
            f"{coverage.factor:.2f}",
        )
    if args.seeds:
        print()
        row("set", *(f"verdicts that random_state={seed} changes" for seed in args.seeds))
        row(*["---"] * (1 + len(args.seeds)))
    for category, files in sets.items() if args.seeds else ():
        whole = alone[category, "one coreset"]
        others = (fit(*files, False, **given, random_state=seed) for seed in args.seeds)
        row(category, *(int((whole["verdicts"] != one["verdicts"]).sum()) for one in others))
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
