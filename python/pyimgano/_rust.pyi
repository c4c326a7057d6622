from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["KnnIndex", "greedy_coreset", "resolve_threads", "version"]

def version() -> str: ...
def resolve_threads(n_threads: int | None = None) -> int: ...
def greedy_coreset(
    features: NDArray[np.float32],
    n_samples: int,
    start: int,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.int64]: ...

@final
class KnnIndex:
    def __new__(
        cls,
        bank: NDArray[np.float32],
        groups: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
    ) -> KnnIndex: ...
    def query(
        self,
        queries: NDArray[np.float32],
        k: int,
        groups: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
    @property
    def shape(self) -> tuple[int, int]: ...
