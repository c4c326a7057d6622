"""The MVTec AD layout (Bergmann et al., CVPR 2019)."""

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.folders import FolderLayout


class MVTecDataset(Dataset):
    """``<category>/{train/good, test/good, test/<defect>, ground_truth/<defect>}``.

    The mask of ``test/<defect>/<stem>.png`` is ``ground_truth/<defect>/<stem>_mask.png``.
    """

    layout = FolderLayout("mvtec")
