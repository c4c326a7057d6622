"""The detectors of PyOD that suit one feature vector per image."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def _neighbours(most: int) -> Callable[[int, int], int]:
    """At most so many neighbours, and never more than other rows are there."""
    return lambda n_rows, _: max(1, min(most, n_rows - 1))


@dataclass(frozen=True)
class PyODDetector:
    """What the adapter needs to know of one class of PyOD."""

    module: str  #: Where the class is.
    name: str  #: Of the class.
    summary: str  #: One line for listings.
    #: Where the user sets none, by the numbers of training rows and of features.
    defaults: dict[str, Callable[[int, int], Any]] = field(default_factory=dict)
    #: It estimates a covariance: features are first projected to fewer axes than rows.
    needs_more_rows: bool = False


_FEW = {"n_neighbors": _neighbours(5)}

#: By the short name that users give: ``vision_`` goes in front of it.
DETECTORS = {
    "copod": PyODDetector(
        "pyod.models.copod", "COPOD", "Tails of the empirical copula (Li et al., 2020)"
    ),
    "ecod": PyODDetector(
        "pyod.models.ecod", "ECOD", "Tails of each feature's distribution (Li et al., 2022)"
    ),
    "gmm": PyODDetector(
        "pyod.models.gmm", "GMM", "Likelihood under Gaussians", needs_more_rows=True
    ),
    "hbos": PyODDetector(
        "pyod.models.hbos", "HBOS", "One histogram per feature (Goldstein and Dengel, 2012)"
    ),
    "iforest": PyODDetector(
        "pyod.models.iforest", "IForest", "Random cuts that isolate (Liu et al., 2008)"
    ),
    "kde": PyODDetector("pyod.models.kde", "KDE", "Kernel density"),
    "knn": PyODDetector(
        "pyod.models.knn", "KNN", "Distance to the k-th neighbour (Ramaswamy et al., 2000)", _FEW
    ),
    "kpca": PyODDetector(
        "pyod.models.kpca", "KPCA", "Reconstruction by kernel principal axes (Hoffmann, 2007)"
    ),
    "loda": PyODDetector(
        "pyod.models.loda",
        "LODA",
        "Histograms of random projections (Pevny, 2016)",
        # With a fixed number of bins PyOD counts what lies beyond the training range as frequent.
        {"n_bins": lambda n_rows, n_features: "auto"},
    ),
    "lof": PyODDetector(
        "pyod.models.lof",
        "LOF",
        "Density relative to the neighbours' (Breunig et al., 2000)",
        {"n_neighbors": _neighbours(20)},
    ),
    "mcd": PyODDetector(
        "pyod.models.mcd",
        "MCD",
        "Robust covariance (Rousseeuw and Van Driessen, 1999)",
        needs_more_rows=True,
    ),
    "ocsvm": PyODDetector(
        "pyod.models.ocsvm", "OCSVM", "One-class support vectors (Schoelkopf et al., 2001)"
    ),
    "pca": PyODDetector(
        "pyod.models.pca",
        "PCA",
        "Distance along principal axes (Shyu et al., 2003)",
        # Axes without variance would outweigh all others: PyOD divides by it.
        {"n_components": lambda n_rows, n_features: max(1, min(n_rows // 2, n_features))},
    ),
    "sampling": PyODDetector(
        "pyod.models.sampling",
        "Sampling",
        "Distance to a random sample (Sugiyama and Borgwardt, 2013)",
        {"subset_size": lambda n_rows, _: min(20, n_rows)},
    ),
}
