"""The folder of a submission: what is written so far, checked, and put in its place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.pipelines.scoring import Scored
from pyimgano.reporting.files import make_folder, write_bytes, write_json
from pyimgano.reporting.float_tiff import FloatType, float_tiff
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.pictures import write_png
from pyimgano.utils.text import counted, shown

MAPS, MASKS = "anomaly_images", "anomaly_images_thresholded"
_SETTINGS, _TREE = "settings.json", "submission"


class Staging:
    """What is written so far; whole objects are noted with their thresholds."""

    def __init__(self, folder: OutputFolder, settings: dict[str, Any], *, overwrite: bool) -> None:
        self._settings = settings
        self._file = folder.claim(_SETTINGS)
        folder.mark_pictures(_TREE)
        self.tree = folder.path / _TREE
        self.thresholds: dict[str, float] = {}
        found = _read(self._file)
        if found and found["settings"] == settings and not overwrite:
            self.thresholds = found["thresholds"]
        elif found and not overwrite:
            raise OutputError(
                f"{shown(folder.path)} holds an unfinished submission with other settings: take"
                " them, begin anew with overwrite, or choose another folder"
            )
        else:
            shutil.rmtree(self.tree, ignore_errors=True)
        make_folder(self.tree)
        self._save()

    def write(self, name: str, path: str, one: Scored, threshold: float, dtype: FloatType) -> None:
        """The two files of an image."""
        found = one.prediction.anomaly_map
        if found is None or found.shape != one.image.shape[:2]:
            raise InvalidInputError(f"the map of {shown(path)} is not of the size of its image")
        for kind, suffix in ((MAPS, ".tiff"), (MASKS, ".png")):
            file = self.tree / _place(kind, name, path, suffix)
            file.parent.mkdir(parents=True, exist_ok=True)
            if kind == MAPS:
                write_bytes(file, float_tiff(found, dtype))
            else:
                write_png(file, np.where(found > threshold, np.uint8(255), np.uint8(0)))

    def finish(self, name: str, threshold: float) -> None:
        """Note that an object is complete."""
        self.thresholds[name] = threshold
        self._save()

    def check(self, images: dict[str, list[str]]) -> None:
        """Raise unless just the files of all images are there."""
        wanted = {
            _place(kind, name, path, suffix).as_posix()
            for name, paths in images.items()
            for path in paths
            for kind, suffix in ((MAPS, ".tiff"), (MASKS, ".png"))
        }
        found = {
            path.relative_to(self.tree).as_posix()
            for path in self.tree.rglob("*")
            if not path.is_dir() and path.stat().st_size
        }
        if wanted != found:
            raise OutputError(
                f"{shown(self.tree)} is not complete: {counted(len(wanted - found), 'file')}"
                f" missing, {len(found - wanted):,} too many, such as {shown(min(wanted ^ found))};"
                " begin anew with overwrite"
            )

    def put(self, target: Path) -> None:
        """Put the complete folder in the place of an earlier one."""
        old = self.tree.with_name("old")
        try:
            if os.path.lexists(target):
                os.replace(target, old)
            os.replace(self.tree, target)
        except OSError as error:
            raise OutputError(f"cannot write {shown(target)}: {error.strerror}") from error

    def _save(self) -> None:
        write_json(self._file, {"settings": self._settings, "thresholds": self.thresholds})


def _place(kind: str, name: str, path: str, suffix: str) -> Path:
    return Path(kind, name, Path(path).parent.name, Path(path).stem + suffix)


def _read(file: Path) -> dict[str, Any] | None:
    """The notes of an earlier run, if there are any that can be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and {"settings", "thresholds"} <= found.keys()
    return found if whole else None


def check_output(target: Path, *, overwrite: bool) -> None:
    """Raise if something is there that may not be replaced."""
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise OutputError(f"{shown(target)} exists: choose another folder, or overwrite it")
    if not target.is_dir() or target.is_symlink() or not {*os.listdir(target)} <= {MAPS, MASKS}:
        raise OutputError(f"{shown(target)} is no submission, and is not overwritten")
