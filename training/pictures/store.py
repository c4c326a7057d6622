"""All pictures decoded once into one memory-mapped file, with smaller copies of each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.pictures.picture import Picture, Pixels

# Share of draws of each kind, scaled to the kinds that are there.
SHARES = {"photo": 0.27, "texture": 0.45, "rendered": 0.28, "own": 1.0}
HELD_OUT_EVERY = 12
SMALLEST = 96


@dataclass(frozen=True)
class Entry:
    """Where the copies of one picture lie: (offset, height, width), each half of the one before."""

    name: str
    kind: str
    licence: str
    levels: list[tuple[int, int, int]]


class Store:
    """Read-only pictures; ``levels(i)`` are views of the file, from full size down."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "pictures.json").exists():
            raise TrainingError(f"{folder}: no pictures; run `python -m training prepare` first")
        index = json.loads((folder / "pictures.json").read_text())
        self.entries = [Entry(e["name"], e["kind"], e["licence"], e["levels"]) for e in index]
        self.folder = folder
        self._pixels: NDArray[np.uint8] = np.memmap(folder / "pictures.u8", np.uint8, "r")
        by_kind: dict[str, list[int]] = {}
        for position, entry in enumerate(self.entries):
            by_kind.setdefault(entry.kind, []).append(position)
        self.training, self.held_out = {}, {}
        for kind, members in by_kind.items():
            held = members[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY]
            self.held_out[kind] = held
            self.training[kind] = sorted(set(members) - set(held))

    def levels(self, position: int) -> list[Pixels]:
        """One picture at full, half, quarter ... size."""
        return [
            self._pixels[offset : offset + 3 * height * width].reshape(height, width, 3)
            for offset, height, width in self.entries[position].levels
        ]

    def draw(self, rng: np.random.Generator, kinds: dict[str, list[int]]) -> int:
        """A random picture: first its kind by ``SHARES``, then one of the kind."""
        names = [kind for kind, members in kinds.items() if members]
        shares = np.array([SHARES[kind] for kind in names])
        members = kinds[names[rng.choice(len(names), p=shares / shares.sum())]]
        return members[rng.integers(len(members))]


def write_store(folder: Path, pictures: Iterable[Picture]) -> Store:
    """Fill a folder; what is there is replaced when everything has been written."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, offset = [], 0
    with (folder / "pictures.u8.part").open("wb") as file:
        for picture in pictures:
            levels, pixels = [], picture.pixels
            while True:
                height, width = pixels.shape[:2]
                file.write(np.ascontiguousarray(pixels).data)
                levels.append((offset, height, width))
                offset += pixels.size
                if min(height, width) < 2 * SMALLEST:
                    break
                half = (width // 2, height // 2)
                pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA).astype(np.uint8)
            entries.append(Entry(picture.name, picture.kind, picture.licence, levels))
    if not entries:
        raise TrainingError("no pictures to train on: name a source, or let --rendered be above 0")
    (folder / "pictures.json.part").write_text(json.dumps([asdict(e) for e in entries]))
    for name in ("pictures.u8", "pictures.json"):
        os.replace(folder / f"{name}.part", folder / name)
    return Store(folder)
