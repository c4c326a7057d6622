"""Masks and maps without the pixels outside a region of interest, as any metric takes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import label_components


def pixels_inside(
    mask: NDArray[np.uint8], anomaly_map: NDArray[Any], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """The pixels of an image that count, laid out in one row.

    Figures of pixels and of defect regions are those of the picture with the others left out: the
    pixels of a region lie side by side, and a normal pixel parts one region from the next. Where
    there are fewer normal pixels than that takes, the last regions become one.

    Parameters
    ----------
    mask, anomaly_map, inside
        (H, W) each: the defects, the scores, and which pixels count.

    Returns
    -------
    tuple
        Mask and map, (1, n) for n pixels inside, in their types.
    """
    counted = np.flatnonzero(inside)
    labels = label_components((mask != 0) & inside)[0].ravel()[counted]
    defect = np.flatnonzero(labels)
    defect = defect[np.argsort(labels[defect], kind="stable")]
    normal = np.flatnonzero(labels == 0)
    ends = np.flatnonzero(np.diff(labels[defect])) + 1
    n_between = min(len(ends), len(normal))
    joined = np.insert(defect, ends[:n_between], normal[:n_between])
    order = counted[np.concatenate([joined, normal[n_between:]])]
    return mask.ravel()[order][None], anomaly_map.ravel()[order][None]
