"""Labels, scores, masks and maps as the kernels take them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.images.geometry import resize_nearest

Images: TypeAlias = Sequence[ArrayLike] | NDArray[Any]


def check_metric_size(size: int | None) -> None:
    """Refuse what is no side of a square, nor None."""
    if size is not None and (not isinstance(size, int) or size < 1):
        raise InvalidInputError(f"metric_size must be an integer from 1 or None, got {size!r}")


def resize_map(anomaly_map: NDArray[Any], size: int | None) -> NDArray[Any]:
    """An anomaly map at (`size`, `size`), bilinear; as it is if `size` is None."""
    return _resized("anomaly map", anomaly_map, size, _bilinear)


def resize_mask(mask: NDArray[Any], size: int | None) -> NDArray[Any]:
    """A mask at (`size`, `size`), the pixel nearest to each centre; as it is if `size` is None."""
    return _resized("mask", mask, size, resize_nearest)


def _bilinear(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _resized(
    name: str,
    image: NDArray[Any],
    size: int | None,
    rule: Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]],
) -> NDArray[Any]:
    if size is None:
        return image
    check_metric_size(size)
    if image.ndim != 2 or image.size == 0:
        raise InvalidInputError(f"cannot resize a {name} of shape {image.shape}")
    if image.shape == (size, size):
        return image
    plain = image.view(np.uint8) if image.dtype == np.bool_ else image
    return rule(np.ascontiguousarray(plain), (size, size))


def as_labels(name: str, values: ArrayLike, *, any_integer: bool = False) -> NDArray[np.uint8]:
    """Labels as uint8 0 and 1, or, with `any_integer`, 0 and anything else."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name} must be bool or integers, got {array.dtype}")
    if array.dtype == np.bool_ or (any_integer and array.dtype == np.uint8):
        return np.ascontiguousarray(array).view(np.uint8)
    if not (any_integer and array.dtype.kind in "iu"):
        wrong = array[(array != 0) & (array != 1)]
        if wrong.size:
            raise InvalidInputError(
                f"{name} must be 0 (normal) or 1 (anomalous), got {wrong.flat[0]}"
            )
    return np.ascontiguousarray(array != 0).view(np.uint8)


def as_scores(name: str, values: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """Scores as float32 or float64, whichever loses nothing."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidTypeError(f"{name} must be real numbers, got {array.dtype}")
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float64)


def as_images(name: str, images: Images) -> Images:
    """`images`, a single (H, W) array counting as one image."""
    if isinstance(images, np.ndarray) and images.dtype != np.object_:
        if images.ndim not in (2, 3):
            raise InvalidInputError(
                f"{name} must have shape (n, H, W) or be a sequence of (H, W) arrays, "
                f"got shape {images.shape}"
            )
        return images[None] if images.ndim == 2 else images
    return images
