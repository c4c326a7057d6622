"""What scikit-learn's and PyOD's tools ask of a detector; scikit-learn is imported when they do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.preprocess import check_images
from pyimgano.types import ImageInput
from pyimgano.utils.parameters import Choice

if TYPE_CHECKING:
    from sklearn.utils import Tags


class _Fitted(Protocol):
    """What a detector has beside this."""

    decision_scores_: NDArray[np.float64]
    labels_: NDArray[np.int64]

    def fit(self, X: Iterable[ImageInput], y: Any = None) -> Any: ...

    def decision_function(self, X: Iterable[ImageInput]) -> NDArray[np.float64]: ...


class SklearnApi:
    """Scores and labels under the names that others have for them, and scikit-learn's hooks.

    Labels and scores keep PyOD's signs: 1 is a defect, a higher ``decision_function`` is more
    anomalous. Of scikit-learn's outlier detectors they have the opposite sign, but for
    :meth:`score_samples`, which has scikit-learn's.
    """

    def fit_predict(self: _Fitted, X: Iterable[ImageInput], y: Any = None) -> NDArray[np.int64]:
        """Fit, and the labels of the training images by their own held-out scores, int64 (n,).

        An InvalidInputError tells that not every image was used: one was given twice, or left out
        by ``on_bad_image="skip"``. The detector is fitted, ``labels_`` are of those used.
        """
        images = check_images(X)
        labels: NDArray[np.int64] = self.fit(images, y).labels_
        if len(labels) != len(images):
            raise InvalidInputError(
                f"fit used {len(labels)} of {len(images)} images: read labels_, which are of these"
            )
        return labels

    def score_samples(self: _Fitted, X: Iterable[ImageInput]) -> NDArray[np.float64]:
        """``-decision_function(X)``: float64 (n,), higher is more normal, as in scikit-learn."""
        return -self.decision_function(X)

    def predict_proba(
        self: _Fitted, X: Iterable[ImageInput], method: str = "linear"
    ) -> NDArray[np.float64]:
        """Scores between 0 and 1 by PyOD's rules: no probabilities of a defect.

        Parameters
        ----------
        X
            Paths or arrays.
        method
            ``"linear"``: 0 at the lowest held-out score of the training images, 1 at the highest,
            clipped outside. ``"unify"``: erf((s - mean) / (std * sqrt(2))) of these scores, 0 below
            the mean (Kriegel et al., 2011). Two of them are needed, else an InvalidInputError.

        Returns
        -------
        ndarray
            float64 (n, 2): one minus the second column, and the score on that scale.
        """
        Choice("linear", "unify").check("method", method)
        found = self.decision_function(X)
        known = self.decision_scores_[np.isfinite(self.decision_scores_)]
        if len(known) < 2:
            raise InvalidInputError(
                f"predict_proba needs held-out scores of at least two training images: {len(known)}"
            )
        if method == "linear":
            low, width = float(known.min()), float(np.ptp(known))
            share = (found - low) / (width or 1.0)
        else:
            from scipy.special import erf

            width = float(known.std()) * math.sqrt(2.0)
            share = erf((found - float(known.mean())) / (width or 1.0))
        share = np.clip(share, 0.0, 1.0)
        return np.stack([1.0 - share, share], axis=1)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "threshold_")

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(two_d_array=False, three_d_array=True, string=True),
            no_validation=True,  # images are no table: they have no number of features
        )

    def _repr_html_(self) -> str:
        from sklearn.utils import estimator_html_repr

        return str(estimator_html_repr(self))
