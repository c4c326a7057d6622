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
from pyimgano.scorers.origins import Origins
from pyimgano.utils.parameters import Parameter
from pyimgano.utils.params import ParamsMixin

#: Of the banks, which know neighbours and no images.
_OF_BANKS = ("coreset_ratio", "knn_backend", "spill_dir", "device")


class LayerBanksScorer(ParamsMixin):
    """Distances to a memory bank of each layer, each divided by its number of channels, averaged.

    Features without layers have one bank. What a patch was compared with is its nearest neighbour
    in the layer that has the largest share in its distance.

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

    @property
    def origins_(self) -> Origins | None:
        """Where the rows of the first bank come from; the grids are those of all."""
        return self.banks_[0].origins_

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
        """The memory banks, where the rows of each come from, and the grids of the images."""
        found: dict[str, NDArray[Any]] = {}
        for i, bank in enumerate(self.banks_):
            state = bank.to_state()
            found[f"bank_{i}"] = state["memory_bank"]
            if "origins" in state:
                found |= {f"origins_{i}": state["origins"], "grids": state["grids"]}
        return found

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer with these banks, and their indices."""
        scorer = cls(**parameters)
        n = sum(name.startswith("bank_") for name in state)
        names = {f"bank_{i}" for i in range(n)}
        places = {f"origins_{i}" for i in range(n)} | {"grids"} if "grids" in state else set()
        is_known = n and state.keys() == names | places
        if not is_known or any(state[name].ndim != 2 for name in names):
            raise InvalidInputError(
                f"{sorted(state)} are not the memory banks bank_0, bank_1, ..., with origins_0,"
                " origins_1, ... and grids or without these"
            )
        given = scorer._bank_parameters()
        scorer.banks_ = []
        for i in range(n):
            own = {"memory_bank": state[f"bank_{i}"]}
            if places:
                own |= {"origins": state[f"origins_{i}"], "grids": state["grids"]}
            scorer.banks_.append(MemoryBankScorer.from_state(given, own))
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
        return PatchScores(summarise(mean, self.image_score), mean, _nearest(found, each))


def _nearest(
    found: Sequence[PatchScores], each: Sequence[NDArray[np.float32]]
) -> NDArray[np.int32] | None:
    """What each patch was compared with in the layer that has the largest share in its distance."""
    known = [one.nearest for one in found if one.nearest is not None]
    if len(known) < len(found):  # of a file of an older version
        return None
    most = np.argmax(np.stack(each), axis=0)
    picked: NDArray[np.int32] = np.take_along_axis(np.stack(known), most[None, :, :, None], axis=0)[
        0
    ]
    return picked
