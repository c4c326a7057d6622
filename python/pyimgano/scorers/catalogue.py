"""Scorers that a detector file can hold, by their kind."""

from typing import Any, TypeVar

from pyimgano.errors import InvalidInputError
from pyimgano.registry import Entry, Registry
from pyimgano.scorers.gaussian import GaussianScorer
from pyimgano.scorers.layer_banks import LayerBanksScorer
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.scorers.mutual import MutualScorer
from pyimgano.scorers.subspace import SubspaceScorer
from pyimgano.utils.params import check_declaration
from pyimgano.utils.storable import is_storable

SCORERS: Registry[type[Any]] = Registry("scorer")

Scorer = TypeVar("Scorer", bound=type[Any])


def register_scorer(scorer: Scorer, *, summary: str = "", overwrite: bool = False) -> Scorer:
    """Let detector files hold the scorers of a class, which they call by its ``kind``.

    Parameters
    ----------
    scorer : type
        A class that is a :class:`~pyimgano.scorers.PatchScorer` and a
        :class:`~pyimgano.extend.Storable`: an InvalidInputError says what it lacks, or that its
        kind is taken (unless ``overwrite``). It is returned, so that this can be a decorator.
    summary
        One line for listings.
    """
    if not isinstance(scorer, type) or not is_storable(scorer):
        raise InvalidInputError(
            f"register_scorer takes a class with kind, PARAMETERS, to_state and from_state, got"
            f" {scorer!r}"
        )
    check_declaration(scorer)
    SCORERS.add(Entry(scorer.kind, scorer, summary), overwrite=overwrite)
    return scorer


register_scorer(MemoryBankScorer, summary="distances to a coreset of the training patches")
register_scorer(LayerBanksScorer, summary="distances to a coreset of each layer, averaged")
register_scorer(GaussianScorer, summary="distances from the normal law at each place")
register_scorer(SubspaceScorer, summary="what is left beside the principal axes")
register_scorer(MutualScorer, summary="distances to the nearest patches of other images")
