"""The MVTec AD layout (Bergmann et al., CVPR 2019)."""

from __future__ import annotations

from pyimgano.datasets.folders import FolderDataset


class MVTecDataset(FolderDataset):
    """``<category>/{train/good, test/good, test/<defect>, ground_truth/<defect>}``.

    The mask of ``test/<defect>/<stem>.png`` is ``ground_truth/<defect>/<stem>_mask.png``.
    """

    name = "mvtec"
