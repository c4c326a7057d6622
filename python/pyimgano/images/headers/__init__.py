"""What the headers of image files say: read by content, whatever a file is called."""

from pyimgano.images.headers.base import DamagedError, Header, HeaderError, UnsupportedError
from pyimgano.images.headers.detect import read_header

__all__ = ["DamagedError", "Header", "HeaderError", "UnsupportedError", "read_header"]
