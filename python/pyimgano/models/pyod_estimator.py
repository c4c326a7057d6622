"""One PyOD detector on rows of numbers, with its traps taken out."""

import inspect
import math
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.models.pyod_catalogue import DETECTORS, PyODDetector
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require
from pyimgano.utils.parameters import Text

#: What is this package's own business: the threshold, and the seed.
_RESERVED = ("contamination", "random_state")
_ROWS_PER_AXIS = 5
#: Held while NumPy's global generator and the warning filters are changed: threads take turns.
_GLOBAL_STATE = threading.RLock()
#: Standard deviations, or units of a constant feature: no defect lies farther out than the first.
_FAR, _NEAR = 1000.0, 3.0
_DIRECTIONS = 16


def find_detector(name: str) -> PyODDetector:
    """A detector by its short name (``"ecod"``), or an error that lists the nearest ones."""
    if Text().check("detector", name) not in DETECTORS:
        raise unknown_name("PyOD detector", name, DETECTORS)
    return DETECTORS[name]


def find_class(spec: PyODDetector, params: Iterable[str]) -> Any:
    """PyOD's class, after a check that it takes parameters of these names."""
    module = require(spec.module, extra="pyod", purpose=f"the detector {spec.name}")
    cls = getattr(module, spec.name)
    accepted = [p for p in inspect.signature(cls.__init__).parameters if p != "self"]
    known = [p for p in accepted if p not in _RESERVED]
    for name in params:
        if name not in known:
            raise InvalidInputError(
                f"PyOD's {spec.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}"
            )
    return cls


