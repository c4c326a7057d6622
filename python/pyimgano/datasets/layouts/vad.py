"""The one-class form of VAD, Valeo's anomaly data set (Baitieva et al., CVPR Workshops 2024)."""

from pyimgano.datasets.folders import FolderLayout

#: ``vad/{train/good, test/good, test/bad, ground_truth/bad}``: one category, of many defects.
VAD = FolderLayout("vad", typed=False)
