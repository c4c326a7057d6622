"""HEIC through the extra ``heif``."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.images.headers import DamagedError
from pyimgano.utils.optional_deps import require


@cache
def reads_heic() -> bool:
    """Whether the package that decodes HEIC is installed."""
    return find_spec("pi_heif") is not None


def decode_heic(data: bytes) -> NDArray[Any]:
    """The picture of a HEIC file, shown upright: uint8 (H, W, 3), RGB."""
    heif: Any = require("pi_heif", extra="heif", purpose="HEIC files")
    try:
        picture = heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = np.asarray(picture)
    except (ValueError, EOFError, RuntimeError, OSError, SyntaxError) as error:
        raise DamagedError("damaged or cut short") from error
    return pixels[..., :3] if pixels.ndim == 3 else pixels
