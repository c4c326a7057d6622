"""One image at a time: PatchCore files of ours against anomalib's two inferencers.

All use ResNet-18, layers 2 + 3, at 256 px, and a memory bank of 10 % of the screw training patches
unless another share is named; the peer gets the very rows of ours. Every contender is read from its
file by a process of its own, with two threads; they are asked in turns, while all others wait. What
is timed is `predict_one(array)`, `predict(array)`: from a decoded uint8 image to score and map.

Seconds to the first score are those of fresh processes, from after `import pyimgano` (or
`import anomalib`) to the score of an image file: all that the package still has to import, reading
the detector, decoding a 1024 px PNG, one prediction.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402

import features as real  # noqa: E402

SIZE = 256
#: Seconds that a contender runs on before its turn counts, images of a turn, turns.
WARM_UP, TURN, TURNS = 0.3, 20, 6
OPENVINO = "anomalib OpenVINO"


@dataclass(frozen=True)
class Contender:
    """A detector file and what reads it; ``kind`` chooses among `OPENERS`."""

    name: str
    kind: str
    file: Path


def _ours(file: Path) -> Callable[[Any], float]:
    import cv2

    import pyimgano

    cv2.setNumThreads(common.THREADS)
    detector = pyimgano.load(file)
    backbone = getattr(detector.features_, "backbone", None)
    if type(backbone).__name__ == "TorchvisionBackbone":
        import torch

        torch.set_num_threads(common.THREADS)
    return lambda image: detector.predict_one(image).score


def _anomalib_torch(file: Path) -> Callable[[Any], float]:
    os.environ["TRUST_REMOTE_CODE"] = "1"  # the file was written by this script
    import torch
    from anomalib.deploy import TorchInferencer

    torch.set_num_threads(common.THREADS)
    inferencer = TorchInferencer(file, device="cpu")
    return lambda image: float(inferencer.predict(image).pred_score)


def _anomalib_openvino(file: Path, **settings: Any) -> Callable[[Any], float]:
    import torch
    from anomalib.deploy import OpenVINOInferencer

    torch.set_num_threads(common.THREADS)
    os.chdir(file.parent)  # it writes a cache where it runs
    settings |= {"INFERENCE_NUM_THREADS": common.THREADS, "PERFORMANCE_HINT": "LATENCY"}
    inferencer = OpenVINOInferencer(file, device="CPU", config=settings)
    return lambda image: float(inferencer.predict(image).pred_score.ravel()[0])


def _anomalib_openvino_f32(file: Path) -> Callable[[Any], float]:
    return _anomalib_openvino(file, INFERENCE_PRECISION_HINT="f32")


OPENERS: dict[str, Callable[[Path], Callable[[Any], float]]] = {
    "ours": _ours,
    "torch": _anomalib_torch,
    "openvino f32": _anomalib_openvino_f32,
    "openvino": _anomalib_openvino,
}


def _serve(pipe: Any, contender: Contender, images: list[np.ndarray]) -> None:
    """Child process: for each turn asked for, milliseconds and scores of `TURN` images."""
    predict = OPENERS[contender.kind](contender.file)
    predict(images[0])
    pipe.send("ready")
    while (first := pipe.recv()) is not None:
        until = time.perf_counter() + WARM_UP
        while time.perf_counter() < until:
            predict(images[first % len(images)])
        found = []
        for number in range(first, first + TURN):
            image = images[number % len(images)]
            start = time.perf_counter()
            score = predict(image)
            found.append((1e3 * (time.perf_counter() - start), score))
        pipe.send(found)


def latencies(
    contenders: list[Contender], images: list[np.ndarray], turns: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Milliseconds and scores of `turns` x `TURN` images for each contender, asked in turns."""
    spawn = multiprocessing.get_context("spawn")
    found: dict[str, list[tuple[float, float]]] = {c.name: [] for c in contenders}
    pipes, children = {}, []
    for contender in contenders:
        pipes[contender.name], theirs = spawn.Pipe()
        children.append(spawn.Process(target=_serve, args=(theirs, contender, images), daemon=True))
        children[-1].start()
        theirs.close()
        pipes[contender.name].recv()
    for turn in range(turns):
        for name, pipe in pipes.items():
            time.sleep(common.PAUSE)  # idle OpenMP threads of the one before spin for so long
            pipe.send(turn * TURN)
            found[name] += pipe.recv()
    for pipe, child in zip(pipes.values(), children, strict=True):
        pipe.send(None)
        child.join()
    return {name: tuple(np.array(pairs).T) for name, pairs in found.items()}


_FIRST = {
    "ours": "import pyimgano; start = clock(); pyimgano.load(file).predict_one(image).score",
    "torch": "import anomalib; start = clock(); from anomalib.deploy import TorchInferencer;"
    " TorchInferencer(file, device='cpu').predict(image).pred_score",
    "openvino": "import anomalib; start = clock(); from anomalib.deploy import OpenVINOInferencer;"
    " OpenVINOInferencer(file, device='CPU').predict(image).pred_score",
}


