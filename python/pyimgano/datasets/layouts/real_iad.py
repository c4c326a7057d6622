"""The Real-IAD layout (Wang et al., "Real-IAD", CVPR 2024)."""

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pyimgano.datasets.base import Sample, Split
from pyimgano.datasets.listing import Listing
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.walk import visible_folders
from pyimgano.utils.text import shown

_RESOLUTION = re.compile(r"realiad_(\d+|raw)")
_SPLITS = "realiad_jsons"
_VIEW = re.compile(r"_(C\d+)_")
_VIEWS = tuple(f"C{number}" for number in range(1, 6))
_NO_VIEW = Reason(
    "view of a part that the split file does not list",
    "views of parts that the split file does not list",
    what="view",
)


@dataclass(frozen=True)
class _Roots:
    images: Path  #: ``realiad_<resolution>``.
    splits: Path  #: The folder of the split files, one per category.


class RealIADLayout:
    """``realiad_<resolution>/<category>/{OK, NG/<defect>}/SXXXX/*.jpg``, divided by JSON files.

    The split is ``realiad_jsons/<split>/<category>.json``, with lists ``train`` and ``test`` of
    ``{category, anomaly_class, image_path, mask_path}``. The images of a folder ``SXXXX`` show one
    part: it is their group, the camera (C1 to C5) an attribute.

    Parameters
    ----------
    name, split
        Name of the set, and the folder of its split files.
    views
        How many views of each part the split has; those that are missing are counted.
    labelled
        Whether the labels of the training images are known. Else, all of them are learnt from.
    """

    expects = "realiad_256, realiad_512, realiad_1024 or realiad_raw, and realiad_jsons"

    def __init__(self, name: str, split: str, *, views: int, labelled: bool = True) -> None:
        self.name = name
        self.split = split
        self.views = _VIEWS if views == len(_VIEWS) else ()
        self.labelled = labelled

    def categories(self, root: Path) -> list[str]:
        """Folders of images, sorted.

        Raises
        ------
        DatasetError
            There are several resolutions, of which none is named, or no split files.
        """
        roots = _locate(root, self.split)
        return visible_folders(roots.images) if roots else []

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, labels, masks, defects, parts and views, as the split file has them."""
        found: Listing[Sample] = Listing()
        roots = _locate(root, self.split)
        if roots is None:
            raise DatasetError(f"no Real-IAD below {shown(root)}: expected {self.expects}")
        file, base = roots.splits / f"{category}.json", roots.images / category
        split = read_split(file)
        halves: tuple[Split, ...] = ("train", "test")
        for half in halves:
            with found.part(half):
                entries = split[half]
                if not entries:
                    raise DatasetError(f"{shown(file)}: {half} lists no image")
                found += [
                    self._sample(f"{shown(file)}, {half} {i}", base, half, entry)
                    for i, entry in enumerate(entries)
                ]
        self._count_views(found)
        return found

    def _sample(self, where: str, base: Path, split: Split, entry: dict[str, Any]) -> Sample:
        image, defect = _file(where, base, entry, "image_path"), entry["anomaly_class"]
        label = int(defect != "OK")
        masks: tuple[str, ...] = ()
        if label:
            masks = (_file(where, base, entry, "mask_path"),)
        view = _VIEW.search(Path(image).name)
        known = self.labelled or split == "test"
        return Sample(
            image,
            split,
            label if known else None,
            masks if split == "test" else None,
            defect if label and known else None,
            group=Path(image).parent.relative_to(base).as_posix(),
            attributes={"view": view[1]} if view else {},
        )

    def _count_views(self, found: Listing[Sample]) -> None:
        """Count the views that a part lacks: what is measured per part depends on them."""
        seen: defaultdict[tuple[str, str], set[object]] = defaultdict(set)
        for one in found:
            seen[one.split, os.path.dirname(one.path)].add(one.attributes.get("view"))
        for (_, part), views in seen.items():
            for view in self.views:
                if view not in views:
                    found.left_out.add(_NO_VIEW, f"{part}, {view}")


def read_split(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read and check a split file.

    Raises
    ------
    DatasetError
        It is missing or damaged, or an entry lacks a field, or has a path that leaves the folder of
        the category; names the file and the entry.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"cannot read split file {shown(path)}: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{shown(path)}: expected an object with train and test")
    for half in ("train", "test"):
        entries = content.get(half)
        if not isinstance(entries, list):
            raise DatasetError(f"{shown(path)}: no list {half!r}")
        for number, entry in enumerate(entries):
            _check(f"{shown(path)}, {half} {number}", entry)
    return content


def _check(where: str, entry: object) -> None:
    if not isinstance(entry, dict):
        raise DatasetError(f"{where}: expected an object with anomaly_class and image_path")
    for field in ("anomaly_class", "image_path"):
        if not isinstance(entry.get(field), str) or not entry[field]:
            raise DatasetError(f"{where}: {field} is missing")
    for field in ("image_path", "mask_path"):
        value = entry.get(field) or ""
        if not isinstance(value, str):
            raise DatasetError(f"{where}: {field} is no text: {value!r}")
        parts = PurePosixPath(value.replace("\\", "/"))
        drive = re.match(r"[A-Za-z]:", value)
        if parts.is_absolute() or ".." in parts.parts or drive or "\0" in value:
            raise DatasetError(f"{where}: {field} {shown(value)} is outside the data set")


def _file(where: str, base: Path, entry: dict[str, Any], field: str) -> str:
    """The file that an entry names."""
    named: str | None = entry.get(field)
    if not named:
        raise DatasetError(f"{where}: {shown(entry['image_path'])} is a defect without {field}")
    path = base / named.replace("\\", "/")
    if not os.path.isfile(path):
        raise DatasetError(f"{where}: {field} {shown(path)} does not exist")
    return str(path)


def _locate(root: Path, split: str) -> _Roots | None:
    """The folders of images and of split files; ``root`` may be that of one resolution."""
    found = [name for name in visible_folders(root) if _RESOLUTION.fullmatch(name)]
    if _RESOLUTION.fullmatch(root.resolve().name):
        images, base = root, root.resolve().parent
    elif found:
        images, base = root / found[0], root
    else:
        return None
    if len(found) > 1:
        raise DatasetError(
            f"{shown(root)} has several resolutions, {', '.join(found)}: name one as the root, such"
            f" as {shown(root / found[0])}"
        )
    folders = [base / _SPLITS / split, base / split]
    for folder in folders:
        if os.path.isdir(folder) and any(name.endswith(".json") for name in os.listdir(folder)):
            return _Roots(images, folder)
    raise DatasetError(f"no split files in {shown(folders[0])}: expected <category>.json there")


#: All views with the labels of the training images, single views, and the fully unsupervised
#: splits, whose share of defects among the training images is in their name.
REAL_IAD = (
    RealIADLayout("real_iad", _SPLITS, views=5),
    RealIADLayout("real_iad_sv", f"{_SPLITS}_sv", views=1),
    *(
        RealIADLayout(
            f"real_iad_fuiad_0.{tenths}", f"{_SPLITS}_fuiad_0.{tenths}", views=5, labelled=False
        )
        for tenths in range(5)
    ),
)
