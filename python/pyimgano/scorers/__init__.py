"""What tells a defect from patch features: one file per way of scoring."""

from pyimgano.scorers.base import PatchScorer, PatchScores
from pyimgano.scorers.catalogue import register_scorer
from pyimgano.scorers.gaussian import GaussianScorer
from pyimgano.scorers.layer_banks import LayerBanksScorer
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.scorers.mutual import MutualScorer
from pyimgano.scorers.subspace import SubspaceScorer

__all__ = [
    "GaussianScorer",
    "LayerBanksScorer",
    "MemoryBankScorer",
    "MutualScorer",
    "PatchScorer",
    "PatchScores",
    "SubspaceScorer",
    "register_scorer",
]
