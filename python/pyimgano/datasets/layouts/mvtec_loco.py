"""The MVTec LOCO AD layout (Bergmann et al., "Beyond Dents and Scratches", IJCV 2022)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyimgano.datasets.defects import Saturation
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.listing import Listing
from pyimgano.errors import DatasetError
from pyimgano.utils.text import shown

CONFIG = "defects_config.json"
_FIELDS: dict[str, tuple[type, ...]] = {
    "defect_name": (str,),
    "pixel_value": (int,),
    "saturation_threshold": (int, float),
    "relative_saturation": (bool,),
}


class MVTecLOCOLayout(FolderLayout):
    """``<category>/{train/good, validation/good, test/<type>, ground_truth/<type>/<stem>}``.

    The masks of ``test/<type>/<stem>.png`` are all the files in ``ground_truth/<type>/<stem>``, one
    per defect, and may overlap. Types are ``logical_anomalies`` and ``structural_anomalies``. The
    value of a defect's pixels says of which kind it is: ``defects_config.json`` of the category has
    the kinds with the area at which each counts as found.
    """

    has_validation = True

    def __init__(self) -> None:
        super().__init__("mvtec_loco", archives=("mvtec_loco_anomaly_detection", "mvtec_loco"))

    def masks_of(self, images: list[str], folder: Path, masks: Path) -> list[tuple[str, ...]]:
        """The files in the folder of masks of each image."""
        return [_masks_in(image, masks / Path(image).stem) for image in images]

    def saturation_of(self, category: Path) -> Mapping[int, Saturation]:
        """Kinds of defect by the value of their pixels."""
        return read_config(category / CONFIG)


def _masks_in(image: str, folder: Path) -> tuple[str, ...]:
    if not os.path.isdir(folder):
        raise DatasetError(
            f"no masks for {shown(image)}: expected a folder of them, {shown(folder)}"
        )
    return tuple(Listing[str]().images_in(folder, deep=False))


def read_config(path: Path) -> dict[int, Saturation]:
    """Read and check the kinds of defect of a category.

    Raises
    ------
    DatasetError
        The file is missing or damaged, an entry lacks a field or has a value that cannot be, or two
        have one pixel value; names the file and the entry.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read kinds of defect {shown(path)}: {error}") from error
    if not isinstance(entries, list):
        raise DatasetError(f"{shown(path)}: expected a list of kinds of defect")
    found: dict[int, Saturation] = {}
    for number, entry in enumerate(entries):
        where = f"{shown(path)}, entry {number}"
        kind = _checked(where, entry)
        value = kind["pixel_value"]
        if value in found:
            raise DatasetError(
                f"{where}: pixel_value {value} is that of {found[value].name!r} already"
            )
        try:
            found[value] = Saturation(
                float(kind["saturation_threshold"]),
                relative=kind["relative_saturation"],
                name=kind["defect_name"],
            )
        except DatasetError as error:
            raise DatasetError(f"{where}: {error}") from error
    return found


def _checked(where: str, entry: object) -> dict[str, Any]:
    """An entry with all of its fields."""
    if not isinstance(entry, dict):
        raise DatasetError(f"{where}: expected an object with {', '.join(_FIELDS)}")
    for field, kinds in _FIELDS.items():
        value = entry.get(field)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise DatasetError(f"{where}: {field} is missing or of another kind: {value!r}")
    if not 1 <= entry["pixel_value"] <= 65535:
        raise DatasetError(f"{where}: pixel_value must be from 1 to 65535: {entry['pixel_value']}")
    return entry


MVTEC_LOCO = MVTecLOCOLayout()
