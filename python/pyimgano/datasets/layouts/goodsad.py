"""The GoodsAD layout (Zhang et al., "PKU-GoodsAD", IEEE Robotics and Automation Letters, 2024)."""

from pyimgano.datasets.folders import FolderLayout

#: ``<category>/{train/good, test/good, test/<defect>, ground_truth/<defect>/<stem>.png}``.
GOODSAD = FolderLayout("goodsad", archives=("GoodsAD", "goods_ad"))
