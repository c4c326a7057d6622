"""Material textures on contact sheets: 128 px tiles, seven a row, each with its name below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from training.errors import TrainingError
from training.pictures.picture import Picture

TILE, COLUMNS, MARGIN, ACROSS, DOWN = 128, 7, 16, 144, 176
# Sheets have lossy edges, and a tile may fade out there.
TRIM = 2


def texture_sheets(folder: Path) -> Iterator[Picture]:
    """Every tile of every sheet in a folder."""
    sheets = sorted(folder.glob("*.webp"))
    if not sheets:
        raise TrainingError(
            f"{folder}: no texture sheets (*.webp); leave --textures out or mend it"
        )
    for sheet in sheets:
        pixels = cv2.imread(str(sheet), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise TrainingError(f"{sheet}: cannot be decoded; remove it or fetch it again")
        for row in range((pixels.shape[0] - MARGIN) // DOWN + 1):
            for column in range(COLUMNS):
                top, left = MARGIN + DOWN * row + TRIM, MARGIN + ACROSS * column + TRIM
                tile = pixels[top : top + TILE - 2 * TRIM, left : left + TILE - 2 * TRIM]
                below = pixels[top + TILE : top + DOWN - MARGIN, left : left + TILE]
                # An empty place has no name below it.
                if tile.shape[:2] == (TILE - 2 * TRIM,) * 2 and below.size and below.min() < 128:
                    name = f"{sheet.stem}/{COLUMNS * row + column:03d}"
                    yield Picture(name, "texture", tile.astype("uint8"), "CC0 1.0, ambientCG")
