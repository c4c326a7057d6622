"""How large an image may be, by default, and for OpenCV whatever is asked for."""

import os

#: Largest image that is decoded by default: 10,000 x 10,000.
MAX_PIXELS = 100_000_000
_OPENCV = "OPENCV_IO_MAX_IMAGE_PIXELS"


def limit_opencv() -> None:
    """Set OpenCV's own limit unless the user has; OpenCV looks at it once, when it is imported."""
    os.environ.setdefault(_OPENCV, str(MAX_PIXELS))


def opencv_refuses(pixels: int) -> str | None:
    """Why OpenCV refuses that many pixels, and the way out; None if it takes them."""
    try:
        limit = int(os.environ[_OPENCV])
    except (KeyError, ValueError):
        return None
    if pixels <= limit:
        return None
    return (
        f"it has {pixels:,} pixels, above OpenCV's own limit of {limit:,}: set {_OPENCV} in the"
        " environment before Python starts"
    )
