"""Ground-truth masks, read one by one, and what casts doubt on them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import DatasetError
from pyimgano.images.reading import Mask, image_size, inspect_mask
from pyimgano.utils.text import shown

#: A mask that marks more of its image is inverted rather than right.
_NEARLY_ALL = 0.9
#: Labels are few; more values than this are shades.
_MOST_LABELS = 32
_LOSSY = "in a lossy format: what it adds around a defect counts as defect; save masks as PNG"
_ALL = "marking more than 90 % of the image: every value but 0 is a defect, white ground included"
_SOFT = (
    f"with more than {_MOST_LABELS} values, as shades have, not labels: every value but 0 counts"
)
_SHARED = "serving more than one image"


class LazyMasks(Sequence[NDArray[np.uint8]]):
    """Ground-truth masks, each read when it is asked for.

    Items are uint8 (H, W) with values 0 and 1, at the size of their image, whose path gives it.
    Every value of a file but 0 is a defect; those of several files of an image are put together,
    and a good image, with None, has an all-zero mask.
    """

    def __init__(
        self,
        images: Sequence[str],
        masks: Sequence[str | Sequence[str] | None],
    ) -> None:
        if len(images) != len(masks):
            raise DatasetError(f"{len(images)} images, but {len(masks)} masks")
        self._images = list(images)
        self._masks = [(m,) if isinstance(m, str) else tuple(m or ()) for m in masks]
        #: Masks by what is odd about them.
        self._doubts: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LazyMasks: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LazyMasks:
        if isinstance(index, slice):
            return LazyMasks(self._images[index], self._masks[index])
        return self.read(index, image_size(self._images[index]))

    def read(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The mask of an image whose size (height, width) is known, native; the image stays shut.

        Raises
        ------
        DatasetError
            A mask is of another size; names it.
        """
        image = self._images[index]
        whole = np.zeros(size, dtype=np.uint8)
        for mask in self._masks[index]:
            found = image_size(mask)
            if found != size:
                raise DatasetError(
                    f"mask {shown(mask)} is {found[1]} x {found[0]} pixels, its image"
                    f" {shown(image)} is {size[1]} x {size[0]}"
                )
            # Whoever takes the image takes its mask, which is as large.
            read = inspect_mask(mask, max_pixels=size[0] * size[1])
            self._judge(mask, read)
            whole |= read.pixels
        return whole

    def notes(self) -> list[str]:
        """What is odd about the masks that were read so far, a line for each kind."""
        doubts = {**self._doubts, _SHARED: self._shared()}
        return [
            f"{len(masks)} {'mask' if len(masks) == 1 else 'masks'} {what}, such as"
            f" {shown(min(masks))}"
            for what, masks in doubts.items()
            if masks
        ]

    def _judge(self, path: str, mask: Mask) -> None:
        if mask.lossy:
            self._doubts[_LOSSY].add(path)
        elif mask.values > _MOST_LABELS:
            self._doubts[_SOFT].add(path)
        if mask.pixels.mean() > _NEARLY_ALL:
            self._doubts[_ALL].add(path)

    def _shared(self) -> set[str]:
        """Masks of more than one image, under one name or several."""
        users: defaultdict[str, set[str]] = defaultdict(set)
        for image, masks in zip(self._images, self._masks, strict=True):
            for mask in masks:
                users[os.path.realpath(mask)].add(image)
        return {mask for mask, images in users.items() if len(images) > 1}
