"""What is told of two runs beside each other: rows, a table, JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyimgano.metrics.catalogue import info_or_key
from pyimgano.reporting.results import row_title
from pyimgano.reporting.table import number, text_table
from pyimgano.statistics import CONFIDENCE, Interval
from pyimgano.utils.plain import plain_data
from pyimgano.utils.text import printable


@dataclass(frozen=True)
class Difference:
    """One figure of two runs on the same images.

    Attributes
    ----------
    category, shots
        None: the mean over categories; all training images.
    subset
        Which images of the category, ``""`` for all.
    metric
        The figure's key.
    a, b
        Its value in each run, the mean over seeds.
    interval, p_value
        Of ``b - a``: paired, over the draw of test images. None and NaN where nothing is known.
    """

    category: str | None
    shots: int | None
    subset: str
    metric: str
    a: float
    b: float
    interval: Interval | None = None
    p_value: float = math.nan

    @property
    def difference(self) -> float:
        """How much higher the figure of the second run is."""
        return self.b - self.a

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        limits = self.interval if self.interval is not None and self.interval.known else None
        plain: dict[str, Any] = plain_data(
            {
                **{name: getattr(self, name) for name in ("category", "shots", "subset", "metric")},
                "a": self.a,
                "b": self.b,
                "difference": self.difference,
                "interval": limits and list(limits),
                "p_value": self.p_value,
            }
        )
        return plain


@dataclass(frozen=True)
class RunDifference:
    """Two runs on the same images, figure by figure.

    Attributes
    ----------
    a, b
        What the runs are called.
    rows
        Categories, subsets after their category; then the means.
    notes
        What was not compared, and why.
    """

    a: str
    b: str
    rows: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; null for what is not known."""
        return {
            "a": self.a,
            "b": self.b,
            "confidence": CONFIDENCE,
            "rows": [row.to_json() for row in self.rows],
            "notes": self.notes,
        }

    def table(self) -> str:
        """The rows as plain text, and what they mean."""
        with_subsets = any(row.subset for row in self.rows)
        header = ["category", *(["images"] if with_subsets else []), "metric"]
        n_left = len(header)
        header += ["A", "B", "B - A", "95 % interval", "p"]
        rows = [
            [
                row_title("mean" if row.category is None else row.category, row.shots),
                *([row.subset or "all"] if with_subsets else []),
                info_or_key(row.metric).title,
                *_cells(row),
            ]
            for row in self.rows
        ]
        lines = [
            f"A: {self.a}",
            f"B: {self.b}",
            "interval and p: of the difference, paired, were other test images drawn; p is not"
            " corrected for the number of rows",
            *self.notes,
        ]
        return "\n".join([text_table(header, rows, n_left), *map(printable, lines)])


def _cells(row: Difference) -> Sequence[str]:
    limits = "n/a"
    if row.interval is not None and row.interval.known:
        limits = f"[{row.interval.low:+.4f}, {row.interval.high:+.4f}]"
    change = "n/a" if math.isnan(row.difference) else f"{row.difference:+.4f}"
    small = "<0.0001" if row.p_value < 0.0001 else number(row.p_value, 4)
    return [number(row.a, 4), number(row.b, 4), change, limits, small]
