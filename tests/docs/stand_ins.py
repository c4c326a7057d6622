"""What the pages take for granted, small and seeded: folders of parts, image sets, weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyimgano.datasets import generate_synthetic
from tests.conftest import write_mvtec
from tests.datasets.shipped import (
    write_aebad,
    write_dagm,
    write_ksdd,
    write_ksdd2,
    write_loco,
    write_mvtec_ad2,
    write_mvtec_like,
    write_real_iad,
)
from tests.datasets.test_btad import write_btad
from tests.datasets.test_visa import write_prepared, write_raw

#: File names under which torchvision keeps the weights that PatchCore takes by default.
CACHED = {
    "resnet18": "resnet18-f37072fd.pth",
    "wide_resnet50_2": "wide_resnet50_2-95faca4d.pth",
}


def write_parts(root: Path) -> None:
    """``parts/good``, ``parts/incoming`` and, with known labels, ``checked/good`` and ``bad``.

    ``part.json`` is a region of interest.
    """
    (root / "part.json").write_text('{"polygons": [[[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]]}')
    generate_synthetic(
        root / "set", categories=["brushed_metal"], n_train=12, n_test_good=2, n_test_defect=1
    )
    metal = root / "set/brushed_metal"
    shutil.copytree(metal / "train/good", root / "parts/good")
    (root / "parts/incoming").mkdir()
    for image in metal.glob("test/*/*.png"):
        name = f"{image.parent.name}_{image.name}"
        shutil.copy(image, root / "parts/incoming" / name)
        checked = root / "checked" / ("good" if image.parent.name == "good" else "bad")
        checked.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, checked / name)
    shutil.rmtree(root / "set")


def write_sets(root: Path) -> None:
    """The benchmark sets under the folder names that their archives unpack to."""
    write_mvtec(root / "mvtec_ad", ("screw", "cookie"))
    write_raw(root / "VisA")
    write_prepared(root / "VisA_pytorch/1cls")
    write_btad(root / "BTech_Dataset_transformed")
    write_mvtec_ad2(root / "mvtec_ad_2")
    write_loco(root / "mvtec_loco_anomaly_detection")
    write_real_iad(root / "Real-IAD")
    write_mvtec_like(root / "MPDD/tubes", {"good": 2, "anomalous": 2})
    write_mvtec_like(root / "GoodsAD/drink_can", {"good": 2, "opened": 2}, masks="{:03d}.png")
    write_mvtec_like(root / "VAD/vad", {"good": 2, "bad": 2}, masks="{:03d}.png")
    write_ksdd(root / "KolektorSDD")
    write_ksdd2(root / "KolektorSDD2")
    write_dagm(root / "DAGM")
    write_aebad(root / "AeBAD")


def write_weights(root: Path, torch_home: Path) -> None:
    """Two weights files, and torchvision's default weights where it looks before it downloads."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    cache = torch_home / "hub/checkpoints"
    cache.mkdir(parents=True)
    for name, file in CACHED.items():
        torch.save(get_model(name).state_dict(), cache / file)
    shutil.copy(cache / CACHED["resnet18"], root / "resnet18.pth")
    shutil.copy(cache / CACHED["wide_resnet50_2"], root / "wrn50.pth")
