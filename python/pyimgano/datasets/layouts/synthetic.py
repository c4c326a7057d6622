"""The synthetic set, which writes itself where it is missing."""

import os
from pathlib import Path
from typing import Any

from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.layouts.mvtec import MVTecDataset
from pyimgano.datasets.synthetic.catalogue import CATEGORIES
from pyimgano.datasets.synthetic.generate import (
    generate_synthetic,
    is_generated,
    is_half_written,
)
from pyimgano.errors import DatasetError
from pyimgano.registry import unknown_name
from pyimgano.types import ImageSize
from pyimgano.utils.text import shown


class SyntheticLayout(FolderLayout):
    """The MVTec AD layout; its categories are those that can be generated."""

    def __init__(self) -> None:
        super().__init__("synthetic")

    def categories(self, root: Path) -> list[str]:
        """All categories that can be generated."""
        return sorted(CATEGORIES)


class SyntheticDataset(MVTecDataset):
    """One synthetic category below ``root``, generated unless it is there.

    Parameters
    ----------
    root, category
        Folder of the set, created if missing, and one of
        :data:`~pyimgano.datasets.synthetic.CATEGORIES`.
    resize, load_masks
        As in :class:`~pyimgano.datasets.base.Dataset`.
    **generation
        Arguments of :func:`~pyimgano.datasets.synthetic.generate_synthetic`. Without any, a
        complete category is taken as it is; with some, it must have been written with them.
    """

    layout = SyntheticLayout()

    def __init__(
        self,
        root: str | os.PathLike[str],
        category: str | None = None,
        resize: ImageSize = None,
        load_masks: bool = True,
        **generation: Any,
    ) -> None:
        if category is not None and category not in CATEGORIES:
            raise unknown_name("synthetic category", category, CATEGORIES)
        try:
            Path(root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"cannot create dataset root {shown(root)}: {error}") from error
        if category is not None:
            folder = Path(root) / category
            if generation or not is_generated(folder):
                generation.setdefault("overwrite", is_half_written(folder))
                generate_synthetic(root, categories=category, **generation)
        super().__init__(root, category, resize, load_masks)
