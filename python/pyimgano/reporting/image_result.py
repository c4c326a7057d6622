"""What a command says of one image, one type for all of them."""

import base64
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pyimgano.postprocess import Regions
from pyimgano.types import Prediction, Unreadable, verdict_of
from pyimgano.utils.text import shown

#: What only image sets and metrics know; left out of JSON where nothing is known.
_KNOWN_BY_SETS = ("defect_type", "group", "attributes", "metrics")


@dataclass(frozen=True)
class ImageResult:
    """One image.

    Attributes
    ----------
    path
        As text: bytes that are not UTF-8 are escaped.
    label
        The truth: 0 normal, 1 anomalous, None unknown.
    score
        Higher is more anomalous; NaN for an image without a score.
    predicted
        1 where the score is above the threshold, else 0; None for an image without a score.
    pictures
        Files about it, by kind, seen from the run's folder: ``image``, ``heat`` and ``mask`` (the
        true one) of a benchmark, ``map``, ``overlay`` and ``mask`` (the found one) of ``predict``.
    defect_type, group, attributes
        What the image set knows: the kind of defect, the part that the image shows, and further
        things by name; None or empty where it knows nothing.
    metrics
        Figures that are per image, by key; NaN where undefined.
    warnings
        How the image is unlike the good ones.
    health
        Its brightness, contrast, sharpness and white balance; None where that is not told.
    regions
        Where the defects are: at least one where ``predicted`` is 1, else none; None where nobody
        looked.
    threshold
        What the score was compared with; None where that is told of the whole run.
    ms
        Milliseconds of decoding and scoring; None likewise.
    error
        Why there is no score.
    path_base64
        For a name that is not UTF-8 its very bytes.
    """

    path: str
    label: int | None = None
    score: float = math.nan
    predicted: int | None = None
    pictures: dict[str, str] = field(default_factory=dict)
    defect_type: str | None = None
    group: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    health: Mapping[str, float | None] | None = None
    regions: Regions | None = None
    threshold: float | None = None
    ms: float | None = None
    error: str | None = None
    path_base64: str = ""

    @classmethod
    def of(cls, path: str, found: Prediction | Unreadable, **more: Any) -> Self:
        """What was found on a file, and what else is known of it."""
        place: dict[str, Any] = path_fields(path)
        if isinstance(found, Unreadable):
            return cls(**place, error=found.reason)
        return cls(
            **place,
            score=float(found.score),
            predicted=int(found.label),
            warnings=found.warnings,
            **more,
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`, but for regions.

        Raises
        ------
        KeyError, TypeError
            Fields are missing or of the wrong kind.
        """
        names = {f.name for f in fields(cls)} - {"regions", "metrics", "warnings"}
        figures = data.get("metrics", {}).items()
        return cls(
            **{name: data[name] for name in names & data.keys()},
            metrics={k: math.nan if v is None else float(v) for k, v in figures},
            warnings=tuple(data["warnings"]),
        )

    @property
    def verdict(self) -> str | None:
        """``"defect"`` or ``"ok"``; None for an image without a score."""
        return None if self.predicted is None else verdict_of(self.predicted)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON; an image without a score has its path and the error."""
        plain: dict[str, Any] = {"path": self.path}
        if self.path_base64:
            plain["path_base64"] = self.path_base64
        if self.error is not None:
            return {**plain, "error": self.error}
        plain |= {"label": self.label, "score": self.score, "predicted": self.predicted}
        plain["verdict"] = self.verdict
        if self.ms is not None and self.threshold is not None:
            finite = math.isfinite(self.threshold)
            plain |= {"threshold": self.threshold if finite else None, "ms": round(self.ms, 3)}
        plain["warnings"] = list(self.warnings)
        if self.health is not None:
            rounded = {k: None if v is None else round(v, 4) for k, v in self.health.items()}
            plain["health"] = rounded
        if self.regions is not None:
            plain |= {"regions": self.regions.to_json(), "n_regions": self.regions.total}
        known = {name: getattr(self, name) for name in ("pictures", *_KNOWN_BY_SETS)}
        return plain | {name: value for name, value in known.items() if value}


def path_fields(path: str) -> dict[str, str]:
    """``path`` as text; for a name that is not UTF-8 also ``path_base64``, its very bytes.

    In the text such bytes are escaped, for JSON that is not UTF-8 is not JSON.
    """
    raw = os.fsencode(path)
    try:
        return {"path": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path": shown(path), "path_base64": base64.b64encode(raw).decode("ascii")}
