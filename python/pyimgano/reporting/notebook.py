"""Results of benchmarks in a notebook."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.metrics.catalogue import info_or_key
from pyimgano.utils.notebook import axes, frame, html_table


class InNotebooks:
    """Figures of each category in one line, as a table, as a frame and as bars."""

    dataset: str
    model: str
    label: str

    @property
    def title(self) -> str:
        """The label, or the model's name."""
        return self.label or self.model

    @property
    @abstractmethod
    def rows(self) -> Sequence[Any]:
        """Figures of each category, with ``title``, ``keys`` and ``mean(key)``."""

    def __repr__(self) -> str:
        rows, known = self.rows, self._keys()
        told = [f"{key} {_mean([row.mean(key) for row in rows]):.4g}" for key in known]
        figures = f": {', '.join(told)}" if told else ""
        n = "1 category" if len(rows) == 1 else f"{len(rows)} categories"
        return f"<{type(self).__name__} of {self.title} on {self.dataset}, {n}{figures}>"

    def _repr_html_(self) -> str:
        keys = self._keys()
        header = ["category", *(info_or_key(key).title for key in keys)]
        rows = [[row.title, *(f"{row.mean(key):.4f}" for key in keys)] for row in self.rows]
        return html_table(header, rows, f"{self.title} on {self.dataset}")

    def to_pandas(self) -> Any:
        """A row per category, with a column per metric: the mean over seeds, NaN where undefined.

        Returns
        -------
        pandas.DataFrame
            Indexed by the category's title.

        Raises
        ------
        MissingDependencyError
            pandas is not installed.
        """
        rows = self.rows
        columns = {key: [row.mean(key) for row in rows] for key in self._keys()}
        return frame({"category": [row.title for row in rows], **columns}).set_index("category")

    def plot(self, metric: str = "auroc", ax: Any = None) -> Any:
        """A metric of each category as bars (extra ``plot``).

        Parameters
        ----------
        metric : str
            Its key.
        ax : matplotlib.axes.Axes or None
            To draw in, and what is returned; None: those of a new figure.

        Raises
        ------
        InvalidInputError
            No category has that metric.
        """
        if metric not in self._keys():
            known = ", ".join(self._keys()) or "none"
            raise InvalidInputError(f"no category has the metric {metric!r}; there are: {known}")
        drawn, rows = axes(ax), self.rows
        drawn.barh([row.title for row in rows], [row.mean(metric) for row in rows])
        drawn.invert_yaxis()
        drawn.set(xlabel=info_or_key(metric).title, title=f"{self.title} on {self.dataset}")
        return drawn

    def _keys(self) -> list[str]:
        return list(dict.fromkeys(key for row in self.rows for key in row.keys))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
