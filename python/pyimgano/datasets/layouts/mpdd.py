"""The MPDD layout (Jezek et al., "Deep Learning-Based Defect Detection of Metal Parts", 2021)."""

from pyimgano.datasets.folders import FolderLayout

#: ``<category>/{train/good, test/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png}``.
MPDD = FolderLayout("mpdd", archives=("MPDD",))