class RowDetector:
    """Fit on rows, score rows one by one.

    Defaults are made for ``n_rows``: the same for the refits on parts of the rows, so that their
    scores compare. ``max_dims`` is as for :class:`~pyimgano.models.classical.ClassicalDetector`.
    NumPy's global seed is set during a call and restored, for some of PyOD's detectors draw from
    that.
    """

    def __init__(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        n_rows: int,
        max_dims: int | None,
        standardize: bool,
        random_state: int,
    ) -> None:
        self.name = name
        self.params = params
        self.n_rows = n_rows
        self.max_dims = max_dims
        self.standardize = standardize
        self.random_state = random_state

    @property
    def spec(self) -> PyODDetector:
        """What is known of the detector; looked up, for its defaults are functions."""
        return find_detector(self.name)

    def fit(self, rows: NDArray[np.float32]) -> Self:
        """Learn from (n, d) rows of normal images.

        Rows that it cannot learn from, such as constant ones, are an InvalidInputError that names
        the detector and gives its own reason.
        """
        cls = find_class(self.spec, self.params)
        values = self._fit_space(rows.astype(np.float64))
        d = values.shape[1]
        params = {k: make(self.n_rows, d) for k, make in self.spec.defaults.items()}
        params.update(self.params)
        if "random_state" in inspect.signature(cls.__init__).parameters:
            params["random_state"] = self.random_state % 2**32
        with self._guard("cannot learn from", rows):
            self._model = cls(**params)
            self._model.fit(values)
            self.train_scores = self._check(np.asarray(self._model.decision_scores_), rows)
        return self

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of (m, d) rows, float64 (m,), higher is more anomalous.

        Each row by itself: ECOD and COPOD would otherwise let the rows of one call decide on each
        other's scores.
        """
        values = self._to_space(rows.astype(np.float64))
        with self._guard("cannot score", rows):
            scores = [float(self._model.decision_function(v[None])[0]) for v in values]
            return self._check(np.array(scores, dtype=np.float64), rows)

    def _fit_space(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        d = values.shape[1]
        self._mean = values.mean(axis=0)
        self._axes: NDArray[np.float64] | None = None
        deviation = values.std(axis=0)
        # A constant feature stays at 0 on the training rows and keeps its unit elsewhere.
        tiny = deviation <= 1e-7 * np.maximum(1.0, np.abs(self._mean))
        self._scale = np.where(tiny, 1.0, deviation) if self.standardize else np.ones(d)
        dims = self.max_dims
        if dims is None and self.spec.needs_more_rows:
            dims = max(1, self.n_rows // _ROWS_PER_AXIS)
        if dims is not None and dims < d:
            centred = (values - self._mean) / self._scale
            self._axes = np.linalg.svd(centred, full_matrices=False)[2][:dims].T
        return self._to_space(values)

    def _to_space(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        centred: NDArray[np.float64] = (values - self._mean) / self._scale
        if self._axes is None:
            return centred
        # One by one: a product of matrices rounds differently for another number of rows.
        return np.array([row @ self._axes for row in centred]).reshape(len(values), -1)

    def _check(self, scores: NDArray[np.float64], rows: NDArray[Any]) -> NDArray[np.float64]:
        if not np.isfinite(scores).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite")
        return scores.astype(np.float64)

    @contextmanager
    def _guard(self, what: str, rows: NDArray[Any]) -> Iterator[None]:
        with _GLOBAL_STATE:
            yield from self._guarded(what, rows)

    def _guarded(self, what: str, rows: NDArray[Any]) -> Iterator[None]:
        before = np.random.get_state()  # noqa: NPY002
        np.random.seed(self.random_state % 2**32)  # noqa: NPY002
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                yield
        except (KeyboardInterrupt, MemoryError, InvalidInputError):
            raise
        except Exception as error:  # whatever PyOD and what it builds on may raise
            constant = int((rows == rows[:1]).all(axis=0).sum()) if len(rows) > 1 else 0
            hint = f", {constant} of them constant" if constant else ""
            if self.params:
                given = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
                hint += f" and {given[:200]}"
            raise InvalidInputError(
                f"{self.spec.name} {what} {len(rows)} image{'s' * (len(rows) != 1)} with"
                f" {rows.shape[1]} features{hint}:"
                f" {str(error).partition(chr(10))[0] or type(error).__name__}"
            ) from error
        finally:
            np.random.set_state(before)  # noqa: NPY002


def check_can_tell(model: RowDetector, rows: NDArray[np.float32], threshold: float) -> None:
    """Refuse a detector, fitted on these rows (n, d), for which all images are alike.

    Cuts and histograms of constant rows, or of two, have no place for anything else: whatever comes
    gets the score of the training images. That is an InvalidInputError where all training images
    have one score and what is far from them none above it, or where there are but two pictures and
    the threshold is out of reach; else a :class:`ThresholdWarning` says that the threshold is out
    of place.
    """
    usual = float(np.median(model.train_scores))
    enough = threshold if math.isfinite(threshold) else usual
    best = -math.inf
    for far in _far_rows(rows):
        best = max(best, float(model.score(far).max()))
        if best > enough:
            break
    lowest = float(model.train_scores.min())
    if best > enough and lowest <= threshold:
        return
    these = f"these {len(rows)} images" if len(rows) > 1 else "one image"
    told = f"{model.spec.name} cannot tell anything from {these}: " + (
        f"each of them is scored {lowest:.4g} or more, above the threshold {threshold:.4g}"
        if best > enough
        else f"what is far from all of them is scored {best:.4g}, not above {enough:.4g}"
    )
    told += ": use more, or more varied, images, or another detector"
    scores_alike = best <= usual and np.ptp(model.train_scores) <= 1e-9 * abs(usual)
    if scores_alike or len(np.unique(rows, axis=0)) <= 2:
        raise InvalidInputError(told)
    warnings.warn(told, ThresholdWarning, stacklevel=4)


def _far_rows(rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Rows far out in all features, in one each, then any way: most need only the first."""
    values = rows.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    size = np.maximum(1.0, np.abs(mean))
    step = np.where(deviation <= 1e-7 * size, size, deviation)
    d = rows.shape[1]
    single = np.eye(d)[np.unique(np.linspace(0, d - 1, min(d, _DIRECTIONS)).astype(int))]
    drawn = np.random.default_rng(0).normal(size=(_DIRECTIONS, d))
    for ways, distance in (
        (np.ones((1, d)), _FAR),
        (single, _FAR),
        (drawn, _FAR),
        (drawn, _NEAR),
    ):
        both = np.concatenate([ways, -ways]) * step * distance
        yield (mean + both).astype(np.float32)
