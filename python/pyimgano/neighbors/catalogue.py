"""Searches by name, and what they answer checked."""

import copy
from collections.abc import Callable
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.neighbors.base import NearestNeighbors, Neighbors
from pyimgano.registry import Entry, Registry
from pyimgano.utils.foreign import asked, parameters_of
from pyimgano.utils.parameters import Text

NEIGHBORS: Registry[Callable[..., NearestNeighbors]] = Registry("knn_backend")


def register_neighbors(
    name: str,
    factory: Callable[..., NearestNeighbors],
    *,
    summary: str = "",
    overwrite: bool = False,
) -> None:
    """Make a search available as ``knn_backend=name``; a detector file stores the name.

    Parameters
    ----------
    name
        The name, such as ``"my_index"``.
    factory
        Class or function that returns a new :class:`~pyimgano.neighbors.NearestNeighbors`. It is
        called without arguments; with ``device``, where it has a parameter of that name.
    summary
        One line for listings.
    overwrite
        Replace an entry of the same name.

    Raises
    ------
    InvalidInputError
        The name is taken.
    """
    NEIGHBORS.add(Entry(name, factory, summary), overwrite=overwrite)


def create_neighbors(
    backend: str | NearestNeighbors = "auto", *, device: str | None = None
) -> NearestNeighbors:
    """A new search whose answers are checked.

    Parameters
    ----------
    backend
        A registered name, ``"auto"`` being the Rust one whatever is installed; or an object, which
        is copied and stays as it is.
    device
        torch device of a search that has one (``"torch"``); None: its own default.

    Raises
    ------
    UnknownNameError
        No search of that name; lists the nearest ones.
    InvalidInputError
        Neither a name nor a search; a ``device`` for one that has none; or a factory fails, which
        is named.
    """
    given = {} if device is None else {"device": device}
    if given and not takes_device(backend):
        raise InvalidInputError(
            f"knn_backend {backend if isinstance(backend, str) else type(backend).__name__!r} has"
            f" no use for device={device!r}: leave out device"
        )
    if isinstance(backend, str):
        Text().check("knn_backend", backend)
        factory = NEIGHBORS.get(backend).value
        made = asked(f"knn_backend {backend!r}", lambda: factory(**given))
        return CheckedNeighbors(repr(backend), made)
    name = type(backend).__name__
    return CheckedNeighbors(name, asked(f"knn_backend {name}", copy.deepcopy, backend))


def takes_device(backend: str | NearestNeighbors) -> bool:
    """Whether a search by that name computes on a device of choice."""
    if not isinstance(backend, str):
        return False  # an object has the one that it was made with
    return "device" in parameters_of(NEIGHBORS.get(backend).value)


def is_search(value: Any) -> bool:
    """Whether an object has what :class:`~pyimgano.neighbors.NearestNeighbors` asks for."""
    methods = (getattr(value, name, None) for name in ("fit", "kneighbors"))
    return not isinstance(value, type) and all(map(callable, methods))


class CheckedNeighbors:
    """A search that stands before another and refuses answers that are none, by its name."""

    def __init__(self, name: str, index: NearestNeighbors) -> None:
        if not is_search(index):
            raise InvalidInputError(
                "knn_backend must be a registered name or an object with fit and kneighbors:"
                f" {name} gives {index!r:.80}"
            )
        self.name, self.index = name, index
        self._n_rows = 0

    def fit(self, rows: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Self:
        """Take the rows to search."""
        given = (rows,) if groups is None else (rows, groups)
        asked(f"knn_backend {self.name}", self.index.fit, *given)
        self._n_rows = len(rows)
        return self

    def kneighbors(
        self,
        queries: NDArray[np.float32],
        k: int = 1,
        groups: NDArray[np.int64] | None = None,
    ) -> Neighbors:
        """What the other finds, once it is known to be float32 and int64 (n, k) in order."""
        given = (queries, k) if groups is None else (queries, k, groups)
        answer = asked(f"knn_backend {self.name}", self.index.kneighbors, *given)
        wrong = _mistake(answer, (len(queries), k), self._n_rows)
        if wrong is not None:
            raise InvalidInputError(f"knn_backend {self.name} answers wrongly: {wrong}")
        distances, indices = answer
        return distances, indices


def _mistake(answer: Any, shape: tuple[int, int], n_rows: int) -> str | None:
    """What is wrong with the answer to a query; None if nothing is."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "kneighbors must return (distances, indices)"
    for what, array, dtype in zip(
        ("distances", "indices"), answer, (np.float32, np.int64), strict=True
    ):
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
            found = getattr(array, "dtype", type(array).__name__), getattr(array, "shape", ())
            return f"{what} must be {dtype.__name__} {shape}, not {found[0]} {found[1]}"
    distances, indices = answer
    if not (distances >= 0).all() or not (distances[:, 1:] >= distances[:, :-1]).all():
        return "distances must be 0 or more, nearest first"
    if ((indices < -1) | (indices >= n_rows)).any():
        return f"indices must be row numbers below {n_rows}, or -1"
    if not np.isinf(distances[indices < 0]).all():
        return "distances must be infinite where there is no row"
    return None


def _torch(device: str = "cpu") -> NearestNeighbors:
    from pyimgano.neighbors.torch import TorchNeighbors

    return TorchNeighbors(device)


def _lazy(module: str, name: str) -> Callable[[], NearestNeighbors]:
    """A factory that imports its module when it is first called."""

    def build() -> NearestNeighbors:
        index: NearestNeighbors = getattr(import_module(module), name)()
        return index

    return build


for _name, _module, _class, _summary in (
    ("auto", "rust", "RustNeighbors", "the Rust index, whatever is installed"),
    ("rust", "rust", "RustNeighbors", "the package's own index: exact, and the fastest here"),
    ("sklearn", "sklearn", "SklearnNeighbors", "scikit-learn's brute force, a reference"),
    ("faiss", "faiss", "FaissNeighbors", "faiss.IndexFlatL2 (extra faiss)"),
):
    register_neighbors(_name, _lazy(f"pyimgano.neighbors.{_module}", _class), summary=_summary)
register_neighbors("torch", _torch, summary="torch.cdist on any device (extra torch)")
