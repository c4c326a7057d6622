"""The BTAD layout (Mishra et al., "VT-ADL", ISIE 2021)."""

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.folders import FolderLayout


class BTADDataset(Dataset):
    """``<category>/{train/ok, test/ok, test/ko, ground_truth/ko}``, .bmp and .png mixed.

    The mask of ``test/ko/<stem>.<any>`` is ``ground_truth/ko/<stem>``, .bmp or .png. ``root`` is
    the folder of the categories ``01``, ``02``, ``03``, or the folder above, with the archive's
    ``BTech_Dataset_transformed`` in it.
    """

    layout = FolderLayout("btad", good="ok", typed=False, archives=("BTech_Dataset_transformed",))
