"""Bits of pixels: a detector stays with those that it has learnt from."""

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.images.health import ImageHealth
from pyimgano.utils.text import shown


def check_bits(path: str | None, health: ImageHealth | None, known: frozenset[int]) -> None:
    """Refuse an image of another depth than was learnt: its values may be on another scale."""
    if health is None or health.bits is None or not known or health.bits in known:
        return
    what = (
        f"has {health.bits}-bit pixels, and the detector learnt from {min(known)}-bit images:"
        " fit it on images of this kind"
    )
    if path is None:
        raise InvalidInputError(f"the image {what}")
    raise ImageReadError(f"image {shown(path)} {what}")
