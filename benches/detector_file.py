"""Fitted-detector files: size beside the memory bank, and what half precision costs.

    python benches/detector_file.py --root DATA [--weights resnet18.pth] [--category screw]

Per backbone and precision of the bank: size of the file beyond the bank's values, image AUROC and
AUPRO (maps at 256 px) of the loaded detector on the whole test set, and whether scores and maps of
a detector loaded in a new process equal those before it was saved, bit by bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import pyimgano
from pyimgano.datasets import load_dataset
from pyimgano.evaluation import compute_aupro, compute_auroc, resize_map, resize_mask
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from pyimgano.reporting.table import text_table

SIZE = 256
_IN_NEW_PROCESS = """
import hashlib, json, sys, pyimgano
detector, digest = pyimgano.load(sys.argv[1]), hashlib.sha256()
for p in detector.iter_predict(json.loads(sys.argv[2])):
    digest.update(p.score.hex().encode() + p.anomaly_map.tobytes())
print(digest.hexdigest())
"""


def digest_elsewhere(file: Path, paths: list[str]) -> str:
    """SHA-256 of the scores and maps that a new process gets from a file."""
    command = [sys.executable, "-c", _IN_NEW_PROCESS, str(file), json.dumps(paths)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def digest_here(detector: Detector, paths: list[str]) -> str:
    """The same of a detector at hand."""
    digest = hashlib.sha256()
    for p in detector.iter_predict(paths):
        assert p.anomaly_map is not None
        digest.update(p.score.hex().encode() + p.anomaly_map.tobytes())
    return digest.hexdigest()


def metrics(detector: Detector, root: str, category: str) -> tuple[float, float]:
    """Image AUROC and AUPRO on the test set."""
    paths, labels, masks = load_dataset("mvtec", root, category).get_test_paths()
    assert labels is not None
    assert masks is not None
    scores, maps = [], []
    for p in detector.iter_predict(paths):
        scores.append(p.score)
        maps.append(resize_map(p.anomaly_map, SIZE))
    sized = [resize_mask(mask, SIZE) for mask in masks]
    return compute_auroc(labels, np.array(scores)), compute_aupro(sized, maps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--weights", help="weights file of ResNet-18; without it: embedded only")
    parser.add_argument("--category", nargs="+", default=["screw"])
    args = parser.parse_args()
    backbones = {
        "embedded": {},
        **({"resnet18": {"weights": args.weights}} if args.weights else {}),
    }
    rows = []
    for category in args.category:
        data = load_dataset("mvtec", args.root, category)
        train, test = data.get_train_paths(), data.get_test_paths()[0]
        for backbone, given in backbones.items():
            fitted = create_model("patchcore", backbone=backbone, **given).fit(train)
            for dtype, bytes_each in (("float32", 4), ("float16", 2)):
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder) / "part.pyimgano"
                    fitted.save(file, bank_dtype=dtype)
                    beyond = file.stat().st_size - fitted.memory_bank_.size * bytes_each
                    loaded = pyimgano.load(file)
                    same = digest_elsewhere(file, test[:8]) == digest_here(fitted, test[:8])
                auroc, aupro = metrics(loaded, args.root, category)
                bank = fitted.memory_bank_.size * bytes_each
                sizes = [f"{bank / 1e6:.2f}", f"{beyond / 1e6:.3f}"]
                quality = [f"{auroc:.4f}", f"{aupro:.4f}", "yes" if same else "no"]
                rows.append([category, backbone, dtype, *sizes, *quality])
    print(text_table(HEADER, rows))
    return 0


HEADER = ["category", "backbone", "bank as", "bank MB", "rest MB", "AUROC", "AUPRO", "same scores"]

if __name__ == "__main__":
    sys.exit(main())
