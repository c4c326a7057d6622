"""Ground-truth masks, read one by one, and what casts doubt on them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.defects import DefectMask, Saturation
from pyimgano.errors import DatasetError
from pyimgano.images.reading import Mask, image_size, inspect_mask
from pyimgano.utils.text import printable, shown

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

    Of images with ``saturations``, by the value of a defect in its mask, :meth:`defects` gives the
    single defects.
    """

    def __init__(
        self,
        images: Sequence[str],
        masks: Sequence[str | Sequence[str] | None],
        saturations: Sequence[Mapping[int, Saturation]] | None = None,
    ) -> None:
        if len(images) != len(masks):
            raise DatasetError(f"{len(images)} images, but {len(masks)} masks")
        self._images = list(images)
        self._masks = [(m,) if isinstance(m, str) else tuple(m or ()) for m in masks]
        self._saturations = list(saturations or [{}] * len(images))
        #: Masks by what is odd about them.
        self._doubts: defaultdict[str, set[str]] = defaultdict(set)
        #: Values of each image that says how much of its defects has to be found, once read.
        self._values: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LazyMasks: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LazyMasks:
        if isinstance(index, slice):
            return LazyMasks(self._images[index], self._masks[index], self._saturations[index])
        return self.read(index, image_size(self._images[index]))

    def read(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The mask of an image whose size (height, width) is known, native; the image stays shut.

        Raises
        ------
        DatasetError
            A mask is of another size; names it.
        """
        whole = np.zeros(size, dtype=np.uint8)
        for _, read in self._files(index, size):
            whole |= read.pixels
        return whole

    @property
    def saturate(self) -> bool:
        """Whether any image says how much of its defects has to be found."""
        return any(self._saturations)

    def defects(self, index: int, size: tuple[int, int]) -> list[DefectMask]:
        """The single defects of an image of a known size, as :meth:`read` does: they may overlap.

        All pixels of one value in one file are a defect, however many pieces they are in.

        Raises
        ------
        DatasetError
            A mask is of another size, has several channels, or a value that no saturation is known
            of; names it.
        """
        found, saturation = [], self._saturations[index]
        for path, read in self._files(index, size):
            if read.labels is None:
                raise DatasetError(f"mask {shown(path)} has several channels, not one of values")
            for value in map(int, np.unique(read.labels[read.pixels != 0])):
                if value not in saturation:
                    known = ", ".join(map(str, sorted(saturation))) or "none"
                    raise DatasetError(
                        f"mask {shown(path)} has the value {value}, whose saturation is not known:"
                        f" {known} is"
                    )
                pixels = (read.labels == value).view(np.uint8)
                found.append(DefectMask(pixels, saturation[value].pixels(int(pixels.sum()))))
        return found

    def _files(self, index: int, size: tuple[int, int]) -> Iterator[tuple[str, Mask]]:
        """Each mask of an image, read and checked."""
        image, values = self._images[index], set[int]()
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
            if self._saturations[index] and read.labels is not None:
                values.update(map(int, np.unique(read.labels)))
            yield mask, read
        if self._saturations[index]:
            self._values[index] = values

    def notes(self) -> list[str]:
        """What is odd about the masks that were read so far, a line for each kind."""
        doubts = {**self._doubts, _SHARED: self._shared()}
        return self._unseen_kinds() + [
            f"{len(masks)} {'mask' if len(masks) == 1 else 'masks'} {what}, such as"
            f" {shown(min(masks))}"
            for what, masks in doubts.items()
            if masks
        ]

    def _unseen_kinds(self) -> list[str]:
        """A line for kinds of defect that are listed and in no mask, once all masks were read."""
        told = [i for i, kinds in enumerate(self._saturations) if kinds]
        if not self._values or any(i not in self._values for i in told):
            return []
        shown_values = set().union(*self._values.values())
        unseen = {
            f"{kind.name or 'unnamed'} ({value})"
            for i in told
            for value, kind in self._saturations[i].items()
            if value not in shown_values
        }
        if not unseen:
            return []
        what = "kind of defect is" if len(unseen) == 1 else "kinds of defect are"
        return [f"{len(unseen)} {what} listed and in no mask, such as {printable(min(unseen))}"]

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
