"""Pictures of a user's own line: every image file below a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from training.errors import TrainingError
from training.pictures.picture import Picture

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
# Fewer teach nothing about a line, and leave none to judge the student by.
AT_LEAST = 8
LONGEST = 1024


def own_pictures(folder: Path) -> Iterator[Picture]:
    """Readable images of a folder, at most 1,024 px long; others are named and left out."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if len(files) < AT_LEAST:
        raise TrainingError(
            f"{folder}: {len(files)} pictures, at least {AT_LEAST} are needed; "
            "add more, or leave --pictures out and train on the general ones"
        )
    readable = 0
    for file in files:
        pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            print(f"{file}: cannot be decoded, left out")
            continue
        readable += 1
        shrink = LONGEST / max(pixels.shape[:2])
        if shrink < 1:
            pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        name = str(file.relative_to(folder))
        yield Picture(name, "own", pixels.astype("uint8"), "the user's own")
    if readable < AT_LEAST:
        raise TrainingError(
            f"{folder}: {readable} of {len(files)} pictures can be decoded, "
            f"at least {AT_LEAST} are needed"
        )
