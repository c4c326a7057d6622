"""Pixel metrics: pyimgano against anomalib's AUPRO and scikit-learn's AUROC and AP.

pyimgano computes AUROC, AP, the best F1 and AUPRO together. The first row is compared with the
peers; the others show how the time depends on the input.
"""

from __future__ import annotations

from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402
from maps import extra_memory_mb, image_set  # noqa: E402


def _anomalib(masks: np.ndarray, maps: np.ndarray) -> float:
    import torch
    from anomalib.metrics.aupro import _AUPRO

    torch.set_num_threads(common.THREADS)
    metric = _AUPRO(fpr_limit=0.3)
    metric.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
    return float(metric.compute())


def _scikit_learn(masks: np.ndarray, maps: np.ndarray) -> tuple[float, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    flags, scores = masks.ravel(), maps.ravel()
    return float(roc_auc_score(flags, scores)), float(average_precision_score(flags, scores))


def _harder(masks: np.ndarray, maps: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    noise = rng.random(masks.shape, dtype=np.float32)
    larger = np.zeros_like(masks)
    larger[:, : masks.shape[1] * 3 // 10] = 1
    return {
        "float64": (masks, maps.astype(np.float64)),
        "rounded to 0.1": (masks, np.round(maps, 1)),
        "constant": (masks, np.ones_like(maps)),
        "30 % defect": (larger, maps),
        "98 % defect": (1 - masks, maps),
        "10 % scattered defects": ((noise < 0.1).astype(np.uint8), maps),
        "50 % scattered defects": ((noise < 0.5).astype(np.uint8), maps),
    }


def run(n: int = 80, size: int = 512, repeats: int = 5) -> list[dict[str, Any]]:
    """All rows of the table."""
    from pyimgano.kernels import pixel_metrics

    masks, maps = image_set(n, size)
    seconds = common.medians({"pyimgano": lambda: pixel_metrics(masks, maps)}, 2 * repeats + 1)
    seconds |= common.medians(
        {
            "turns": lambda: pixel_metrics(masks, maps),
            "anomalib": lambda: _anomalib(masks, maps),
            "scikit-learn": lambda: _scikit_learn(masks, maps),
        },
        repeats,
    )
    found = pixel_metrics(masks, maps)
    auroc, ap = _scikit_learn(masks, maps)
    ours = seconds["turns"]
    rows: list[dict[str, Any]] = [
        {
            "input": f"{n} x {size} x {size}, {100 * masks.mean():.1f} % defect",
            "pyimgano_s": ours,
            "pyimgano_alone_s": seconds["pyimgano"],
            "anomalib_aupro_s": seconds["anomalib"],
            "times_anomalib": seconds["anomalib"] / ours,
            "sklearn_auroc_ap_s": seconds["scikit-learn"],
            "times_sklearn": seconds["scikit-learn"] / ours,
            "difference_sklearn": max(abs(found.auroc - auroc), abs(found.ap - ap)),
            "difference_anomalib": abs(found.aupro - _anomalib(masks, maps)),
            "extra_mb": extra_memory_mb(lambda: pixel_metrics(masks, maps)),
            "maps_mb": maps.nbytes / 1e6,
        }
    ]
    for name, (these_masks, these_maps) in _harder(masks, maps).items():

        def call(one=these_masks, other=these_maps):
            return pixel_metrics(one, other)

        rows.append(
            {
                "input": name,
                "pyimgano_s": common.medians({"": call}, max(1, repeats // 2))[""],
                "extra_mb": extra_memory_mb(call),
                "maps_mb": these_maps.nbytes / 1e6,
            }
        )
    return rows


if __name__ == "__main__":
    parser = common.parser(__doc__)
    parser.add_argument("--maps", type=int, default=80, help="number of maps")
    parser.add_argument("--size", type=int, default=512, help="height and width of a map")
    options = parser.parse_args()
    common.report(run(options.maps, options.size, options.repeats or 5), options.json)
