"""The BTAD layout (Mishra et al., "VT-ADL", ISIE 2021)."""

from __future__ import annotations

import os
from pathlib import Path

from pyimgano.datasets.base import folders_with
from pyimgano.datasets.folders import FolderDataset, folder_below

_ARCHIVE = "BTech_Dataset_transformed"


class BTADDataset(FolderDataset):
    """``<category>/{train/ok, test/ok, test/ko, ground_truth/ko}``, .bmp and .png mixed.

    The mask of ``test/ko/<stem>.<any>`` is ``ground_truth/ko/<stem>``, .bmp or .png. ``root`` is
    the folder of the categories ``01``, ``02``, ``03``, or the folder above, with the archive's
    ``BTech_Dataset_transformed`` in it.
    """

    name = "btad"
    good = "ok"

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Folders below ``root`` that hold a training or a test half, sorted."""
        return super().list_categories(_base(root))

    @property
    def _folder(self) -> Path:
        return _base(self.root) / str(self.category)


def _base(root: str | os.PathLike[str]) -> Path:
    """Where the categories are: ``root``, or the archive's folder right below it."""
    path = Path(root)
    if not os.path.isdir(path):
        return path
    for folder in folder_below(path, _ARCHIVE):
        if folders_with(folder, "train", "ok") or folders_with(folder, "test", "ok"):
            return folder
    return path
