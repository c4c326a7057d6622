"""From a path or an array to the float image that a feature extractor takes."""

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.images.geometry import Geometry, size_within
from pyimgano.images.health import ImageHealth, measure_health
from pyimgano.images.light import Light
from pyimgano.images.limits import MAX_PIXELS
from pyimgano.images.pixels import white_of
from pyimgano.images.reading import read_image
from pyimgano.types import ImageInput, ImageSize
from pyimgano.utils.optional_deps import require
from pyimgano.utils.parameters import Choice, Count, Flag, Number, Parameter, Size


@dataclass(frozen=True)
class LoadedImage:
    """One image ready for feature extraction.

    Attributes
    ----------
    pixels
        float32 (h, w, 3), RGB in [0, 1], at the size that features are taken from; from a
        preprocessor with ``as_stored`` uint8 or uint16, (h, w) or (h, w, 3).
    geometry
        Which pixel of the source image each of them is.
    path, health
        The file it came from, None for an array; light, sharpness and the like of the source.
    """

    pixels: NDArray[Any]
    geometry: Geometry
    path: str | None
    health: ImageHealth

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the source image."""
        return self.geometry.source


def as_size(image_size: Any, name: str = "image_size") -> tuple[int, int] | None:
    """Validate an :data:`ImageSize`: an int is squared, (h, w) is exact, None is native."""
    found = Size(none=True).check(name, image_size)
    return (found, found) if isinstance(found, int) else found


def check_images(X: Any) -> list[ImageInput]:
    """Images in a list, whatever holds them, or an error that says what to pass.

    A pandas or polars Series is taken in its order, an iterator to its end.
    """
    return [check_image(image, f" at position {i}") for i, image in enumerate(each_image(X))]


def each_image(X: Any) -> Iterator[ImageInput]:
    """What holds images, one after the other; :func:`check_image` is for each of them."""
    if isinstance(X, (str, bytes, os.PathLike)):
        raise InvalidTypeError(f"expected a list of images, got one path: pass [{X!r}]")
    if isinstance(X, np.ndarray) and (X.ndim == 2 or (X.ndim == 3 and X.shape[2] in (1, 3, 4))):
        raise InvalidTypeError(
            f"expected a list of images, got one array of shape {X.shape}: pass [image]"
        )
    kind = type(X).__name__
    if isinstance(X, (Mapping, Set)):
        raise InvalidTypeError(
            f"expected a list of paths or arrays, got {kind}, which is in no order of images: pass"
            " a list"
        )
    if hasattr(X, "columns"):
        raise InvalidTypeError(
            f"expected a list of paths or arrays, got {kind}: pass its column of paths"
        )
    try:
        return iter(X)
    except TypeError:
        raise InvalidTypeError(f"expected a list of paths or arrays, got {kind}") from None


def check_image(image: Any, where: str = "") -> ImageInput:
    """Refuse what is neither a path nor an array; ``where`` it stands, for the message."""
    if isinstance(image, (str, os.PathLike, np.ndarray)):
        return image
    hint = ": pass numpy.asarray(image)" if hasattr(image, "__array_interface__") else ""
    raise InvalidTypeError(
        f"an image is a path or a NumPy array, got {type(image).__name__}{where}{hint}"
    )


class ImagePreprocessor:
    """Decode, check, resize and scale images.

    Parameters
    ----------
    resize
        Target size: int S for (S, S), (height, width), or None for the image's own size.
    output_tensor
        Return torch tensors (3, h, w) in place of arrays (needs the ``torch`` extra).
    center_crop
        Size of a centred crop taken after resizing, or None.
    bit_depth
        Bits that a 16-bit file really uses (12 for a 12-bit camera): pixels are divided by
        ``2**bit_depth - 1``, and a value above that is an error. None means all 16.
    max_pixels
        Files with more pixels are refused before they are decoded.
    resize_mode
        ``"squash"``: to exactly that size; ``"fit"``: to the largest size within it that keeps the
        aspect; ``"cover"``: to the smallest such size that covers it, cropped at the right and the
        bottom.
    multiple
        What both sides are made a multiple of: by rounding with ``"fit"``, by the crop with
        ``"cover"``.
    share
        In place of ``resize``, for ``"fit"``: the share of an image's own height and width that it
        is brought to.
    as_stored
        Resize and crop pixels as they are stored, and leave it at that: a large image takes a
        quarter of the memory.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "resize": Size(
            none="native",
            metavar="S",
            help="S, HxW or native",
            stored=Size(2**14, 2**23, none=True),
        ),
        "output_tensor": Flag(),
        "center_crop": Size(none=True),
        "bit_depth": Count(
            1, 16, none="all 16", metavar="B", help="bits used in 16-bit images, such as 12"
        ),
        "max_pixels": Count(metavar="N", help="larger images are refused before they are decoded"),
        "resize_mode": Choice("squash", "fit", "cover"),
        "multiple": Count(),
        "share": Number(0, 1, open_low=True, none=True),
        "as_stored": Flag(),
    }
    #: What images are brought to, see :meth:`in_light`.
    _light: Light | None = None
    _counted: Callable[[Geometry], NDArray[np.bool_]] | None = None

    def __init__(
        self,
        resize: ImageSize = (224, 224),
        output_tensor: bool = False,
        *,
        center_crop: ImageSize = None,
        bit_depth: int | None = None,
        max_pixels: int = MAX_PIXELS,
        resize_mode: str = "squash",
        multiple: int = 1,
        share: float | None = None,
        as_stored: bool = False,
    ) -> None:
        self.resize = resize
        self.output_tensor = output_tensor
        self.center_crop = center_crop
        self.bit_depth = bit_depth
        self.max_pixels = max_pixels
        self.resize_mode = resize_mode
        self.multiple = multiple
        self.share = share
        self.as_stored = as_stored
        for name, parameter in self.PARAMETERS.items():
            parameter.check(name, getattr(self, name))
        self._size, self._crop = as_size(resize), as_size(center_crop)
        if (
            self._size
            and self._crop
            and (self._crop[0] > self._size[0] or self._crop[1] > self._size[1])
        ):
            raise InvalidInputError(f"center_crop {self._crop} is larger than resize {self._size}")

    def __call__(self, images: Iterable[ImageInput]) -> list[Any]:
        """Preprocess a list of paths or arrays.

        Returns
        -------
        list
            float32 (h, w, 3) arrays, RGB in [0, 1], or float32 (3, h, w) tensors.
        """
        loaded = [self.load(image).pixels for image in check_images(images)]
        if not self.output_tensor:
            return loaded
        torch = require("torch", extra="torch", purpose="output_tensor=True")
        return [torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1))) for a in loaded]

    def in_light(
        self, light: Light, counted: Callable[[Geometry], NDArray[np.bool_]] | None = None
    ) -> Self:
        """The same, which brings what is seen of every image to one light.

        ``counted`` gives the pixels that the light of an image is measured on, bool (h, w); None:
        all. Health stays that of the image as it was taken.
        """
        found = copy.copy(self)
        found._light, found._counted = light, counted
        return found

    def load(self, image: ImageInput) -> LoadedImage:
        """Load one image.

        Raises
        ------
        ImageReadError
            The file cannot be read as a whole.
        InvalidTypeError, InvalidInputError
            The array is not (H, W) or (H, W, 3) of uint8 or uint16.
        """
        path, array = self.read(image)
        geometry = self.geometry((array.shape[0], array.shape[1]))
        health = measure_health(array, bit_depth=self.bit_depth)
        pixels = geometry.forward_stored(array) if self.as_stored else self._floats(array, geometry)
        return LoadedImage(self._lit(pixels, pixels, geometry), geometry, path, health)

    def geometry(self, source: tuple[int, int]) -> Geometry:
        """What an image of that height and width is brought to."""
        size = self._size
        if self.resize_mode == "cover":
            return Geometry.covering(source, size or source, self.multiple)
        if self.resize_mode == "fit":
            if self.share is not None:
                size = (round(source[0] * self.share), round(source[1] * self.share))
            size = size_within(source, size, self.multiple)
        return Geometry.of(source, size, self._crop)

    def read(self, image: ImageInput) -> tuple[str | None, NDArray[Any]]:
        """The path of a file, None for an array, and the pixels as they are stored."""
        if isinstance(image, (str, os.PathLike)):
            path = os.fspath(image)
            return path, read_image(image, max_pixels=self.max_pixels, bit_depth=self.bit_depth)
        return None, _check_array(image, self.bit_depth)

    def pixels(
        self, array: NDArray[Any], *, light_of: NDArray[Any] | None = None
    ) -> NDArray[np.float32]:
        """Stored pixels at the size that features are taken from: float32 (h, w, 3), RGB in [0,
        1]; with ``light_of``, changed as that image of the same size is by :meth:`in_light`."""
        geometry = self.geometry((array.shape[0], array.shape[1]))
        found = self._floats(array, geometry)
        if self._light is None:
            return found
        own = found if light_of is None else self._floats(light_of, geometry)
        return np.asarray(self._lit(found, own, geometry), np.float32)

    def _floats(self, array: NDArray[Any], geometry: Geometry) -> NDArray[np.float32]:
        pixels = geometry.forward(array)
        pixels /= white_of(array, self.bit_depth)
        np.minimum(pixels, 1.0, out=pixels)  # resizing may round up
        return pixels

    def _lit(self, pixels: NDArray[Any], own: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
        """The pixels, changed as ``own`` must be to be in the light that is wanted."""
        if self._light is None:
            return pixels
        try:
            counted = None if self._counted is None else self._counted(geometry)
        except InvalidInputError:  # whoever takes patches of the image refuses it with a name
            return pixels
        found = Light.of(own, self.bit_depth, counted)
        return self._light.matched(pixels, found, self.bit_depth)


def _check_array(image: Any, bit_depth: int | None) -> NDArray[Any]:
    check_image(image)
    if image.dtype not in (np.uint8, np.uint16):
        raise InvalidTypeError(
            f"image arrays are uint8 or uint16, got {image.dtype}: cast or scale them first"
        )
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or 0 in image.shape:
        raise InvalidInputError(f"image arrays are (H, W) or (H, W, 3), got {image.shape}")
    top = 2 ** (bit_depth or 16) - 1
    if image.dtype == np.uint16 and bit_depth is not None and image.max() > top:
        raise InvalidInputError(
            f"an image array has a value of {image.max()}, above {top}, the largest with"
            f" bit_depth={bit_depth}"
        )
    return np.asarray(image)
