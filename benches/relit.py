"""A copy of an image set in which every photo has a light, a gain and a size of its own.

    python benches/relit.py --root DIR --category screw cookie --output relit

Training and test images alike, one seed per set. Each image is brought to a longest side of 300 to
1,200 px, its contrast changed by 0.65 to 1.3, its gamma by 0.75 to 1.35; a ramp of brightness of up
to 30 % lies over it; then a gain of 0.65 to 1.25, an offset of up to 0.08 of the range, and up to
8 % for each colour channel. Masks get the size of their image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano import load_dataset
from pyimgano.images.reading import read_image

Floats = NDArray[np.float32]


def relit(image: Floats, rng: np.random.Generator) -> Floats:
    """One image (height, width, 3) in [0, 1] in another light."""
    height, width = image.shape[:2]
    values = (image - image.mean()) * rng.uniform(0.65, 1.3) + image.mean()
    values = np.clip(values, 0, 1) ** rng.uniform(0.75, 1.35)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    ramp = 1 + strength * (np.cos(angle) * across + np.sin(angle) * down)
    values = values * ramp[:, :, None] * rng.uniform(0.65, 1.25) + rng.uniform(-0.08, 0.08)
    return np.clip(values * rng.uniform(0.92, 1.08, 3), 0, 1).astype(np.float32)


def write(source: Path, target: Path, masks: Sequence[str], rng: np.random.Generator) -> None:
    """One relit image of 8 bits as ``target``, and its masks as one where MVTec AD has it."""
    read = np.atleast_3d(read_image(source))
    image = read.astype(np.float32) / np.iinfo(read.dtype).max
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    scale = rng.integers(300, 1201) / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    pixels = np.rint(relit(np.clip(image, 0, 1), rng) * 255).astype(np.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target.with_suffix(".png")), pixels[:, :, ::-1])
    if masks:
        marks = np.max([cv2.imread(mask, cv2.IMREAD_GRAYSCALE) for mask in masks], axis=0)
        marks = cv2.resize(marks, (width, height), interpolation=cv2.INTER_NEAREST)
        category = target.parents[2]
        place = category / "ground_truth" / target.parent.name / f"{target.stem}_mask.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), marks)


def main() -> int:
    """Write all categories."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=Path, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for category in args.category:
        rng = np.random.default_rng(args.seed)
        dataset = load_dataset("mvtec", args.root, category)
        for sample in (*dataset.samples("train"), *dataset.samples("test")):
            source = Path(sample.path)
            target = args.output / source.relative_to(args.root)
            write(source, target, sample.masks or (), rng)
        print(f"{args.output / category}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
