"""PatchCore's scorer: distances to a coreset of the training patches, the memory bank."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.neighbors import NearestNeighbors, create_neighbors
from pyimgano.neighbors.catalogue import NEIGHBORS, is_search, takes_device
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.blockwise import Blockwise
from pyimgano.scorers.coresets import FINER, Coverage, select_coreset
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.fit_memory import check_fit_memory, fit_memory
from pyimgano.scorers.held_out import score_held_out
from pyimgano.scorers.image_score import ImageScore, image_score_parameter, summarise
from pyimgano.scorers.origins import Origins
from pyimgano.scorers.reweighting import reweight
from pyimgano.utils.parameters import (
    Choice,
    Count,
    Device,
    Either,
    Number,
    Opaque,
    Parameter,
    PathLike,
    Registered,
    Text,
)
from pyimgano.utils.params import ParamsMixin


@dataclass
class _Training:
    store: FeatureStore
    shapes: list[tuple[int, int]] = field(default_factory=list)
    picks: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class MemoryBankScorer(Blockwise, ParamsMixin):
    """Exact nearest neighbours among a coreset of the training patches.

    A patch's distance is that to its nearest neighbour in the memory bank, Euclidean. The score of
    an image is the largest of them, re-weighted as in PatchCore (Roth et al., "Towards Total Recall
    in Industrial Anomaly Detection", CVPR 2022).

    Parameters
    ----------
    coreset_ratio : float
        Share of the training patches kept as memory bank, in (0, 1].
    n_neighbors : int
        Bank rows in the re-weighting of the image score.
    knn_backend : str or NearestNeighbors
        ``"auto"`` (always the Rust one), ``"rust"``, ``"sklearn"``, ``"faiss"``, ``"torch"`` (on
        ``device``), another name given to :func:`~pyimgano.neighbors.register_neighbors`, or a
        :class:`~pyimgano.neighbors.NearestNeighbors`, which no file can hold.
    spill_dir : path or None
        Folder where a fit keeps the features in a temporary file in place of memory; None: in
        memory. It must have room for 4 bytes x d per patch.
    image_score : str or tuple
        ``"reweighted"``; ``"max"``: the largest distance as it is; ``("top", share)``: the mean of
        the largest share of the distances.
    metric : str
        ``"euclidean"``, or ``"cosine"``: rows are brought to length 1, and distances are one minus
        the cosine.
    device : str
        torch device of the search, where it has one: that is ``"torch"``. Files do not hold it.
    coreset_block : int or None
        Images of which a local coreset is picked first, wherever they are read; the bank is picked
        from the union of all. The patches of all images are then never in memory together. None:
        one coreset of all patches. A detector reads its images twice for it.

    Attributes
    ----------
    coverage_ : Coverage or None
        How near every training patch is to the bank, after a fit with ``coreset_block``.
    memory_bank_ : ndarray
        float32 (m, d), the patch features that are kept.
    origins_ : Origins or None
        The place of each in the training images; None where that is not known.
    """

    kind: ClassVar[str] = "memory_bank"
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        "coreset_ratio": Number(
            0,
            1,
            open_low=True,
            metavar="R",
            help="share of the patches kept as memory bank, the patches of good images that others"
            " are compared with",
        ),
        "n_neighbors": Count(metavar="N", help="bank rows in the re-weighting of the image score"),
        "knn_backend": Either(
            Text(),
            Opaque("an object with fit and kneighbors", is_search),
            metavar="NAME",
            help="what finds the nearest bank rows: rust, sklearn, faiss, torch (on the device) or"
            " one that is registered; auto is always the Rust one",
            stored=Registered(NEIGHBORS),
        ),
        "spill_dir": PathLike(
            none=True,
            metavar="DIR",
            help="folder for training features that do not fit the memory (a temporary file)",
            stored=False,  # over once it is fitted
        ),
        "image_score": image_score_parameter(reweighted=True, maps=False),
        "metric": Choice("euclidean", "cosine", help="how patches are compared"),
        "device": Device(
            metavar="NAME",
            help="torch device of the search, if it has one",
            stored=False,  # where it is loaded there may be another
        ),
        "coreset_block": Count(
            none="one coreset of all patches",
            metavar="N",
            help="pick the memory bank from local coresets of so many good images each, which"
            " bounds memory, on clusters too",
        ),
    }

    memory_bank_: NDArray[np.float32]
    origins_: Origins | None = None
    #: Until the training images are scored: their patches, and which of these are the bank.
    _training: _Training | None = None

    def __init__(
        self,
        *,
        coreset_ratio: float = 0.1,
        n_neighbors: int = 9,
        knn_backend: str | NearestNeighbors = "auto",
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = "reweighted",
        metric: str = "euclidean",
        device: str = "cpu",
        coreset_block: int | None = None,
    ) -> None:
        self.coreset_ratio = coreset_ratio
        self.n_neighbors = n_neighbors
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir
        self.image_score = image_score
        self.device = device
        self.metric = metric
        self.coreset_block = coreset_block

    def check_params(self) -> None:
        """Check the parameters; :class:`UnknownNameError` for a search that nobody registered."""
        super().check_params()
        self._new_search()
        if self.coreset_block is not None and self.spill_dir is not None:
            raise InvalidInputError(
                "spill_dir keeps all features, coreset_block needs none: leave out one of the two"
            )

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes, see :class:`~pyimgano.scorers.PatchScorer`."""
        n_rows, depth, on_disk = n_images * n_patches, sum(parts), self.spill_dir is not None
        if self.coreset_block is None:
            return fit_memory(n_rows, depth, self.coreset_ratio, on_disk=on_disk)
        share = min(1.0, FINER * self.coreset_ratio)  # of the patches, those of the union
        in_union, ratio = int(n_rows * share), self.coreset_ratio / share
        # While the last block is read the others' local coresets are there.
        last = 4 * depth * in_union + self.block_bytes(
            min(self.coreset_block, n_images), n_patches, depth
        )
        return max(last, fit_memory(in_union, depth, ratio, on_disk=False))

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Make room for the patches of all images.

        Raises
        ------
        NotEnoughMemoryError
            They will not fit, judged by those of the first image.
        OutputError
            ``spill_dir`` has no room, or is no folder to write to.
        """
        self._index, self.coverage_ = None, None
        self._training = _Training(FeatureStore(n_images, self.spill_dir))
        check_fit_memory(
            n_images,
            (*first.shape, first.rows.shape[1]),
            coreset_ratio=self.coreset_ratio,
            spill_dir=self.spill_dir,
        )

    def add(self, grid: PatchGrid) -> None:
        """Keep the patches of an image: 4 bytes x d each, in memory or in ``spill_dir``."""
        training = self._fitting()
        training.store.append(self._prepared(grid.rows))
        training.shapes.append(grid.shape)

    def finish(self, random_state: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Select the coreset."""
        training = self._fitting()
        training.picks = select_coreset(
            training.store.rows, self.coreset_ratio, random_state=random_state, progress=progress
        )
        self.memory_bank_ = training.store.rows[training.picks]
        self.origins_ = Origins.of(training.picks, training.shapes)

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Scores by banks without the image and its twins, see :mod:`~pyimgano.scorers.held_out`.

        The training patches are dropped afterwards.
        """
        training = self._fitting()
        scores = score_held_out(
            training.store,
            training.shapes,
            np.arange(training.store.n_images) if groups is None else groups,
            training.picks,
            self.memory_bank_,
            n_neighbors=self._n_neighbors(),
        )
        self._search()
        return [self._finished(one.image, one.distances, one.nearest) for one in scores]

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images by one search for the patches of all."""
        index = self._search()
        ends = np.cumsum([len(grid.rows) for grid in grids])
        rows = grids[0].rows if len(grids) == 1 else np.concatenate([one.rows for one in grids])
        rows = self._prepared(rows)
        distances, matches = index.kneighbors(rows, 1)
        nearest, compared = np.split(distances[:, 0], ends[:-1]), np.split(matches[:, 0], ends[:-1])
        worst = ends - [len(one) for one in nearest] + [int(np.argmax(one)) for one in nearest]
        match = matches[worst, 0]
        near = self._neighbourhoods(index, match)
        return [
            self._finished(
                reweight(
                    rows[worst[i]],
                    float(distances[worst[i], 0]),
                    self.memory_bank_[near[i]],
                    near[i] == match[i],
                ),
                nearest[i].reshape(grid.shape),
                self._places(compared[i], grid.shape),
            )
            for i, grid in enumerate(grids)
        ]

    def to_state(self) -> dict[str, NDArray[Any]]:
        """The memory bank, where its rows come from, and how near the training patches are."""
        known = self.origins_
        state: dict[str, NDArray[Any]] = (
            {} if known is None else {"origins": known.rows, "grids": known.grids}
        )
        if (near := self.coverage_) is not None:
            state["coverage"] = np.array([near.local, near.union])
        return {"memory_bank": self.memory_bank_, **state}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer with this memory bank, and its index."""
        scorer = cls(**parameters)
        scorer.memory_bank_ = state["memory_bank"]
        if "origins" in state:
            scorer.origins_ = Origins(state["origins"], state["grids"])
            if len(scorer.origins_.rows) != len(scorer.memory_bank_):
                raise InvalidInputError("origins and rows of the memory bank differ in number")
        if "coverage" in state:
            local, union = state["coverage"].tolist()
            scorer.coverage_ = Coverage(local, union)
        scorer._search()
        return scorer

    def _prepared(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows as they are compared."""
        if self.metric == "euclidean":
            return rows
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit

    def _places(
        self, matches: NDArray[np.int64], shape: tuple[int, int]
    ) -> NDArray[np.int32] | None:
        """The training patches that some rows of the bank are."""
        known = self.origins_
        return None if known is None else known.rows[matches].reshape(*shape, 2)

    def _finished(
        self,
        image: float,
        distances: NDArray[np.float32],
        nearest: NDArray[np.int32] | None = None,
    ) -> PatchScores:
        """Scores from Euclidean distances, and from the re-weighted one of an image."""
        if self.metric == "cosine":  # half the square of the distance between two of length 1
            image, distances = image**2 / 2, np.square(distances) * np.float32(0.5)
        if self.image_score != "reweighted":
            image = summarise(distances, self.image_score)
        return PatchScores(image, distances, nearest)

    def _n_neighbors(self) -> int:
        wanted = self.n_neighbors if self.image_score == "reweighted" else 1
        return min(wanted, len(self.memory_bank_))

    def _neighbourhoods(
        self, index: NearestNeighbors, match: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """int64 (n, k): the bank rows nearest to each of some of them, itself included."""
        _, near = index.kneighbors(self.memory_bank_[match], self._n_neighbors())
        absent = ~(near == match[:, None]).any(axis=1)  # more than k rows are equal to it
        near[absent, -1] = match[absent]
        return near

    def _new_search(self) -> NearestNeighbors:
        device = str(self.device) if takes_device(self.knn_backend) else None
        return create_neighbors(self.knn_backend, device=device)

    def _fitting(self) -> _Training:
        if self._training is None:
            raise NotFittedError("MemoryBankScorer: call begin first")
        return self._training

    def _search(self) -> NearestNeighbors:
        """The index of the bank; with it what only the training images' scores need is dropped."""
        if self._index is None:
            if not hasattr(self, "memory_bank_"):
                raise NotFittedError("MemoryBankScorer: call finish first")
            self._training = self._union = None
            self._index = self._new_search().fit(self.memory_bank_)
        return self._index

    def __getstate__(self) -> dict[str, Any]:
        """Without the index, which is made anew where a copy arrives."""
        left = ("_index", "_training", "_union")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if hasattr(self, "memory_bank_"):
            self._search()
