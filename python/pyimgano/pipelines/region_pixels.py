"""The pixels of a test image that metrics get, and a word on those that they do not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.defects import DefectMask
from pyimgano.images.region import RegionOfInterest
from pyimgano.kernels import DefectPixels
from pyimgano.metrics.defects import defect_pixels
from pyimgano.metrics.inputs import resize_map, resize_mask
from pyimgano.metrics.region import pixels_inside
from pyimgano.utils.text import counted


def counted_pixels(
    mask: NDArray[np.uint8],
    anomaly_map: NDArray[np.float32] | None,
    region: RegionOfInterest | None,
    metric_size: int | None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Mask and map at the size of the metrics; of a region of interest one row of its pixels."""
    kept = resize_mask(mask, metric_size)
    found = None if anomaly_map is None else resize_map(anomaly_map, metric_size)
    if region is None or found is None:
        return kept, found
    return pixels_inside(kept, found, _inside(mask, region, metric_size))


def counted_defects(
    image: int,
    defects: Sequence[DefectMask],
    mask: NDArray[np.uint8],
    region: RegionOfInterest | None,
    metric_size: int | None,
) -> list[DefectPixels]:
    """The single defects of an image, by the pixels that :func:`counted_pixels` gives of it."""

    if not defects:
        return []
    whole = resize_mask(mask, metric_size)
    inside = None if region is None else _inside(mask, region, metric_size)

    def laid_out(defect: NDArray[np.uint8]) -> NDArray[np.uint8]:
        kept = resize_mask(defect, metric_size)
        return kept if inside is None else pixels_inside(whole, kept, inside)[1]

    return defect_pixels(image, defects, laid_out)


def _inside(
    mask: NDArray[np.uint8], region: RegionOfInterest, metric_size: int | None
) -> NDArray[np.bool_]:
    """The pixels of a region of interest, at the size of the metrics."""
    native = region.at((mask.shape[0], mask.shape[1])).view(np.uint8)
    inside: NDArray[np.bool_] = resize_mask(native, metric_size) != 0
    return inside


def region_notes(region: RegionOfInterest | None, outside: Sequence[str]) -> list[str]:
    """What a region leaves out of the figures; ``outside`` are defect images without a defect in
    it."""
    if region is None:
        return []
    left_out = f"{100 * (1 - region.share):.1f} % of the pixels"
    notes = [f"pixel metrics leave out what is outside the region of interest: {left_out}"]
    if n := len(outside):
        notes.append(
            f"{counted(n, 'defect image')} without a defect inside the region of interest, such as"
            f" {outside[0]}: image metrics count {'it' if n == 1 else 'them'} as defective"
        )
    return notes
