from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ConvolutionalNetwork",
    "GroupIndex",
    "KnnIndex",
    "check_jpeg",
    "component_stats",
    "filter_components",
    "greedy_coreset",
    "join_maps",
    "label_components",
    "pixel_curves",
    "pixel_metrics",
    "pro_curve",
    "resolve_threads",
    "simd_level",
    "version",
]

def version() -> str: ...
def simd_level() -> str: ...
def resolve_threads(n_threads: int | None = None) -> int: ...
def check_jpeg(data: bytes) -> tuple[int, int, int]: ...
def greedy_coreset(
    features: NDArray[np.float32],
    n_samples: int,
    start: int,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    counts: dict[str, int] | None = None,
) -> NDArray[np.int64]: ...
def join_maps(
    maps: Sequence[NDArray[np.float32]],
    grid: tuple[int, int],
    pooled: bool,
    nearest: bool,
    n_threads: int | None = None,
) -> NDArray[np.float32]: ...

@final
class ConvolutionalNetwork:
    def __new__(
        cls,
        channels: int,
        convolutions: Sequence[
            tuple[NDArray[np.float32], NDArray[np.float32], int, int, int | None, bool]
        ],
        outputs: Sequence[int],
    ) -> ConvolutionalNetwork: ...
    def run(
        self, batch: NDArray[np.float32], n_threads: int | None = None
    ) -> list[NDArray[np.float32]]: ...

@final
class KnnIndex:
    def __new__(
        cls,
        bank: NDArray[np.float32],
        groups: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
        copy: bool = True,
    ) -> KnnIndex: ...
    def query(
        self,
        queries: NDArray[np.float32],
        k: int,
        groups: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
        counts: dict[str, int] | None = None,
        bank: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...
    def content(self) -> tuple[NDArray[np.float32] | None, NDArray[np.int64] | None]: ...
    @property
    def shape(self) -> tuple[int, int]: ...

@final
class GroupIndex:
    def __new__(
        cls,
        bank: NDArray[np.float32],
        groups: NDArray[np.int64],
        n_threads: int | None = None,
    ) -> GroupIndex: ...
    def nearest(
        self,
        queries: NDArray[np.float32],
        groups: NDArray[np.int64] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[np.float32]: ...
    @property
    def ids(self) -> NDArray[np.int64]: ...

def label_components(
    mask: NDArray[np.uint8], labels: NDArray[np.int32], connectivity: int
) -> int: ...
def component_stats(
    labels: NDArray[np.int32],
    maps: Sequence[NDArray[np.float32]] | Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]: ...
def filter_components(
    maps: Sequence[NDArray[np.float32]],
    out: Sequence[NDArray[np.float32]],
    *,
    threshold: float,
    min_area: int,
    min_score: float | None,
    connectivity: int,
    n_threads: int | None,
) -> None: ...
def pixel_curves(
    masks: Sequence[NDArray[np.uint8]],
    maps: Sequence[NDArray[np.float32]] | Sequence[NDArray[np.float64]],
    *,
    limits: Sequence[float],
    defects: Sequence[tuple[int, NDArray[np.int64], int]],
    low_rates: tuple[float, float] | None,
    threshold: float | None,
    n_threads: int | None,
) -> tuple[
    tuple[float, float, float, float, float],
    list[float],
    list[float],
    list[float],
    list[tuple[int, int, int]],
    tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
]: ...
def pixel_metrics(
    masks: Sequence[NDArray[np.uint8]],
    maps: Sequence[NDArray[np.float32]] | Sequence[NDArray[np.float64]],
    *,
    integration_limit: float,
    n_threads: int | None,
) -> tuple[float, float, float, float, float]: ...
def pro_curve(
    masks: Sequence[NDArray[np.uint8]],
    maps: Sequence[NDArray[np.float32]] | Sequence[NDArray[np.float64]],
    *,
    n_threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
