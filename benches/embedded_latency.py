"""Latency of the embedded network beside other backbones, one image at a time, in one run.

    python benches/embedded_latency.py --onnx resnet18.onnx --threads 2

Each round runs every backbone once, so that what else the machine does meets all alike. Printed
for each: median and tenth percentile of features alone, and of a prediction with search and map.
Images are noise, which is the hardest for the search: photos are faster to search.
"""

import argparse
import os
import time
from collections.abc import Callable

import cv2
import numpy as np

import pyimgano


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", nargs="*", default=[], metavar="FILE", help="further backbones")
    parser.add_argument("--engine", help="what runs the embedded network (default: rust)")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--train", type=int, default=64, help="training images: sets the bank")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    os.environ["PYIMGANO_NUM_THREADS"] = str(args.threads)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (args.side, args.side, 3), np.uint8) for _ in range(args.train)]
    pixels = images[0].astype(np.float32) / 255
    detectors = {
        name: pyimgano.create_model(
            "patchcore",
            backbone=name,
            image_size=args.side,
            engine=args.engine if name == "embedded" else None,
        ).fit(images)
        for name in ("embedded", "filterbank", *args.onnx)
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in detectors}
    for _ in range(args.rounds):
        for name, detector in detectors.items():
            features = seconds(lambda d=detector: d.features_.extract_batch([pixels]))
            everything = seconds(lambda d=detector: d.predict_one(images[0]))
            times[name].append((features, everything))
    first = np.median(times["embedded"], axis=0)
    print("backbone                 features ms p50 (p10)   all ms p50 (p10)   x embedded")
    for name, found in times.items():
        (f50, a50), (f10, a10) = (1e3 * np.quantile(found, q, axis=0) for q in (0.5, 0.1))
        ratio = f50 / (1e3 * first[0])
        print(f"{name:24} {f50:8.2f} ({f10:6.2f})      {a50:8.2f} ({a10:6.2f})   {ratio:6.2f}")


if __name__ == "__main__":
    main()
