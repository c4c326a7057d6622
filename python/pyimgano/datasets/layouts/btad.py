"""The BTAD layout (Mishra et al., "VT-ADL", ISIE 2021)."""

import os
from pathlib import Path

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.listing import folder_below, folders_with

_ARCHIVE = "BTech_Dataset_transformed"


class BTADLayout(FolderLayout):
    """``<category>/{train/ok, test/ok, test/ko, ground_truth/ko}``, .bmp and .png mixed."""

    def __init__(self) -> None:
        super().__init__("btad", good="ok", typed=False)

    def base(self, root: Path) -> Path:
        """Where the categories are: ``root``, or the archive's folder right below it."""
        if not os.path.isdir(root):
            return root
        for folder in folder_below(root, _ARCHIVE):
            if folders_with(folder, "train", "ok") or folders_with(folder, "test", "ok"):
                return folder
        return root


class BTADDataset(Dataset):
    """``<category>/{train/ok, test/ok, test/ko, ground_truth/ko}``, .bmp and .png mixed.

    The mask of ``test/ko/<stem>.<any>`` is ``ground_truth/ko/<stem>``, .bmp or .png. ``root`` is
    the folder of the categories ``01``, ``02``, ``03``, or the folder above, with the archive's
    ``BTech_Dataset_transformed`` in it.
    """

    layout = BTADLayout()
