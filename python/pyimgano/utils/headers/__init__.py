"""What the headers of image files say: read by content, whatever a file is called."""

from pyimgano.utils.headers.base import DamagedError, Header, HeaderError, UnsupportedError
from pyimgano.utils.headers.detect import read_header

__all__ = ["DamagedError", "Header", "HeaderError", "UnsupportedError", "read_header"]
