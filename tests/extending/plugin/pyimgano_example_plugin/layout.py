"""The image set of a factory that photographs trays from two sides."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from pyimgano.extend import Sample, register_layout


class TrayLayout:
    """``<tray>/photos.csv`` with columns file, split, defect, mask, part, side."""

    name = "trays"

    def categories(self, root: Path) -> list[str]:
        return sorted(file.parent.name for file in root.glob("*/photos.csv"))

    def samples(self, root: Path, category: str) -> Iterator[Sample]:
        folder = root / category
        with (folder / "photos.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                yield Sample(
                    path=str(folder / row["file"]),
                    split=row["split"],
                    label=int(row["defect"] != ""),
                    masks=(str(folder / row["mask"]),) if row["mask"] else (),
                    defect_type=row["defect"] or None,
                    group=row["part"],
                    attributes={"side": row["side"]},
                )


def register() -> None:
    register_layout(TrayLayout())
