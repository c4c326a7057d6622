"""The training patches of all images in one growing array, in memory or in a file."""

import mmap
import os
import tempfile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.utils.text import shown


class FeatureStore:
    """Rows of float32 features, image after image, without ever holding them twice.

    ``n_images`` to expect and the first one's rows size the first allocation. In ``spill_dir`` a
    temporary file holds the rows in place of memory. It has no name (on Windows: one that goes with
    the file), so that nothing stays behind, however the process ends. It lives as long as an array
    of its rows.
    """

    def __init__(self, n_images: int, spill_dir: str | os.PathLike[str] | None = None) -> None:
        self._n_images = n_images
        self._buffer = np.empty((0, 0), dtype=np.float32)
        self._ends: list[int] = []
        self._folder = spill_dir
        self._file = None if spill_dir is None else _open(spill_dir)

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add the (n, d) patches of the next image."""
        if not self._ends:
            self._buffer = np.empty((0, rows.shape[1]), dtype=np.float32)
        elif rows.shape[1] != self._buffer.shape[1]:
            raise InvalidInputError(
                f"patches have {rows.shape[1]} features, those before {self._buffer.shape[1]}"
            )
        if self._file is None:
            self._hold(rows)
        else:
            # Written, not stored through the mapping: a full disk is then an error, not a crash.
            try:
                self._file.write(np.ascontiguousarray(rows, dtype=np.float32).data)
            except OSError as error:
                raise OutputError(
                    f"cannot write features to spill_dir {shown(self._folder or '')}:"
                    f" {error.strerror}"
                ) from error
        self._ends.append(self.n_rows + len(rows))

    def _hold(self, rows: NDArray[np.float32]) -> None:
        start, end = self.n_rows, self.n_rows + len(rows)
        if not self._ends:
            self._buffer = np.empty((len(rows) * self._n_images, rows.shape[1]), dtype=np.float32)
        if end > len(self._buffer):  # images of differing sizes
            ahead = max(end, end * self._n_images // (len(self._ends) + 1))
            self._buffer.resize((ahead, rows.shape[1]), refcheck=False)
        self._buffer[start:end] = rows

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return self._ends[-1] if self._ends else 0

    @property
    def n_images(self) -> int:
        """Images so far."""
        return len(self._ends)

    @property
    def rows(self) -> NDArray[np.float32]:
        """All rows, a view; of a file a read-only one, whose pages the system may drop."""
        width = self._buffer.shape[1]
        if self._file is not None and len(self._buffer) != self.n_rows and width:
            self._file.flush()
            mapped = mmap.mmap(
                self._file.fileno(), self.n_rows * width * 4, access=mmap.ACCESS_READ
            )
            self._buffer = np.frombuffer(mapped, dtype=np.float32).reshape(self.n_rows, width)
        return self._buffer[: self.n_rows]

    def image_of_row(self) -> NDArray[np.int64]:
        """int64 (n_rows,): the image that each row comes from."""
        counts = np.diff([0, *self._ends])
        return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def _open(folder: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=folder, prefix="pyimgano-features-")
    except OSError as error:
        raise OutputError(
            f"cannot make a file in spill_dir {shown(folder)}: {error.strerror}"
        ) from error
