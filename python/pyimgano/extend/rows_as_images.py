"""A detector that takes tables of numbers, for checks that know nothing else."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.types import Prediction

_STRIPE, _LEAST_SIDE = 4, 16
#: Numbers go up and down the scale of greys, so that none is too large to be told from its like.
_PERIOD = 32.0


def images_of(X: Any) -> Any:
    """An image for each row of a table, a stripe for each of its numbers; else X itself.

    Returns
    -------
    list of ndarray
        uint16 (H, W), H and W of at least 16.
    """
    table = np.asarray(X) if hasattr(X, "__array__") or _is_nested(X) else X
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.dtype.kind not in "biuf":
        return X
    return [_stripes(row) for row in table.astype(np.float64)]


def _is_nested(X: Any) -> bool:
    return isinstance(X, list) and bool(X) and isinstance(X[0], list)


def _stripes(row: NDArray[np.float64]) -> NDArray[np.uint16]:
    height = np.abs(np.mod(row + _PERIOD / 4, _PERIOD) - _PERIOD / 2) / (_PERIOD / 2)
    line = np.repeat((height * (2**16 - 1)).astype(np.uint16), _STRIPE)
    return np.tile(np.resize(line, max(_LEAST_SIDE, line.size)), (_LEAST_SIDE, 1))


class _TakesRows:
    """Stands before a detector's class and turns what it is given into images."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """As the detector, without y: scikit-learn's data have labels that say nothing here."""
        super().fit(images_of(X))  # type: ignore[misc]
        return self

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """As the detector."""
        return super().fit_predict(images_of(X))  # type: ignore[misc]

    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Iterator[Prediction]:
        """As the detector."""
        found: Iterator[Prediction] = super().iter_predict(  # type: ignore[misc]
            images_of(X), with_maps=with_maps
        )
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array = True
        return tags

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self).__mro__[2]  # after this one and its own
        return _empty, (cls,), super().__getstate__()


@lru_cache(maxsize=64)
def _class_on_rows(cls: type) -> type:
    return type(cls.__name__, (_TakesRows, cls), {})


def _empty(cls: type) -> Any:
    return object.__new__(_class_on_rows(cls))


def on_rows(detector: Any) -> Any:
    """The same detector for tables."""
    twin = _empty(type(detector))
    twin.__dict__.update(vars(detector))
    return twin
