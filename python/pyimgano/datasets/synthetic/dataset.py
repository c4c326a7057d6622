"""The synthetic set as a dataset that writes itself where it is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.mvtec import MVTecDataset
from pyimgano.errors import DatasetError
from pyimgano.registry import unknown_name
from pyimgano.types import ImageSize
from pyimgano.utils.text import shown

from .catalogue import CATEGORIES
from .generate import generate_synthetic, is_generated, is_half_written


class SyntheticDataset(MVTecDataset):
    """One synthetic category below ``root``, generated unless it is there.

    Parameters
    ----------
    root
        Folder of the set; created if missing.
    category
        One of :data:`~pyimgano.datasets.synthetic.CATEGORIES`.
    resize, load_masks
        As in :class:`~pyimgano.datasets.base.Dataset`.
    **generation
        Arguments of :func:`~pyimgano.datasets.synthetic.generate_synthetic`. Without any, a
        complete category is taken as it is; with some, it must have been written with them.
    """

    name = "synthetic"

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
        Dataset.__init__(self, root, category, resize, load_masks)

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """All categories that can be generated."""
        return sorted(CATEGORIES)
