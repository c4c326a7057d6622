"""Types that several parts of the package share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A path, or an RGB / grey array (H, W) or (H, W, 3) of uint8 or uint16.
ImageInput: TypeAlias = str | os.PathLike[str] | NDArray[Any]
#: S for (S, S), (height, width), or None for an image's own size.
ImageSize: TypeAlias = int | tuple[int, int] | None


def verdict_of(label: int) -> str:
    """What people are told of an image: ``"defect"`` for 1, ``"ok"`` for 0."""
    return "defect" if label else "ok"


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a detector says of one image.

    Attributes
    ----------
    path
        The file; None for an array.
    score
        Continuous, higher is more anomalous.
    label
        1 where ``score > threshold_``, else 0.
    anomaly_map
        float32 (H, W) at the image's own size, higher is more anomalous; None where the detector
        has no map or none was asked for.
    warnings
        In words where the image itself is unlike the good photos: light, contrast, sharpness,
        colour, size. They change neither score nor label.
    nearest
        int32 (h, w, 2): for each patch of the detector's grid the patch of a good photo that it was
        compared with, as the numbers of the training image and of its patch; None where a detector
        does not compare with single patches. See ``detector.nearest_good``.
    mask
        uint8 (H, W) at the image's own size: 255 where the map, after the post-processing that is
        attached, exceeds the detector's pixel threshold, else 0, whatever the label is. None where
        the detector has none or no map was asked for.
    health
        ``brightness``, ``contrast``, ``sharpness`` and white balance (``red_green``,
        ``blue_green``) of the image, see :class:`~pyimgano.images.health.ImageHealth`; None where
        they are not measured.
    """

    path: str | None
    score: float
    label: int
    anomaly_map: NDArray[np.float32] | None
    warnings: tuple[str, ...] = ()
    nearest: NDArray[np.int32] | None = None
    mask: NDArray[np.uint8] | None = None
    health: Mapping[str, float | None] | None = None

    @property
    def verdict(self) -> str:
        """``"defect"`` or ``"ok"``: the label in words."""
        return verdict_of(self.label)

    def __repr__(self) -> str:
        told = [f"{self.verdict}, score {self.score:.4g}"]
        if self.path is not None:
            told.append(repr(self.path))
        if self.anomaly_map is not None:
            told.append("map of {} x {}".format(*self.anomaly_map.shape))
        told += map(repr, self.warnings)
        return f"<Prediction {', '.join(told)}>"

    def _repr_html_(self) -> str:
        from pyimgano.utils.notebook import html_table

        row = [self.path or "", f"{self.score:.4g}", self.verdict, "; ".join(self.warnings)]
        return html_table(["file", "score", "verdict", "image is"], [row])

    def to_pandas(self) -> Any:
        """The prediction as a ``pandas.DataFrame`` of one row, for ``pandas.concat``.

        A :class:`~pyimgano.errors.MissingDependencyError` says that pandas is not installed.
        """
        from pyimgano.utils.notebook import frame

        row = {"file": self.path, "score": self.score, "verdict": self.verdict}
        return frame({**{k: [v] for k, v in row.items()}, "warnings": ["; ".join(self.warnings)]})

    def plot(self, image: NDArray[Any] | None = None, ax: Any = None) -> Any:
        """Draw the anomaly map, over the image if that is given (extra ``plot``).

        Parameters
        ----------
        image : ndarray or None
            The image, (H, W) or (H, W, 3) RGB.
        ax : matplotlib.axes.Axes or None
            To draw in, and what is returned; None: those of a new figure.

        Raises
        ------
        InvalidInputError
            There is no map.
        """
        from pyimgano.errors import InvalidInputError
        from pyimgano.utils.notebook import axes

        if self.anomaly_map is None:
            raise InvalidInputError("plot() draws the anomaly map: this prediction has none")
        drawn = axes(ax)
        if image is not None:
            drawn.imshow(image, cmap="gray")
        heat = drawn.imshow(self.anomaly_map, cmap="turbo", alpha=None if image is None else 0.5)
        drawn.figure.colorbar(heat, ax=drawn, label="anomaly map")
        drawn.set(title=f"{self.verdict}, score {self.score:.4g}", xticks=[], yticks=[])
        return drawn


@dataclass(frozen=True)
class Unreadable:
    """A file or folder without a result, and why.

    Attributes
    ----------
    left_out
        It was met in a folder and is counted among what was left out.
    """

    path: str
    reason: str
    left_out: bool = False
