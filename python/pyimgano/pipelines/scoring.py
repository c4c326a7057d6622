"""Scoring a stream of files in which some may be unreadable, and some were learnt from."""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, NotFittedError, PyimganoError
from pyimgano.models.base import Detector
from pyimgano.models.reading import Reading
from pyimgano.types import ImageInput, Prediction, Unreadable
from pyimgano.utils.ahead import Ahead
from pyimgano.utils.text import shown

#: Decoded images that may wait while others are scored, where a batch is smaller.
_AHEAD = 2


@dataclass(frozen=True)
class Scored:
    """A prediction with the file's path, the image it was made of, and what it took."""

    prediction: Prediction
    image: NDArray[Any]  #: The decoded file, (H, W) or (H, W, 3), uint8 or uint16.
    #: Milliseconds of decoding and scoring; images of one batch share what they were scored in.
    ms: float
    decode_ms: float  #: Milliseconds of decoding alone.


@dataclass(frozen=True)
class _Decoded:
    path: str
    image: NDArray[Any]
    ms: float


def predict_stream(
    detector: Detector,
    paths: Iterable[str | Unreadable],
    *,
    with_maps: bool = True,
    batch_size: int = 1,
) -> Generator[Scored | Unreadable, None, None]:
    """One outcome per path, in order; a file that cannot be used does not stop the others.

    Files are decoded in a thread of their own while others are scored. Memory holds a batch and
    the decoded images of one more, or three, of about 64 MiB together, whatever the number of
    paths; larger images are decoded in turn.

    Paths are asked for as they are needed; an :class:`~pyimgano.types.Unreadable` is passed on.
    ``batch_size`` images, at most the detector's own ``batch_size``, are scored in one pass; with 1
    an image is scored as soon as its path is known.
    """
    decode = partial(_decoded, reading=Reading.of(detector))
    with Ahead(paths, decode, max(_AHEAD, batch_size), _weight) as decoded:
        while batch := list(islice(decoded, batch_size)):
            yield from _predict_batch(detector, batch, with_maps)
            batch.clear()  # before the next is decoded


def _predict_batch(
    detector: Detector, batch: list[_Decoded | Unreadable], with_maps: bool
) -> Iterator[Scored | Unreadable]:
    found = iter(_predictions(detector, [b for b in batch if isinstance(b, _Decoded)], with_maps))
    for one in batch:
        yield one if isinstance(one, Unreadable) else next(found)


def _predictions(
    detector: Detector, decoded: list[_Decoded], with_maps: bool
) -> list[Scored | Unreadable]:
    if not decoded:
        return []
    start = time.perf_counter()
    try:
        images = [one.image for one in decoded]
        predictions = list(detector.iter_predict(images, with_maps=with_maps))
    except NotFittedError:
        raise
    except (PyimganoError, MemoryError) as error:
        if len(decoded) == 1:  # such as an image that is too small for the network
            (one,) = decoded
            reason = str(error) or "not enough memory"
            return [Unreadable(one.path, f"cannot score image {shown(one.path)}: {reason}")]
        # Which of them is to blame does not show.
        return [r for one in decoded for r in _predictions(detector, [one], with_maps)]
    ms = 1000 * (time.perf_counter() - start) / len(decoded)
    return [
        _outcome(one, prediction, ms) for one, prediction in zip(decoded, predictions, strict=True)
    ]


def _outcome(one: _Decoded, prediction: Prediction, ms: float) -> Scored | Unreadable:
    """What was found, unless nothing can be decided by it: NaN is never above a threshold."""
    anomaly_map = prediction.anomaly_map
    for what, finite in (
        ("score", math.isfinite(prediction.score)),
        ("anomaly map", anomaly_map is None or bool(np.isfinite(anomaly_map).all())),
    ):
        if not finite:
            reason = f"cannot score image {shown(one.path)}: its {what} is not finite"
            return Unreadable(one.path, reason)
    return Scored(replace(prediction, path=one.path), one.image, one.ms + ms, one.ms)


def _decoded(path: str | Unreadable, reading: Reading) -> _Decoded | Unreadable:
    if isinstance(path, Unreadable):
        return path
    start = time.perf_counter()
    try:
        image = reading.read(path)
    except ImageReadError as error:
        return Unreadable(path, str(error))
    except MemoryError:
        return Unreadable(path, f"cannot decode image {shown(path)}: not enough memory")
    return _Decoded(path, image, 1000 * (time.perf_counter() - start))


def _weight(one: _Decoded | Unreadable) -> int:
    return one.image.nbytes if isinstance(one, _Decoded) else 0


def is_learnt(detector: Any, image: ImageInput) -> bool:
    """Whether a detector has learnt from the very same picture, as far as it knows."""
    known = getattr(detector, "has_learnt", None)
    return known is not None and bool(known(image))


def say_learnt(learnt: Sequence[str], total: int, so: str) -> list[str]:
    """A note on images that were learnt from, and what follows; none where there is no such one."""
    if not learnt:
        return []
    are = "is an image" if len(learnt) == 1 else "are images"
    return [
        f"{len(learnt)} of {total} {are} that the detector has learnt from, such as"
        f" {shown(learnt[0])}: {so}"
    ]
