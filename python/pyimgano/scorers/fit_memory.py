"""Whether the features of a training set will fit, known from its first image."""

import os
import shutil
from collections.abc import Sequence

from pyimgano.errors import NotEnoughMemoryError, OutputError
from pyimgano.utils.memory import available_memory, gigabytes
from pyimgano.utils.parameters.base import joined
from pyimgano.utils.text import shown

#: Bytes per row beside the features: the coreset's images and bounds.
_CORESET = 430
#: The same of the search index, and of what held-out scoring keeps for each row.
_INDEX, _HELD_OUT = 510, 80


def fit_memory(n_rows: int, depth: int, coreset_ratio: float, *, on_disk: bool) -> int:
    """Bytes that selecting a coreset of features and scoring them takes.

    The features, unless they are on disk; beside them first the coreset's bounds, then the bank
    twice (once in the search index) with its bounds.
    """
    bank = coreset_ratio * (9 * depth + _INDEX)
    return int(n_rows * (max(_CORESET, _HELD_OUT + bank) + 4 * depth * (not on_disk)))


def check_fit_memory(
    n_images: int,
    grid: tuple[int, int, int],
    *,
    coreset_ratio: float,
    spill_dir: str | os.PathLike[str] | None,
) -> None:
    """Refuse a training set whose features will not fit: NotEnoughMemoryError with what would help.

    ``grid`` has height, width and depth of the first image's features, taken for all. With
    ``spill_dir``, where features go in place of memory, a disk without room is an OutputError.
    """
    height, width, depth = grid
    n_rows = n_images * height * width
    features = 4 * n_rows * depth
    extra = fit_memory(n_rows, depth, coreset_ratio, on_disk=True)
    shape = f"{n_images:,} images of {height} x {width} x {depth} features"
    if spill_dir is not None:
        free = shutil.disk_usage(spill_dir).free
        if features > free:
            raise OutputError(
                f"spill_dir {shown(spill_dir)} has {gigabytes(free)} free; {shape} need"
                f" {gigabytes(features)}"
            )
    needed = extra + (0 if spill_dir is not None else features)
    available = available_memory()
    if available is None or needed <= available:
        return
    ways = ["a smaller image_size", "fewer images"]
    if spill_dir is None and extra <= available:
        ways.insert(0, "spill_dir=FOLDER (keeps features on disk)")
    elif coreset_ratio > 0.01:
        ways.insert(0, "a smaller coreset_ratio")
    refuse_beyond(needed, f"{shape}{' kept on disk' if spill_dir is not None else ''}", ways)


def refuse_beyond(needed: int, what: str, ways: Sequence[str]) -> None:
    """Raise NotEnoughMemoryError where so many bytes are not there, with the ways out."""
    available = available_memory()
    if available is not None and needed > available:
        raise NotEnoughMemoryError(
            f"fitting needs about {gigabytes(needed)} of memory for {what},"
            f" {gigabytes(available)} are available: use {joined(ways)}"
        )
