"""Several detectors side by side on the same images."""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError, RegionWarning, ThresholdWarning
from pyimgano.evaluation import compute_score_metrics
from pyimgano.images.preprocess import check_images
from pyimgano.models import create_model, list_models
from pyimgano.models.parameters import COMMON
from pyimgano.types import ImageInput
from pyimgano.utils.parameters import ListOf, Opaque, Parameter, Text
from pyimgano.utils.params import ParamsMixin
from pyimgano.utils.progress import track

#: Compared where nothing is named; quick, and each of another kind.
DEFAULT_ALGORITHMS = ("ECOD", "COPOD", "KNN", "PCA", "IForest", "LOF")


class AlgorithmBenchmark(ParamsMixin):
    """Fit detectors on the same normal images and score the same test images.

    Parameters
    ----------
    algorithms
        Names of models; the part ``vision_`` may be left out and case does not matter
        (``"ECOD"`` is ``vision_ecod``). None: a few quick ones.
    contamination
        Share of normal images that may exceed a detector's threshold.
    random_state
        Seed of every detector.
    parameters
        Further parameters by algorithm, as named in ``algorithms``.
    verbose
        Show a progress bar.

    Attributes
    ----------
    results_ : dict
        What the last :meth:`run` returned.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "algorithms": ListOf(Text(), 1, none=True),
        "parameters": Opaque(
            "a mapping of algorithms to their parameters",
            lambda value: isinstance(value, Mapping),
            none=True,
        ),
        **{name: COMMON[name] for name in ("contamination", "random_state", "verbose")},
    }

    def __init__(
        self,
        algorithms: Sequence[str] | None = None,
        *,
        contamination: float = 0.1,
        random_state: int = 0,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        verbose: bool = False,
    ) -> None:
        self.algorithms = algorithms
        self.contamination = contamination
        self.random_state = random_state
        self.parameters = parameters
        self.verbose = verbose

    def run(
        self,
        train_images: Iterable[ImageInput],
        test_images: Iterable[ImageInput],
        test_labels: ArrayLike,
    ) -> dict[str, dict[str, Any]]:
        """Fit and score every algorithm.

        Parameters
        ----------
        train_images
            Paths or arrays of normal images.
        test_images
            Paths or arrays.
        test_labels
            0 or 1 for each test image.

        Returns
        -------
        dict
            By algorithm, in the order given. ``success`` (bool), ``error`` (None or why it
            failed), ``model`` (its name for ``create_model``). Where it succeeded also ``scores``
            (float64 (n,), of ``decision_function``), ``predictions`` (int64 (n,)), ``threshold``,
            ``auroc``, ``average_precision`` (also as ``ap``), ``f1`` (at ``threshold``),
            ``f1_max`` (best over all thresholds), ``fit_seconds``, ``predict_seconds`` (reading and
            features included) and ``notes`` (warnings).

        Raises
        ------
        InvalidInputError
            Labels and images do not go together, or there are parameters for an algorithm that is
            not compared; an algorithm's failure does not raise.
        """
        train, test = check_images(train_images), check_images(test_images)
        labels = np.asarray(test_labels)
        if labels.shape != (len(test),) or len(test) == 0:
            raise InvalidInputError(
                f"test_labels has shape {labels.shape} for {len(test)} test images"
            )
        if not np.isin(labels, (0, 1)).all():
            raise InvalidInputError("test_labels must be 0 (normal) or 1 (anomalous)")
        names = DEFAULT_ALGORITHMS if self.algorithms is None else self.algorithms
        if isinstance(names, str):
            raise InvalidTypeError(f"algorithms is a list of names: pass [{names!r}]")
        self.check_params()
        unused = next((name for name in self.parameters or {} if name not in names), None)
        if unused is not None:
            raise InvalidInputError(f"parameters has {unused!r}, which is not in algorithms")
        results = {}
        with track(len(names), "comparing", self.verbose) as advance:
            for name in names:
                results[name] = self._run_one(name, train, test, labels.astype(np.int64))
                advance()
        self.results_ = results
        return results

    def _run_one(
        self,
        name: str,
        train: Sequence[ImageInput],
        test: Sequence[ImageInput],
        labels: NDArray[np.int64],
    ) -> dict[str, Any]:
        model = model_name(name)
        outcome: dict[str, Any] = {"success": False, "error": None, "model": model}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                outcome.update(self._score(name, model, train, test, labels))
        except Exception as error:  # whatever one algorithm raises, the others go on
            outcome["error"] = str(error) or type(error).__name__
            return outcome
        told = (ThresholdWarning, RegionWarning)
        notes = [str(w.message) for w in caught if issubclass(w.category, told)]
        outcome.update(success=True, notes=list(dict.fromkeys(notes)))
        return outcome

    def _score(
        self,
        name: str,
        model: str,
        train: Sequence[ImageInput],
        test: Sequence[ImageInput],
        labels: NDArray[np.int64],
    ) -> dict[str, Any]:
        given = {"contamination": self.contamination, "random_state": self.random_state}
        detector = create_model(model, **{**given, **dict((self.parameters or {}).get(name, {}))})
        start = time.perf_counter()
        detector.fit(train)
        fitted = time.perf_counter()
        scores = detector.decision_function(test)
        end = time.perf_counter()
        predictions = (scores > detector.threshold_).astype(np.int64)
        metrics = compute_score_metrics(labels, scores)
        hits = int((predictions & labels).sum())
        wrong = int((predictions ^ labels).sum())
        return {
            "scores": scores,
            "predictions": predictions,
            "threshold": detector.threshold_,
            "threshold_source": detector.threshold_source_,
            "auroc": metrics.auroc,
            "average_precision": metrics.average_precision,
            "ap": metrics.average_precision,
            "f1": 2 * hits / (2 * hits + wrong) if hits or wrong else float("nan"),
            "f1_max": metrics.f1_max,
            "fit_seconds": fitted - start,
            "predict_seconds": end - fitted,
        }


def model_name(algorithm: str) -> str:
    """The registered name that an algorithm's short name stands for; else the name as it is."""
    known = list_models()
    lower = algorithm.lower()
    for candidate in (algorithm, lower, f"vision_{lower}"):
        if candidate in known:
            return candidate
    return algorithm


def quick_benchmark(
    train_images: Iterable[ImageInput],
    test_images: Iterable[ImageInput],
    test_labels: ArrayLike,
    algorithms: Sequence[str] | None = None,
    **kwargs: Any,
) -> dict[str, dict[str, Any]]:
    """Compare algorithms, such as ``["ECOD", "COPOD"]``, in one call.

    ``kwargs`` are further parameters of :class:`AlgorithmBenchmark`, the rest is as for
    :meth:`AlgorithmBenchmark.run`.
    """
    return AlgorithmBenchmark(algorithms, **kwargs).run(train_images, test_images, test_labels)