def first_score(contender: Contender, image: Path, repeats: int) -> float:
    """Median seconds from the import of the package to the first score, in fresh processes."""
    code = (
        "import sys, time; clock = time.perf_counter; file, image = sys.argv[1:]; "
        + _FIRST[contender.kind]
        + "; print(clock() - start)"
    )
    command = [sys.executable, "-c", code, str(contender.file), str(image)]
    # Bytecode is at hand, as of any installed package: the run that does not count writes it.
    cache = {"PYTHONPYCACHEPREFIX": str(contender.file.parent / "bytecode")}
    # The same packages, though it runs in another folder.
    path = {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path[1:] if p)}
    environment = {**os.environ, "TRUST_REMOTE_CODE": "1", **cache, **path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds = []
    for _ in range(1 + repeats):
        run = subprocess.run(
            command,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=contender.file.parent,
            env=environment,
        )
        seconds.append(float(run.stdout.split()[-1]))
    return statistics.median(seconds[1:])  # the first one also brings the files into memory


def our_files(train: list[str], weights: Path, folder: Path) -> list[Contender]:
    """Fit and save: torch, its ONNX export under every engine, embedded features, larger banks."""
    from pyimgano.errors import InvalidInputError
    from pyimgano.features.backbones.onnx.engines import ENGINES
    from pyimgano.models import create_model

    options = {"image_size": SIZE, "coreset_ratio": 0.1, "random_state": 0}
    torch = create_model("patchcore", backbone="resnet18", weights=weights, **options).fit(train)
    model = folder / "resnet18.onnx"
    model.write_bytes(torch.features_.backbone.to_onnx().onnx_bytes())
    fitted = {"torch": torch}
    for engine in ENGINES:
        onnx = create_model("patchcore", backbone=model, engine=engine, **options)
        try:
            fitted[f"ONNX, {engine}"] = onnx.fit(train)
        except InvalidInputError as error:  # a CPU without bfloat16
            print(error, file=sys.stderr)
    fitted["embedded"] = create_model("patchcore", backbone="embedded", **options).fit(train)
    # Files of just under 50 MB.
    large = {"backbone": model, "engine": "onnxruntime", "coreset_ratio": 0.36}
    fitted["ONNX, onnxruntime, 36 %"] = create_model("patchcore", **options | large).fit(train)
    whole = {"backbone": "embedded", "coreset_ratio": 1.0}
    fitted["embedded, 100 %"] = create_model("patchcore", **options | whole).fit(train)
    found = []
    for name, detector in fitted.items():
        file = folder / f"{len(found)}.pyimgano"
        detector.save(file, embed_backbone=name.startswith("ONNX"))
        found.append(Contender(name, "ours", file))
    return found


def peer_files(bank: np.ndarray, weights: Path, source: int, folder: Path) -> list[Contender]:
    """anomalib's PatchCore with this bank, exported for images of ``source`` pixels."""
    import torch
    from anomalib.models import Patchcore

    plain = {"post_processor": False, "evaluator": False, "visualizer": False}
    module = Patchcore("resnet18", layers=["layer2", "layer3"], pre_trained=False, **plain)
    state = torch.load(weights, weights_only=True)
    module.model.feature_extractor.feature_extractor.load_state_dict(state, strict=False)
    module.model.memory_bank = torch.from_numpy(bank.copy())
    module.eval()
    pt = Path(module.to_torch(folder))
    # Fixed shapes: a free batch size comes out as batches of two.
    fixed = {"dynamic_axes": None}
    xml = Path(module.to_openvino(folder, input_size=(source, source), onnx_kwargs=fixed))
    return [
        Contender("anomalib torch", "torch", pt),
        Contender(f"{OPENVINO}, float32", "openvino f32", xml),
        Contender(f"{OPENVINO}, its default", "openvino", xml),
    ]


def run(
    root: Path = real.ROOT, weights: Path = real.WEIGHTS, repeats: int | None = None
) -> list[dict[str, Any]]:
    """A row per contender and size of the source image."""
    import cv2

    import pyimgano

    data = pyimgano.load_dataset("mvtec", root, "screw")
    train, (test, _, _) = data.get_train_paths(), data.get_test_paths()
    full = [cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB) for path in test]
    small = [cv2.resize(i, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for i in full]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = our_files(train, Path(weights), folder)
        bank = pyimgano.load(ours[0].file).memory_bank_
        for images in (small, full):
            source = len(images[0])
            place = folder / str(source)
            place.mkdir()
            contenders = ours + peer_files(bank, Path(weights), source, place)
            found = latencies(contenders, images, repeats or TURNS)
            reference = found["torch"][1]
            peers = {c.kind: np.median(found[c.name][0]) for c in contenders if c.kind != "ours"}
            for contender in contenders:
                ms, scores = found[contender.name]
                p50 = float(np.median(ms))
                row = {
                    "source_px": source,
                    "detector": contender.name,
                    "images": len(ms),
                    "p50_ms": p50,
                    "p99_ms": float(np.percentile(ms, 99)),
                    "times_float32": float(min(peers["torch"], peers["openvino f32"]) / p50),
                    "times_any": float(min(peers.values()) / p50),
                    "score_difference": float(np.median(abs(scores / reference - 1))),
                }
                if images is full and contender.kind in _FIRST:
                    row["first_score_s"] = first_score(contender, Path(test[0]), repeats or 5)
                    beside = contender.file.with_suffix(".bin")
                    files = [contender.file, *([beside] if beside.exists() else [])]
                    row["file_mb"] = sum(file.stat().st_size for file in files) / 1e6
                rows.append(row)
    return rows


if __name__ == "__main__":
    real.main(__doc__, run)
