"""The image score of PatchCore: the largest distance, which counts less among many alike."""

import numpy as np
from numpy.typing import NDArray


def reweight(
    patch: NDArray[np.float32],
    distance: float,
    neighbours: NDArray[np.float32],
    is_match: NDArray[np.bool_],
) -> float:
    """Equation 7 of Roth et al. (CVPR 2022): an image's score counts less in a dense neighbourhood.

    ``patch``, float32 (d,), is the one that is farthest from the bank, ``distance`` that to its
    matched (nearest) bank row; ``neighbours``, float32 (k, d), are the bank rows nearest to that,
    itself included, and ``is_match`` says which it is. The result is ``distance`` times one minus
    the softmax share of the matched row, in float64; with no other neighbour ``distance`` itself,
    for the weight would be 0 for every image.
    """
    if len(neighbours) <= 1:
        return distance
    offsets = neighbours.astype(np.float64) - patch.astype(np.float64)
    to_near = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
    # Relative to the largest exponent, which would overflow otherwise.
    exponents = np.exp(to_near - to_near.max())
    return float((1.0 - exponents[is_match][0] / exponents.sum()) * distance)
