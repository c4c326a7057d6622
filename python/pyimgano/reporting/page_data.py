"""What the script of the report page works on."""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyimgano.images.reading import image_size
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.results import BenchmarkResult, CategoryResult
from pyimgano.utils.text import printable

_TYPES = {".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg"}


@dataclass
class Pictures:
    """Picture files as data URIs, each once, in the order asked for, up to a total size."""

    budget: int
    uris: list[str] = field(default_factory=list)
    left_out: int = 0  #: How many did not fit.
    _known: dict[str, int] = field(default_factory=dict)
    _spent: int = 0

    def add(self, path: Path) -> int | None:
        """The number of a picture; None if it is not there or there is no room for it."""
        try:
            data = path.read_bytes()
        except OSError:
            self.left_out += 1
            return None
        key = hashlib.sha256(data).hexdigest()
        if key not in self._known:
            kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
            uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
            if self._spent + len(uri) > self.budget:
                self.left_out += 1
                return None
            self._spent += len(uri)
            self._known[key] = len(self.uris)
            self.uris.append(uri)
        return self._known[key]


@dataclass(frozen=True)
class Block:
    """One category of one run, as the page shows it: the first seed that finished."""

    number: int
    run: int
    result: CategoryResult


def blocks_of(runs: Sequence[BenchmarkResult]) -> list[Block]:
    """All categories that finished with some seed; pictures are those of the first one."""
    found = [
        (r, next((one for one in group if any(i.pictures for i in one.images)), group[0]))
        for r, run in enumerate(runs)
        for group in run.finished
    ]
    names = list(dict.fromkeys(one.category for _, one in found))
    found.sort(key=lambda item: (names.index(item[1].category), item[0]))
    return [Block(n, r, one) for n, (r, one) in enumerate(found)]


def page_data(
    runs: Sequence[BenchmarkResult], blocks: Sequence[Block], folder: Path, budget: int
) -> tuple[dict[str, Any], int]:
    """Plain data for the page, and the number of pictures that did not fit."""
    pictures = Pictures(budget)
    entries: dict[tuple[int, int], dict[str, Any]] = {
        (block.number, i): _image(image)
        for block in blocks
        for i, image in enumerate(block.result.images)
    }
    # The mistakes come first: theirs are the pictures that must not be missing.
    order = sorted(entries, key=lambda key: not _is_mistake(blocks[key[0]].result.images[key[1]]))
    for number, i in order:
        block = blocks[number]
        root = folder / runs[block.run].folder
        for kind, name in block.result.images[i].pictures.items():
            index = pictures.add(root / name)
            if index is not None:
                entries[number, i][kind] = index
                if kind == "image":
                    entries[number, i]["ratio"] = _ratio(root / name)
    plain = [
        {
            "id": block.number,
            "run": block.run,
            "category": printable(block.result.category),
            "threshold": _finite(block.result.threshold),
            "source": block.result.threshold_source or "the training images",
            "maps": any("heat" in image.pictures for image in block.result.images),
            "masks": any("mask" in image.pictures for image in block.result.images),
            "images": [entries[block.number, i] for i in range(len(block.result.images))],
        }
        for block in blocks
    ]
    data = {"runs": [run.title for run in runs], "blocks": plain, "pictures": pictures.uris}
    return data, pictures.left_out


def _image(image: ImageResult) -> dict[str, Any]:
    path = printable(image.path.replace(os.sep, "/"))
    return {
        "name": "/".join(path.split("/")[-2:]),
        "path": path,
        "label": image.label,
        "score": image.score,
    }


def _is_mistake(image: ImageResult) -> bool:
    return image.label is not None and image.label != image.predicted


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _ratio(path: Path) -> float:
    height, width = image_size(path)
    return round(width / height, 4)
