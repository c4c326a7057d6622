"""Damaged JPEGs: each is refused by name, or its pixels are those of the undamaged file.

``python -m tests.fuzz.jpeg_damage --n 2000 --seed 0`` writes photos in eight ways (baseline,
progressive, restart markers, 4:4:4, grey, ...) and damages each in one of four: cut and closed with
an end marker, or 512 bytes set to zero, left out, or overwritten, at a place that is a multiple of
512 or not. ``--photos FOLDER`` takes the photos from there in place of generated ones. Prints the
share that passes, and each file that does not; exit code 1 if the share is below ``--least``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.images.reading import read_image

SECTOR = 512
ENCODINGS: dict[str, tuple[int, ...]] = {
    "baseline": (),
    "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": (cv2.IMWRITE_JPEG_RST_INTERVAL, 8),
    "4:4:4": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "grey": (),
    "grey progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "progressive restarts": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 8),
    "optimized": (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
}
DAMAGES = ("cut", "zeroed", "left out", "overwritten")


def generated(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A photo of sorts: smooth light, edges and noise."""
    height, width = (int(v) for v in rng.integers(300, 500, 2))
    coarse = rng.uniform(40, 215, (6, 8, 3)).astype(np.float32)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        x, y, radius = (int(v) for v in rng.integers(5, 300, 3))
        cv2.circle(image, (x, y), radius // 6, rng.uniform(0, 255, 3).tolist(), -1)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def encoded(image: NDArray[np.uint8], kind: str, quality: int) -> bytes:
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if kind.startswith("grey") else image
    settings = [*ENCODINGS[kind], cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", pixels, settings)[1].tobytes()


def damaged(data: bytes, damage: str, rng: np.random.Generator) -> bytes:
    if damage == "cut":
        return data[: int(rng.integers(2, len(data) - 2))] + b"\xff\xd9"
    at = int(rng.integers(0, max(1, len(data) - SECTOR)))
    if rng.random() < 0.5:
        at -= at % SECTOR
    middle = {"zeroed": bytes(SECTOR), "left out": b"", "overwritten": rng.bytes(SECTOR)}[damage]
    return data[:at] + middle + data[at + SECTOR :]


def outcome(data: bytes, whole: NDArray[np.generic], path: Path) -> str:
    """``"refused"``, ``"same"`` or ``"wrong"``: scored with other pixels, or not named."""
    path.write_bytes(data)
    try:
        found = read_image(path)
    except ImageReadError as error:
        return "refused" if path.name in str(error) else "wrong"
    return "same" if np.array_equal(found, whole) else "wrong"


def run(n: int, seed: int, photos: list[Path]) -> tuple[Counter[str], list[str]]:
    """How many came out how, and those that came out wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.jpg")
        for i in range(n):
            rng = np.random.default_rng([seed, i])
            kind = list(ENCODINGS)[i % len(ENCODINGS)]
            damage = DAMAGES[i // len(ENCODINGS) % len(DAMAGES)]
            image = (
                np.asarray(cv2.imread(str(rng.choice([str(p) for p in photos]))), np.uint8)
                if photos
                else generated(rng)
            )
            data = encoded(image, kind, int(rng.choice([60, 80, 90, 95])))
            path.write_bytes(data)
            whole = read_image(path)  # a healthy file that is refused ends the run
            found = outcome(damaged(data, damage, rng), whole, path)
            counts[found] += 1
            if found == "wrong":
                wrong.append(f"{kind}, {damage}, seed [{seed}, {i}]")
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--least", type=float, default=0.99, help="least share that passes")
    given = parser.parse_args()
    photos = [] if given.photos is None else sorted(given.photos.rglob("*.[pj][np]g"))
    counts, wrong = run(given.n, given.seed, photos)
    share = 1 - counts["wrong"] / given.n
    print(f"{given.n} damaged JPEGs: {dict(counts)}; {100 * share:.2f} % pass")
    print("\n".join(wrong))
    return int(share < given.least)


if __name__ == "__main__":
    raise SystemExit(main())
