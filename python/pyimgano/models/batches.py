"""A list of images in batches: what every detector's ``iter_predict`` does the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.types import ImageInput

Result = TypeVar("Result")


def in_batches(
    images: Sequence[ImageInput],
    batch_size: int,
    process: Callable[[Sequence[ImageInput]], Iterable[Result]],
) -> Iterator[Result]:
    """One result per image, in order.

    Parameters
    ----------
    images
        Paths or arrays.
    batch_size
        Images per call of ``process``.
    process
        Results of some images, one each.

    Raises
    ------
    ImageReadError
        At the first image that ``process`` cannot read, after the results of all before it: the
        batch it is in is done again one by one.
    """
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        try:
            results = list(process(batch))
        except ImageReadError:
            if len(batch) == 1:
                raise
        else:
            yield from results
            continue
        for i in range(len(batch)):
            yield from process(batch[i : i + 1])


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse what is not an integer of at least ``least``."""
    if not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInputError(f"{name} must be an integer of at least {least}: {value!r}")


def check_on_bad_image(on_bad_image: str) -> None:
    """Refuse anything but ``"raise"`` and ``"skip"``."""
    if on_bad_image not in ("raise", "skip"):
        raise InvalidInputError(f'on_bad_image must be "raise" or "skip", got {on_bad_image!r}')
