"""Normalisation, smoothing, morphology and component filtering of anomaly maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import kernels
from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError
from pyimgano.postprocess.line_closing import close_by_lines, fill_outlines
from pyimgano.registry import unknown_name
from pyimgano.utils.parameters import Choice, Count, Flag, ListOf, Number, Parameter, Unfit

#: A value of maps; infinity, which no pixel reaches, is one too, but no file holds it.
_LEVEL = Number(-math.inf, math.inf, none="none", stored=Number(none=True))


@dataclass(frozen=True)
class AnomalyMapPostprocess:
    """Steps that make an anomaly map fit for display and decisions.

    In this order: normalisation, Gaussian smoothing, grey opening, grey closing, closing by lines,
    filling of outlines, component filter; each is off by default. All arithmetic is float32 and
    nothing is clipped. Pixel metrics are defined on raw maps: do not apply this before AUPRO.

    Parameters
    ----------
    normalize : {None, "dataset", "image"}
        ``"dataset"``: subtract the lowest value of the maps given to :meth:`fit` and divide by
        their range, so that values stay comparable between images (those of other maps may leave
        0 to 1). ``"image"``: the same with each map's own range; the noise of a clean image then
        peaks at 1 like a defect, so use it for display only. A constant map becomes 0.
    gaussian_sigma : float
        Standard deviation in pixels; 0 for none.
    morph_open_ksize, morph_close_ksize : int
        Side of a square in pixels, odd; 0 for none. Opening removes peaks that are narrower,
        closing fills dips that are. Nothing outside the map takes part.
    line_close_length : int
        Length in pixels, odd, of lines in 16 directions that close gaps of scratches and cracks,
        where the map itself comes within a fifth of the level (SuperADD's, which takes 53); 0 for
        none.
    fill_outlines : bool
        Raise what an outline surrounds to the lowest value on that outline, as SuperADD fills its
        masks: a ring that exceeds a level becomes a disc that does.
    component_threshold : float, optional
        Foreground is ``map > component_threshold``, in the units after normalisation. Its
        8-connected components are filtered and every other pixel becomes 0. None for no filter.
    min_component_area : int
        Components of fewer pixels become 0.
    min_component_score : float, optional
        Components whose highest value is below become 0.
    value_range : (float, float), optional
        Lowest and highest value, as :meth:`fit` finds them, for ``normalize="dataset"``.

    Raises
    ------
    InvalidInputError
        (a ValueError) on an impossible value; names the parameter.

    Examples
    --------
    >>> clean = AnomalyMapPostprocess(component_threshold=0.5, min_component_area=2)
    >>> clean([[0.9, 0.8, 0.0, 0.6]])
    array([[0.9, 0.8, 0. , 0. ]], dtype=float32)
    """

    normalize: Literal["dataset", "image"] | None = None
    gaussian_sigma: float = 0.0
    morph_open_ksize: int = 0
    morph_close_ksize: int = 0
    line_close_length: int = 0
    fill_outlines: bool = False
    component_threshold: float | None = None
    min_component_area: int = 0
    min_component_score: float | None = None
    value_range: tuple[float, float] | None = None

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "normalize": Choice("dataset", "image", none=True, option=False),
        # Of pixels, what OpenCV filters in bearable time.
        "gaussian_sigma": Number(0, 1000),
        "morph_open_ksize": Count(0, 1001),
        "morph_close_ksize": Count(0, 1001),
        "line_close_length": Count(0, 1001),
        "fill_outlines": Flag(),
        "component_threshold": _LEVEL,
        "min_component_area": Count(0),
        "min_component_score": _LEVEL,
        "value_range": ListOf(Number(), 2, 2, none=True, option=False),
    }

    def __post_init__(self) -> None:
        for name, parameter in self.PARAMETERS.items():
            value = parameter.check(name, getattr(self, name))
            if name.endswith(("ksize", "length")) and value and value % 2 == 0:
                raise InvalidInputError(f"{name} must be odd, or 0 for none, got {value}")
            # Plain numbers, whatever came: a detector file holds them.
            object.__setattr__(self, name, value)
        area, score = self.min_component_area, self.min_component_score
        if self.component_threshold is None and (area or score is not None):
            name = "min_component_area" if area else "min_component_score"
            raise InvalidInputError(f"{name} needs component_threshold, which says what counts")
        if self.value_range is not None:
            object.__setattr__(self, "value_range", tuple(self.value_range))
            if self.normalize != "dataset":
                raise InvalidInputError(
                    f"value_range goes with normalize='dataset', not {self.normalize!r}"
                )
            if self.value_range[0] >= self.value_range[1]:
                raise InvalidInputError(
                    f"value_range must be (lowest, highest), got {self.value_range}"
                )

    @classmethod
    def parse(cls, text: str, *, component_threshold: float | None = None) -> Self:
        """The steps that a text names, ``"gaussian_sigma=2,min_component_area=30"``.

        Normalisation is left out: its range is nothing to write by hand. `component_threshold` is
        for a component filter whose threshold the text leaves out. An UnknownNameError or
        InvalidInputError (both a ValueError) names the parameter.
        """
        known = {name: one for name, one in cls.PARAMETERS.items() if one.option}
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, word = (piece.strip() for piece in part.partition("="))
            if name not in known:
                raise unknown_name("post-processing", name, known)
            if name in given:
                raise InvalidInputError(f"{name} is given twice")
            try:
                given[name] = known[name].parse(word)
            except Unfit as error:
                raise InvalidInputError(f"{name} {error}") from None
        if {"min_component_area", "min_component_score"} & given.keys():
            given.setdefault("component_threshold", component_threshold)
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """The parameters that differ from their defaults; with ``**`` they make an equal one."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        changed = {f.name: found[f.name] for f in fields(self) if found[f.name] != f.default}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in changed.items()}

    def describe(self) -> str:
        """The same in one line, ``"gaussian_sigma=2.0"``."""
        steps = self.to_json().items()
        told = ", ".join(f"{n}={str(v).lower() if isinstance(v, bool) else v}" for n, v in steps)
        return told or "no steps"

    @property
    def scale_alone(self) -> Self:
        """The normalisation without the steps after it."""
        return type(self)(normalize=self.normalize, value_range=self.value_range)

    def level(self, value: float) -> float:
        """Where a level of raw maps is after normalisation, so that it parts the same pixels."""
        low, high = self._range()
        return (value - low) / (high - low)

    def raw_level(self, value: float) -> float:
        """The level of raw maps that :meth:`level` brings to this one."""
        low, high = self._range()
        return low + value * (high - low)

    def _range(self) -> tuple[float, float]:
        """The values that become 0 and 1, the same for all maps, if there are such."""
        if self.normalize is None:
            return 0.0, 1.0
        if self.normalize == "image":
            raise InvalidInputError(
                "normalize='image' gives each map a scale of its own, so that no level holds for"
                " all: use it for display alone"
            )
        if self.value_range is None:
            raise NotFittedError(
                "normalize='dataset' needs the range of a set of maps: call fit(maps) and use what"
                " it returns"
            )
        return self.value_range

    def fit(self, maps: Iterable[ArrayLike]) -> AnomalyMapPostprocess:
        """A copy that knows the lowest and the highest value of `maps`.

        They are raw maps (H, W), such as those of the training or validation images; sizes may
        differ, and they are asked for one after the other. The copy has `value_range` set; it is
        `self`, which needs no fitting, unless `normalize` is ``"dataset"``. No maps, or maps of one
        and the same value, are an InvalidInputError.
        """
        if self.normalize != "dataset":
            return self
        low, high = math.inf, -math.inf
        for i, one in enumerate(maps):
            values = _checked(f"maps[{i}]", one)
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if low > high:
            raise InvalidInputError("maps is empty: there is no range to normalise to")
        if low == high:
            raise InvalidInputError(
                f"maps are all constant at {low}: there is no range to normalise to"
            )
        return replace(self, value_range=(low, high))

    def __call__(self, anomaly_map: ArrayLike) -> NDArray[np.float32]:
        """Apply all steps to one map.

        Parameters
        ----------
        anomaly_map : array (H, W)
            Finite real numbers, taken as float32; not changed.

        Returns
        -------
        ndarray of float32, shape (H, W)
            A new array.

        Raises
        ------
        NotFittedError, InvalidInputError, InvalidTypeError
            ``normalize="dataset"`` without `value_range`; the map has another shape, no pixels, NaN
            or infinity, or is not numeric.
        """
        values = self._normalized(_checked("anomaly_map", anomaly_map))
        if self.gaussian_sigma > 0:
            values = cv2.GaussianBlur(values, (0, 0), float(self.gaussian_sigma))  # type: ignore[assignment]
        for side, step in (
            (self.morph_open_ksize, cv2.MORPH_OPEN),
            (self.morph_close_ksize, cv2.MORPH_CLOSE),
        ):
            if side > 1:
                square = np.ones((side, side), np.uint8)
                values = cv2.morphologyEx(values, step, square)  # type: ignore[assignment]
        if self.line_close_length > 1:
            values = close_by_lines(values, self.line_close_length)
        if self.fill_outlines:
            values = fill_outlines(values)
        if self.component_threshold is None:
            return values
        return kernels.filter_components(
            values,
            threshold=self.component_threshold,
            min_area=self.min_component_area,
            min_score=self.min_component_score,
        )

    def _normalized(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A new array, in any case."""
        if self.normalize is None:
            return values.copy()
        if self.normalize == "image":
            low, high = float(values.min()), float(values.max())
        else:
            low, high = self._range()
        scale = high - low if high > low else 1.0
        return ((values - np.float64(low)) / np.float64(scale)).astype(np.float32)


def _checked(name: str, values: ArrayLike) -> NDArray[np.float32]:
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name} must hold real numbers, got {array.dtype}")
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must have shape (H, W), got shape {array.shape}")
    if array.size == 0:
        raise InvalidInputError(f"{name} has no pixels: shape {array.shape}")
    with np.errstate(over="ignore"):  # a number beyond float32 is caught as infinite
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise InvalidInputError(f"{name} must be finite in float32")
    return single
