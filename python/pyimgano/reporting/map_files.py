"""Anomaly maps as files of floats, one per test image."""

import io
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.reporting.files import file_stem, make_folder, write_bytes
from pyimgano.reporting.float_tiff import float_tiff

#: TIFF with one channel of float32, or NumPy's own format.
MapKind: TypeAlias = Literal["tiff", "npy"]
#: Where a benchmark keeps them, in its output folder.
FOLDER = "maps"


def check_map_kind(kind: str | None) -> None:
    """Refuse what no map can be written as; None asks for no maps."""
    if kind is not None and kind not in get_args(MapKind):
        raise InvalidInputError(f"maps are kept as {' or '.join(get_args(MapKind))}, not {kind!r}")


class MapFiles:
    """Writes the raw map of one test image after the other, float32 at the image's own size.

    They go to ``<root>/maps/<name>/<number>_<image>``; the names handed out are relative to
    ``root``.
    """

    def __init__(self, root: Path, name: str, kind: str) -> None:
        self._root, self._kind, self._count = root, kind, 0
        self._folder = make_folder(root / FOLDER / name)

    def add(self, path: str, anomaly_map: NDArray[np.float32]) -> str:
        """Write the map of the image that lies at ``path``."""
        name = f"{self._count:04d}_{file_stem(Path(path).stem)}.{self._kind}"
        write_bytes(self._folder / name, encoded_map(anomaly_map, self._kind))
        self._count += 1
        return f"{FOLDER}/{self._folder.name}/{name}"


def encoded_map(anomaly_map: NDArray[np.float32], kind: str) -> bytes:
    """The bytes of a map's file."""
    if kind == "npy":
        buffer = io.BytesIO()
        np.save(buffer, anomaly_map, allow_pickle=False)
        return buffer.getvalue()
    return float_tiff(anomaly_map)
