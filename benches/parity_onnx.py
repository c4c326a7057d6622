"""Torch against its ONNX export, whatever engine runs it, on whole test sets: scores, maps, labels.

    python benches/parity_onnx.py --root DATA --weights resnet18.pth [--backbone resnet18]
    python benches/parity_onnx.py --root DATA --backbone timm:vit_small_patch14_dinov2 \\
        --image-size 448 --engine opencv onnxruntime openvino openvino-bf16

Two questions per category and engine. "swapped": a detector fitted with torch whose backbone is
then replaced by its ONNX export, as in a file saved with the backbone inside; "fitted anew": one
fitted with the ONNX export from the start, whose memory bank may differ where distances almost tie.
Differences are relative: of scores to the torch score, of maps to the highest value of torch's map.
Engines that compute in bfloat16 are compared on request (`--engine`), and held to no tolerance.
Without `--weights` they are random ones, from a fixed seed: arithmetic is compared, not detection.
Milliseconds are the backbone's for one image, the median of calls in which torch and the engines
take turns.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pyimgano.cli.options import typed
from pyimgano.datasets import load_dataset
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import ENGINES, FLOAT32_ENGINES
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.models import create_model
from pyimgano.models.patchcore import PatchCore
from pyimgano.reporting.table import text_table
from pyimgano.utils.parameters import Normalization

TOLERANCE = 1e-4


def compare(torch: PatchCore, other: PatchCore, paths: list[str]) -> tuple[float, float, int]:
    """Largest relative difference of scores and of maps, and how many labels differ."""
    score = field = 0.0
    labels = 0
    for a, b in zip(torch.iter_predict(paths), other.iter_predict(paths), strict=True):
        score = max(score, abs(a.score - b.score) / a.score)
        difference = float(np.abs(a.anomaly_map - b.anomaly_map).max())
        field = max(field, difference / float(a.anomaly_map.max()))
        labels += a.label != b.label
    return score, field, labels


def milliseconds(backbones: Mapping[str, Any], size: int, repeats: int) -> dict[str, float]:
    """Median time of each for one image of noise."""
    batch = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    found: dict[str, list[float]] = {name: [] for name in backbones}
    for _ in range(repeats + 1):
        for name, backbone in backbones.items():
            start = perf_counter()
            backbone.layer_maps(batch)
            found[name].append(1e3 * (perf_counter() - start))
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--weights", help="weights file (default: random weights)")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--layers", nargs="+")
    parser.add_argument("--normalization", type=typed(Normalization()), default="imagenet")
    parser.add_argument("--category", nargs="+", default=["screw", "leather", "cookie"])
    parser.add_argument("--engine", nargs="+", default=list(FLOAT32_ENGINES), choices=ENGINES)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9, help="timed calls of each backbone")
    parser.add_argument("--limit", type=int, help="images of each split, for a quick look")
    parser.add_argument("--no-refit", action="store_true", help="only the swapped detectors")
    args = parser.parse_args()
    size = args.image_size
    common = {"layers": args.layers, "normalization": args.normalization, "image_size": size}
    weights = {"weights": args.weights, "pretrained": args.weights is not None}
    rows, worst = [], 0.0
    backbones: dict[str, Any] = {}
    for category in args.category:
        data = load_dataset("mvtec", args.root, category)
        train = data.get_train_paths()[: args.limit]
        test = data.get_test_paths().paths[: args.limit]
        fitted = create_model("patchcore", backbone=args.backbone, **weights, **common).fit(train)
        backbones["torch"] = fitted.features_.backbone
        model = backbones["torch"].to_onnx(image_size=size).onnx_bytes()
        for engine in args.engine:
            swapped = copy.copy(fitted)
            backbones[engine] = OnnxBackbone(model, engine=engine)
            swapped.features_ = LayerPatches(backbones[engine])
            cases = {"swapped": swapped}
            if not args.no_refit:
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / "backbone.onnx"
                    file.write_bytes(model)
                    cases["fitted anew"] = create_model(
                        "patchcore", backbone=str(file), engine=engine, **common
                    ).fit(train)
            for case, detector in cases.items():
                score, field, labels = compare(fitted, detector, test)
                if case == "swapped" and engine in FLOAT32_ENGINES:
                    worst = max(worst, score, field, float(labels > 0))
                rows.append(
                    [category, engine, case, len(test), f"{score:.1e}", f"{field:.1e}", labels]
                )
                print(*rows[-1], file=sys.stderr)
    heads = ["category", "engine", "detector", "images", "scores", "maps", "labels differ"]
    print(text_table(heads, [[str(cell) for cell in row] for row in rows]))
    for name, time in milliseconds(backbones, size, args.repeats).items():
        print(f"{name}: {time:.1f} ms per image of {size} x {size}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
