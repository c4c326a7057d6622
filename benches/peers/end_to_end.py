"""The whole benchmark command on screw, stage by stage, against the peer's coreset, kNN, metrics.

Ours is `pyimgano-benchmark` in a process of its own. The peer's three stages are timed in this
process on the same features: KCenterGreedy (some picks timed and scaled, it is linear), anomalib's
nearest-neighbour search for each of the 61 test images, its AUPRO and AUROC of all maps at 256 px.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import coreset  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402


def our_stages(root: Path, weights: Path) -> dict[str, float]:
    """Seconds per stage of the command, and of the whole of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "pyimgano", "benchmark", "--dataset", "mvtec"),
            *("--root", str(root), "--category", "screw", "--backbone", "resnet18"),
            *("--weights", str(weights), "--image-size", "256", "--metric-size", "256"),
            *("--coreset-ratio", "0.1", "--overlays", "0", "--output", folder),
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        whole = time.perf_counter() - start
        (result,) = json.loads((Path(folder) / "results.json").read_text())["categories"]
    return {**result["stage_seconds"], "whole command": whole, "peak MB": result["peak_memory_mb"]}


def peer_stages(root: Path, weights: Path) -> dict[str, float]:
    """Seconds of the peer's coreset, search and metrics."""
    import torch
    from anomalib.metrics.aupro import _AUPRO
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel
    from torchmetrics.functional.classification import binary_auroc

    torch.set_num_threads(common.THREADS)
    train = real.extract(256, root=root, weights=weights)
    n_picks = len(train) // 10
    fixed, each, _ = coreset.peer_rate(train)
    rows = 32 * 32
    tests = [
        real.extract(256, split=str(folder.relative_to(root / "screw")), root=root, weights=weights)
        for folder in sorted((root / "screw" / "test").iterdir())
    ]
    queries = torch.from_numpy(np.concatenate(tests))
    bank = torch.from_numpy(train[np.arange(n_picks) * len(train) // n_picks].copy())
    model = PatchcoreModel.__new__(PatchcoreModel)
    torch.nn.Module.__init__(model)
    model.memory_bank = bank
    start = time.perf_counter()
    for image in queries.split(rows):
        model.nearest_neighbors(embedding=image, n_neighbors=1)
    search = time.perf_counter() - start

    rng = np.random.default_rng(0)
    n_images = len(queries) // rows
    maps = torch.from_numpy(rng.random((n_images, 256, 256), dtype=np.float32))
    masks = torch.zeros((n_images, 256, 256), dtype=torch.int32)
    masks[: n_images * 2 // 3, 100:130, 100:130] = 1
    start = time.perf_counter()
    aupro = _AUPRO(fpr_limit=0.3)
    aupro.update(maps, masks)
    aupro.compute()
    binary_auroc(maps.flatten(), masks.flatten())
    metrics = time.perf_counter() - start
    return {"learn": fixed + each * n_picks, "score": search, "metrics": metrics}


def run(
    root: Path = real.ROOT, weights: Path = real.WEIGHTS, repeats: int | None = None
) -> list[dict[str, Any]]:
    """Median seconds per stage; the shares that matter come last."""
    runs = [our_stages(Path(root), Path(weights)) for _ in range(repeats or 3)]
    ours = {name: float(np.median([r[name] for r in runs])) for name in runs[0]}
    peer = peer_stages(Path(root), Path(weights))
    rows: list[dict[str, Any]] = [
        {"stage": name, "pyimgano": value, "anomalib": peer.get(name, "")}
        for name, value in ours.items()
    ]
    three = sum(ours[name] for name in peer)
    rows.append({"stage": "three stages", "pyimgano": three, "anomalib": sum(peer.values())})
    rows.append({"stage": "three stages / backbone", "pyimgano": three / ours["backbone"]})
    rows.append({"stage": "three stages / anomalib's", "pyimgano": three / sum(peer.values())})
    with_threshold = three + ours["threshold"]
    rows.append(
        {"stage": "with threshold / backbone", "pyimgano": with_threshold / ours["backbone"]}
    )
    return rows


if __name__ == "__main__":
    real.main(__doc__, run)
