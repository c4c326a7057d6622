"""SuperADD's scorer: a memory bank for each layer of a network, their distances averaged."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.fit_memory import check_fit_memory, fit_memory
from pyimgano.scorers.image_score import ImageScore, image_score_parameter, summarise
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.utils.parameters import Parameter
from pyimgano.utils.params import ParamsMixin

#: Of the banks, which know neighbours and no images.
_OF_BANKS = ("coreset_ratio", "knn_backend", "spill_dir", "device")


class LayerBanksScorer(ParamsMixin):
    """Distances to a memory bank of each layer, each divided by its number of channels, averaged.

    Features without layers have one bank.

    Parameters
    ----------
    coreset_ratio, knn_backend, spill_dir, device
        As in :class:`~pyimgano.scorers.MemoryBankScorer`, of each bank.
    image_score : str or tuple
        ``"max"``, or ``("top", share)``: mean of the largest share of the averaged distances.

    Attributes
    ----------
    banks_ : list of MemoryBankScorer
        One for each layer, in their order.
    """

    kind: ClassVar[str] = "layer_banks"
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        **{name: MemoryBankScorer.PARAMETERS[name] for name in _OF_BANKS},
        "image_score": image_score_parameter(maps=False),
    }

    banks_: list[MemoryBankScorer]
    _widths: tuple[int, ...]

    def __init__(
        self,
        *,
        coreset_ratio: float = 0.1,
        knn_backend: str | NearestNeighbors = "auto",
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = "max",
        device: str = "cpu",
    ) -> None:
        self.coreset_ratio = coreset_ratio
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir
        self.image_score = image_score
        self.device = device

    def check_params(self) -> None:
        """Check the parameters; :class:`UnknownNameError` for a search that nobody registered."""
        super().check_params()
        self._new_bank().check_params()

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes, see :class:`~pyimgano.scorers.PatchScorer`."""
        on_disk = self.spill_dir is not None
        return fit_memory(n_images * n_patches, sum(parts), self.coreset_ratio, on_disk=on_disk)

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Make room for the patches of all images in each bank."""
        self._widths = first.parts or (first.rows.shape[1],)
        self.banks_ = [self._new_bank() for _ in self._widths]
        check_fit_memory(
            n_images,
            (*first.shape, first.rows.shape[1]),
            coreset_ratio=self.coreset_ratio,
            spill_dir=self.spill_dir,
        )
        for bank, part in self._parts(first):
            bank.begin(n_images, part)

    def add(self, grid: PatchGrid) -> None:
        """Keep the patches of an image."""
        for bank, part in self._parts(grid):
            bank.add(part)

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Select the coreset of each layer."""
        for number, bank in enumerate(self.banks_):
            bank.finish(random_state)
            progress(number + 1, len(self.banks_))

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Scores by banks without the image and its twins."""
        found = [bank.held_out(groups) for bank in self.banks_]
        return [self._averaged(each) for each in zip(*found, strict=True)]

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images by one search for each layer."""
        if not hasattr(self, "banks_"):
            raise NotFittedError("LayerBanksScorer: call finish first")
        parts = zip(*([part for _, part in self._parts(grid)] for grid in grids), strict=True)
        found = [bank.score(each) for bank, each in zip(self.banks_, parts, strict=True)]
        return [self._averaged(each) for each in zip(*found, strict=True)]

    def to_state(self) -> dict[str, NDArray[Any]]:
        """The memory banks."""
        return {f"bank_{i}": bank.memory_bank_ for i, bank in enumerate(self.banks_)}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer with these banks, and their indices."""
        scorer = cls(**parameters)
        banks = [state.get(f"bank_{i}") for i in range(len(state))]
        if not banks or any(one is None or one.ndim != 2 for one in banks):
            raise InvalidInputError(f"{sorted(state)} are not the memory banks bank_0, bank_1, ...")
        given = scorer._bank_parameters()
        scorer.banks_ = [
            MemoryBankScorer.from_state(given, {"memory_bank": np.asarray(one)}) for one in banks
        ]
        scorer._widths = tuple(bank.memory_bank_.shape[1] for bank in scorer.banks_)
        return scorer

    def _bank_parameters(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in _OF_BANKS}, "image_score": "max"}

    def _new_bank(self) -> MemoryBankScorer:
        return MemoryBankScorer(**self._bank_parameters())

    def _parts(self, grid: PatchGrid) -> Iterator[tuple[MemoryBankScorer, PatchGrid]]:
        """Each bank with its layer's features of an image."""
        ends = np.cumsum([0, *self._widths])
        if grid.rows.shape[1] != ends[-1]:
            raise InvalidInputError(
                f"patches have {grid.rows.shape[1]} features, those learnt {ends[-1]}"
            )
        for bank, (start, stop) in zip(self.banks_, pairwise(ends), strict=True):
            rows = np.ascontiguousarray(grid.rows[:, start:stop])
            yield bank, replace(grid, rows=rows, parts=())

    def _averaged(self, found: Sequence[PatchScores]) -> PatchScores:
        each = [one.distances / np.float32(w) for one, w in zip(found, self._widths, strict=True)]
        mean: NDArray[np.float32] = np.stack(each).mean(axis=0)
        return PatchScores(summarise(mean, self.image_score), mean)
