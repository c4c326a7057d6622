"""The MVTec AD layout (Bergmann et al., CVPR 2019)."""

from __future__ import annotations

import os
from pathlib import Path

from pyimgano.datasets.base import Dataset, TestSplit, assemble_split, folders_with
from pyimgano.errors import DatasetError
from pyimgano.utils.images import list_images, shown


class MVTecDataset(Dataset):
    """``<category>/{train/good, test/good, test/<defect>, ground_truth/<defect>}``.

    The mask of ``test/<defect>/<stem>.png`` is ``ground_truth/<defect>/<stem>_mask.png``.
    """

    name = "mvtec"

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Folders below ``root`` that hold ``train/good``, sorted."""
        return folders_with(root, "train", "good")

    @property
    def _folder(self) -> Path:
        return self.root / str(self.category)

    def get_train_paths(self) -> list[str]:
        """Paths in ``train/good``, sorted."""
        return self._images(self._folder / "train" / "good")

    def get_test_paths(self) -> TestSplit:
        """All images below ``test``; every folder but ``good`` holds defects.

        Without any ``ground_truth`` folder ``masks`` is None.

        Raises
        ------
        DatasetError
            No test images, or a defect image without its mask; names the path.
        """
        test = self._folder / "test"
        truth = self._folder / "ground_truth"
        kinds = folders_with(test)
        with_masks = self.load_masks and truth.is_dir()
        groups: list[tuple[list[str], int, list[str | None]]] = []
        for kind in kinds:
            paths = self._images(test / kind)
            masks: list[str | None] = [None] * len(paths)
            if with_masks and kind != "good":
                masks = list(match_masks(paths, truth / kind))
            groups.append((paths, int(kind != "good"), masks))
        if not groups:
            raise DatasetError(f"test folder {shown(test)} has no folders of images")
        return assemble_split(groups, with_masks=with_masks)


def match_masks(images: list[str], folder: Path) -> list[str]:
    """The mask of each image: ``<stem>_mask`` or ``<stem>``, with any image suffix.

    Raises
    ------
    DatasetError
        Names the first image without a mask.
    """
    found = {Path(p).stem: p for p in list_images(folder).paths} if folder.is_dir() else {}
    masks = []
    for image in images:
        stem = Path(image).stem
        mask = found.get(f"{stem}_mask") or found.get(stem)
        if mask is None:
            raise DatasetError(
                f"no mask for {shown(image)}: expected {shown(folder / stem)}_mask.png"
            )
        masks.append(mask)
    return masks
