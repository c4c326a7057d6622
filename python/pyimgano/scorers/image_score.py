"""How an image's score follows from its distances, or from its map."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.utils.parameters import Choice, Either, Number, Parameter, Worded

#: ``"max"``, or ``("top", share)`` for the mean of the largest share of them.
ImageScore = str | Sequence[Any]
_SHARE = Number(0, 1, open_low=True)
_HELP = (
    "how distances become an image's score: max, top:SHARE (mean of the largest share of them), or"
    " map_max, map_top:SHARE for the same of the pixels of the map"
)
#: Of a scorer, which knows patches alone.
OF_PATCHES: tuple[Parameter, ...] = (Choice("max"), Worded("top", _SHARE))
_OF_MAPS: tuple[Parameter, ...] = (Choice("map_max"), Worded("map_top", _SHARE))


def image_score_parameter(*, reweighted: bool = False, maps: bool = True) -> Parameter:
    """The parameter ``image_score`` of a scorer, or with ``maps`` of a detector.

    ``reweighted`` is for those that know neighbours in a memory bank.
    """
    first = (Choice("reweighted"),) if reweighted else ()
    help_ = f"{_HELP}; or reweighted, PatchCore's own rule" if reweighted else _HELP
    kinds = (*first, *OF_PATCHES, *(_OF_MAPS if maps else ()))
    return Either(*kinds, metavar="RULE", help=help_)


def is_of_map(rule: ImageScore) -> bool:
    """Whether the pixels of the map count, and not the patches."""
    return (rule if isinstance(rule, str) else str(rule[0])).startswith("map_")


def patch_rule(rule: ImageScore) -> ImageScore:
    """What a scorer is told where the score is the map's affair."""
    return "max" if is_of_map(rule) else rule


def summarise(values: NDArray[np.float32], rule: ImageScore) -> float:
    """One number out of distances or pixels, whatever their shape.

    Parameters
    ----------
    values
        Distances of patches, or a map.
    rule
        ``"max"`` or ``"map_max"``; ``("top", share)`` or ``("map_top", share)``: the mean of the
        largest ``floor(share * n)`` of n, of one at least.
    """
    if isinstance(rule, str):
        return float(values.max())
    n = max(1, int(values.size * rule[1]))
    top = np.partition(values, values.size - n, axis=None)[values.size - n :]
    return float(np.sort(top).mean(dtype=np.float64))
