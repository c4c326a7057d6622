"""The image score of PatchCore: the largest distance, which counts less among many alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reweight(
    patch: NDArray[np.float32],
    distance: float,
    neighbours: NDArray[np.float32],
    is_match: NDArray[np.bool_],
) -> float:
    """Equation 7 of Roth et al. (CVPR 2022): an image's score counts less in a dense neighbourhood.

    Parameters
    ----------
    patch
        float32 (d,), the patch that is farthest from the bank.
    distance
        Its distance to the matched (nearest) bank row.
    neighbours
        float32 (k, d), the bank rows nearest to the matched row, itself included.
    is_match
        bool (k,), which of them is the matched row.

    Returns
    -------
    float
        ``distance`` times one minus the softmax share of the matched row, in float64; with no
        other neighbour ``distance`` itself, for the weight would be 0 for every image.
    """
    if len(neighbours) <= 1:
        return distance
    offsets = neighbours.astype(np.float64) - patch.astype(np.float64)
    to_near = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
    # Relative to the largest exponent, which would overflow otherwise.
    exponents = np.exp(to_near - to_near.max())
    return float((1.0 - exponents[is_match][0] / exponents.sum()) * distance)
