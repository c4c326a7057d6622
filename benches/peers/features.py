"""Real patch features for the side-by-side runs: ResNet-18 layers 2 and 3 of the screw images.

Layer outputs are averaged over 3x3 neighbourhoods, layer 3 is brought to layer 2's grid, and both
are concatenated: 384 columns, one row per patch, as PatchCore does. 1,024 columns come from the
same at 3/4 of the image size, and layer 3 at half of it. 64 images of 256 px give 65,536 rows, of
408 px 166,464.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np

SHARED = Path(__file__).resolve().parents[3] / "shared"
ROOT = SHARED / "data" / "mvtec"
WEIGHTS = SHARED / "weights" / "resnet18_imagenet1k_v1_bnfolded_conv1-layer3.pth"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _layers(net, images):
    import torch.nn.functional as F

    x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
    layer2 = net.layer2(net.layer1(x))
    return [F.avg_pool2d(f, 3, stride=1, padding=1) for f in (layer2, net.layer3(layer2))]


def _embed(net, images, dims):
    """(n, c, h, w) features on layer 2's grid."""
    import torch
    import torch.nn.functional as F

    size = images.shape[-1]
    maps = _layers(net, images)
    if dims == 1024:
        for share, first in ((0.75, 0), (0.5, 1)):
            side = round(size * share / 8) * 8
            small = F.interpolate(images, size=(side, side), mode="area")
            maps += _layers(net, small)[first:]
    grid = maps[0].shape[-2:]
    return torch.cat(
        [F.interpolate(m, size=grid, mode="bilinear", align_corners=False) for m in maps], dim=1
    )


def extract(
    size: int = 256,
    *,
    dims: int = 384,
    split: str = "train/good",
    limit: int | None = None,
    category: str = "screw",
    root: Path = ROOT,
    weights: Path = WEIGHTS,
) -> np.ndarray:
    """Patch features float32 (rows, dims) of ``root/category/split``, cached in a temp folder."""
    if dims not in (384, 1024):
        raise SystemExit("--dims must be 384 or 1024")
    paths = sorted((Path(root) / category / split).glob("*.png"))[:limit]
    if not paths:
        raise SystemExit(f"no images in {Path(root) / category / split}")
    key = [size, dims, [p.resolve() for p in paths], Path(weights).stat().st_size]
    return cached("features", key, lambda: _extracted(paths, size, dims, weights))


def cached(name: str, key: object, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What `make` returned for that key, from a file in a temp folder if there is one."""
    cache = Path(tempfile.gettempdir()) / "pyimgano-bench"
    cache.mkdir(exist_ok=True)
    file = cache / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.npy"
    if file.exists():
        return np.load(file)
    made = make()
    partial = file.with_suffix(f".{os.getpid()}.npy")
    np.save(partial, made)
    partial.replace(file)
    return made


def _extracted(paths: list[Path], size: int, dims: int, weights: Path) -> np.ndarray:
    import cv2
    import torch
    import torchvision

    net = torchvision.models.resnet18(weights=None)
    missing = net.load_state_dict(torch.load(weights, weights_only=True), strict=False).missing_keys
    if any(not name.startswith(("layer4", "fc")) for name in missing):
        raise SystemExit(f"{weights} does not hold ResNet-18 up to layer3: {missing[:3]}")
    net.eval()
    rows = []
    with torch.inference_mode():
        for path in paths:
            image = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
            scaled = (image.astype(np.float32) / 255 - MEAN) / STD
            tensor = torch.from_numpy(scaled.astype(np.float32)).permute(2, 0, 1)[None]
            maps = _embed(net, tensor, dims)[0]
            rows.append(maps.permute(1, 2, 0).reshape(-1, dims).numpy())
    return np.ascontiguousarray(np.concatenate(rows))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--root`` and ``--weights``, shared by the scripts that need real features."""
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of MVTec AD categories")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="ResNet-18 weights file")


def main(description: str | None, run: Callable[..., list[dict[str, Any]]]) -> None:
    """What a script does that measures ``run(root, weights, repeats)``."""
    parser = common.parser(description)
    add_arguments(parser)
    args = parser.parse_args()
    common.report(run(args.root, args.weights, args.repeats), args.json)
