"""Detectors in a notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyimgano.models.fitted import Fitted
from pyimgano.utils.notebook import axes, frame


class InNotebooks(Fitted):
    """Held-out scores of the training images, as a picture and as a table."""

    def plot(self, ax: Any = None) -> Any:
        """Histogram of the training images' scores, and the threshold (extra ``plot``).

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            To draw in, and what is returned; None: those of a new figure.

        Raises
        ------
        NotFittedError
            Nothing was learnt yet.
        """
        self._check_fitted()
        drawn, scores = axes(ax), self.decision_scores_
        drawn.hist(scores[np.isfinite(scores)], bins="auto", label="training images")
        if np.isfinite(self.threshold_):
            drawn.axvline(self.threshold_, color="black", linestyle="--", label="threshold")
        drawn.set(xlabel="score", ylabel="images", title=type(self).__name__)
        drawn.legend()
        return drawn

    def to_pandas(self) -> Any:
        """A row per training image: file (empty after loading), score, label.

        Returns
        -------
        pandas.DataFrame
            In the order of the images.

        Raises
        ------
        NotFittedError, MissingDependencyError
            Nothing was learnt yet; pandas is not installed.
        """
        self._check_fitted()
        names: Sequence[str] = self.training_names_ or [""] * len(self.decision_scores_)
        return frame({"file": names, "score": self.decision_scores_, "label": self.labels_})
