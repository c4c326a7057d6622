"""torch's search, on a device of its own (extra ``torch``)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.device import check_device
from pyimgano.neighbors.exhaustive import ExhaustiveNeighbors, squarable
from pyimgano.utils.optional_deps import require

#: Distances that are held at once, of some queries to all rows: 128 MiB.
_AT_ONCE = 1 << 25


class TorchNeighbors(ExhaustiveNeighbors):
    """Distances to all rows by ``torch.cdist``, on any device.

    The rows lie on the device, the queries come to it in chunks, so that it never holds more than
    :math:`2^{25}` distances. As with the other searches, what it finds are candidates, whose
    distances are computed again in float64. Values whose squares leave float32's range are refused.

    Parameters
    ----------
    device : str
        torch device, such as ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises
    ------
    MissingDependencyError
        torch is not installed.
    InvalidInputError
        torch cannot compute on ``device`` here; lists the devices that there are.
    """

    _epsilon = float(np.finfo(np.float32).eps)

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        check_device(_torch(), device)
        self.device = device

    def _build(self, rows: NDArray[np.float32]) -> Any:
        return self._there("rows", rows)

    def _search(
        self, index: Any, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        torch = _torch()
        # Not by products: what they round would depend on the precision set for matrices.
        mode = "donot_use_mm_for_euclid_dist"
        size = max(1, _AT_ONCE // len(index))
        parts = []
        with torch.inference_mode():
            for first in range(0, len(queries), size):
                chunk = self._there("queries", queries[first : first + size])
                nearest = torch.cdist(chunk, index, compute_mode=mode).topk(k, largest=False)
                parts.append([one.cpu().numpy() for one in nearest])
        distances, found = (np.concatenate(both) for both in zip(*parts, strict=True))
        return distances.astype(np.float64) ** 2, found

    def _there(self, name: str, rows: NDArray[np.float32]) -> Any:
        """The rows on the device, as they are and never shared with the caller's array."""
        return _torch().tensor(squarable(name, rows, "torch"), device=self.device)


def _torch() -> Any:
    return require("torch", extra="torch", purpose='knn_backend="torch"')
