"""Anomaly maps as TIFF files of floats."""

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError

FloatType = Literal["float16", "float32"]
#: Types of entries (TIFF 6.0, section 2).
_SHORT, _LONG = 3, 4
#: Values of PhotometricInterpretation (black is zero), Compression (none), SampleFormat (IEEE).
_BLACK_IS_ZERO, _UNCOMPRESSED, _FLOAT = 1, 1, 3
_HEADER_BYTES = 8


def float_tiff(anomaly_map: NDArray[np.float32], dtype: FloatType = "float32") -> bytes:
    """A map (H, W) as the bytes of a TIFF with one strip, uncompressed, little-endian.

    Source: TIFF revision 6.0, sections 2, 3 and 19 (SampleFormat); 16-bit floats as in its
    technical note 3.

    Raises
    ------
    InvalidInputError
        A value does not fit ``float16``, whose largest is 65,504.
    """
    height, width = anomaly_map.shape
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(anomaly_map, dtype=np.dtype(dtype).newbyteorder("<"))
    if (np.isinf(values) & np.isfinite(anomaly_map)).any():
        raise InvalidInputError(
            f"a map reaches {np.abs(anomaly_map).max():g}, beyond {dtype}: use float32"
        )
    data = values.tobytes()
    fields = [
        (256, _LONG, width),
        (257, _LONG, height),
        (258, _SHORT, 8 * values.itemsize),
        (259, _SHORT, _UNCOMPRESSED),
        (262, _SHORT, _BLACK_IS_ZERO),
        (273, _LONG, 0),  # where the pixels begin, below
        (277, _SHORT, 1),  # samples per pixel
        (278, _LONG, height),  # rows in the strip
        (279, _LONG, len(data)),
        (339, _SHORT, _FLOAT),
    ]
    begin = _HEADER_BYTES + 2 + 12 * len(fields) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, begin if tag == 273 else value)
        for tag, kind, value in fields
    )
    head = struct.pack("<2sHI", b"II", 42, _HEADER_BYTES) + struct.pack("<H", len(fields))
    return head + entries + struct.pack("<I", 0) + data
