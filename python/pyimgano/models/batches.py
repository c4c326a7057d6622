"""A list of images in batches: what every detector's ``iter_predict`` does the same way."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from pyimgano.errors import ImageReadError, InvalidInputError, InvalidTypeError
from pyimgano.images.preprocess import check_image
from pyimgano.types import ImageInput

Result = TypeVar("Result")


def in_batches(
    images: Iterable[ImageInput],
    batch_size: int,
    process: Callable[[Sequence[ImageInput]], Iterable[Result]],
) -> Iterator[Result]:
    """What ``process`` gives, one result per image, in order; images are asked for in their turn.

    At the first image that ``process`` cannot take (ImageReadError, InvalidTypeError,
    InvalidInputError) all results before it have come: the batch it is in is done again one by one.
    """
    waiting = iter(images)
    while batch := list(islice(waiting, batch_size)):
        try:
            results = list(process([check_image(image) for image in batch]))
        except (ImageReadError, InvalidTypeError, InvalidInputError):
            if len(batch) == 1:
                raise
        else:
            yield from results
            continue
        for image in batch:
            yield from process([check_image(image)])
