"""Image sets written as their authors ship them, with tiny images of this project's own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.conftest import texture, with_blot, write_image

SIZE = (24, 32)


def good(seed: int) -> np.ndarray:
    return texture(seed, SIZE)


def bad(seed: int) -> np.ndarray:
    return with_blot(texture(seed, SIZE), 4, 6, 8)


def mask(value: int = 255, top: int = 4, left: int = 6, side: int = 8) -> np.ndarray:
    """64 marked pixels, unless the side says otherwise."""
    one = np.zeros(SIZE, np.uint8)
    one[top : top + side, left : left + side] = value
    return one


def write_all(folder: Path, names: Iterable[str], image: np.ndarray) -> None:
    for name in names:
        write_image(folder / name, image)


def write_mvtec_like(
    base: Path, kinds: dict[str, int], *, images: str = "{:03d}.png", masks: str = "{:03d}_mask.png"
) -> Path:
    """Three training images, ``kinds`` of test images, a mask for each that is not good."""
    for i in range(3):
        write_image(base / "train/good" / images.format(i), good(i))
    for kind, n in kinds.items():
        for i in range(n):
            is_good = kind == "good"
            write_image(base / "test" / kind / images.format(i), good(9) if is_good else bad(9))
            if not is_good:
                write_image(base / "ground_truth" / kind / masks.format(i), mask())
    return base


def write_mvtec_ad2(root: Path, objects: Iterable[str] = ("can", "vial")) -> Path:
    """Two lights in the public test, none of the private images has a label."""
    for name in objects:
        base, lights = root / name, ("regular", "overexposed")
        for i in range(4):
            write_image(base / f"train/good/{i:03d}_regular.png", good(10 + i))
        for i in range(2):
            write_image(base / f"validation/good/{i:03d}_regular.png", good(20 + i))
        for light in lights:
            write_image(base / f"test_public/good/000_{light}.png", good(3))
            write_image(base / f"test_public/bad/000_{light}.png", bad(4))
            write_image(base / f"test_public/ground_truth/bad/000_{light}_mask.png", mask())
        write_all(base / "test_private", [f"{i:03d}_regular.png" for i in range(3)], bad(5))
        write_all(base / "test_private_mixed", [f"{i:03d}_mixed.png" for i in range(3)], bad(6))
    return root


LOCO_KINDS = [
    {
        "defect_name": "missing_pin",
        "pixel_value": 255,
        "saturation_threshold": 16,
        "relative_saturation": False,
    },
    {
        "defect_name": "scratch",
        "pixel_value": 254,
        "saturation_threshold": 0.5,
        "relative_saturation": True,
    },
]


def write_loco(root: Path, kinds: object = LOCO_KINDS) -> Path:
    """Two good, two logical (the first with two overlapping masks), one structural image."""
    base = root / "pushpins"
    write_all(base / "train/good", ["000.png", "001.png", "002.png"], good(1))
    write_all(base / "validation/good", ["000.png"], good(2))
    write_all(base / "test/good", ["000.png", "001.png"], good(3))
    write_all(base / "test/logical_anomalies", ["000.png", "001.png"], bad(4))
    write_all(base / "test/structural_anomalies", ["000.png"], bad(5))
    truth = base / "ground_truth"
    write_image(truth / "logical_anomalies/000/000.png", mask(255))
    write_image(truth / "logical_anomalies/000/001.png", mask(254, top=8))
    write_image(truth / "logical_anomalies/001/000.png", mask(255))
    write_image(truth / "structural_anomalies/000/000.png", mask(254, side=4))
    (base / "defects_config.json").write_text(json.dumps(kinds))
    return root


def real_iad_entry(defect: str, part: str, view: str) -> dict[str, str | None]:
    """An entry of a split file; a view of a part is a defect only where it shows one."""
    folder = f"OK/{part}" if defect == "OK" else f"NG/{defect}/{part}"
    stem = f"{folder}/toy_{part[1:]}_{'OK' if defect == 'OK' else 'NG'}_{view}_20230101"
    masked = None if defect == "OK" else f"{stem}_mask.png"
    return {
        "category": "toy",
        "anomaly_class": defect,
        "image_path": f"{stem}.jpg",
        "mask_path": masked,
    }


def write_real_iad(root: Path, resolutions: Iterable[str] = ("256",)) -> Path:
    """Two good parts to learn from, a good and a scratched one (AK in all views) to test."""
    views = [f"C{i}" for i in range(1, 6)]
    train = [real_iad_entry("OK", part, view) for part in ("S0001", "S0002") for view in views]
    test = [real_iad_entry("OK", "S0003", view) for view in views]
    test += [real_iad_entry("AK", "S0001", view) for view in views]
    for resolution in resolutions:
        base = root / f"realiad_{resolution}/toy"
        for entry in train + test:
            write_image(base / str(entry["image_path"]), good(1))
            if entry["mask_path"]:
                write_image(base / entry["mask_path"], mask())
    noisy = [*train, *test[5:]]
    single = [one for one in train if "_C1_" in str(one["image_path"])]
    splits = {
        "realiad_jsons": (train, test),
        "realiad_jsons_sv": (single, [test[0], test[5]]),
        "realiad_jsons_fuiad_0.4": (noisy, test),
    }
    for name, (first, second) in splits.items():
        write_split(root, first, second, name)
    return root


def write_split(root: Path, train: object, test: object, name: str = "realiad_jsons") -> Path:
    file = root / "realiad_jsons" / name / "toy.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"meta": {"prefix": "toy/"}, "train": train, "test": test}))
    return file


def write_ksdd(root: Path) -> Path:
    """Twelve images of three items; two have a defect, the masks of the others are all zero."""
    for item in ("kos01", "kos02", "kos03"):
        for part in range(4):
            defect = (item, part) in (("kos01", 2), ("kos03", 0))
            write_image(root / item / f"Part{part}.jpg", bad(part) if defect else good(part))
            write_image(root / item / f"Part{part}_label.bmp", mask(255 if defect else 0))
    return root


def write_ksdd2(root: Path) -> Path:
    """Five training images, one with a defect; four test images, two with one."""
    for half, n, defects in (("train", 5, (1,)), ("test", 4, (0, 3))):
        for i in range(n):
            stem = f"{10000 + i if half == 'train' else 20000 + i}"
            write_image(root / half / f"{stem}.png", bad(i) if i in defects else good(i))
            write_image(root / half / f"{stem}_GT.png", mask(255 if i in defects else 0))
    return root


def write_dagm(root: Path) -> Path:
    """Two classes of four training images, one with a defect, and three test images, two with."""
    for name in ("Class1", "Class2"):
        for half, n, defects in (("Train", 4, (2,)), ("Test", 3, (0, 1))):
            base = root / name / half
            for i in range(n):
                write_image(base / f"{i:04d}.PNG", bad(i) if i in defects else good(i))
            for i in defects:
                write_image(base / f"Label/{i:04d}_label.PNG", mask())
            (base / "Label/Labels.txt").write_text("1\n")
    return root


def write_aebad(root: Path) -> Path:
    """Photos under two shifts of three in training, four in the test; frames of two videos."""
    photos, videos = root / "AeBAD_S", root / "AeBAD_V"
    for shift in ("background", "illumination"):
        write_image(photos / f"train/good/{shift}/IMG_1.png", good(1))
    for shift in ("same", "background", "illumination", "view"):
        write_image(photos / f"test/good/{shift}/IMG_2.png", good(2))
    for shift in ("same", "view"):
        for kind in ("ablation", "groove"):
            write_image(photos / f"test/{kind}/{shift}/IMG_3.png", bad(3))
            write_image(photos / f"ground_truth/{kind}/{shift}/IMG_3.png", mask())
    write_all(videos / "train/good/video1_train", ["1.jpg", "2.jpg"], good(4))
    write_all(videos / "train/good/video2_train", ["1.jpg"], good(5))
    for video in ("video1", "video2"):
        write_all(videos / f"test/{video}/good", ["1.jpg", "2.jpg"], good(6))
        write_all(videos / f"test/{video}/anomaly", ["3.jpg"], bad(7))
    return root
