"""Write a synthetic set to disk in the MVTec AD layout.

``synthetic.json`` in a category's folder says with what parameters it was written. It appears
last, by renaming ``synthetic.partial.json``, so a half-written category never looks complete.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import DatasetError, OutputError
from pyimgano.utils.text import shown

from .catalogue import CATALOGUE, CATEGORIES
from .fields import Size
from .render import render_image

MANIFEST = "synthetic.json"
PARTIAL = "synthetic.partial.json"
# Raise it when the pictures change, so that sets written before are not taken for current ones.
RECIPE = 1
SMALLEST = 32

Progress = Callable[[int, int], None]


def generate_synthetic(
    root: str | os.PathLike[str],
    *,
    categories: Iterable[str] | str | None = None,
    n_train: int = 24,
    n_test_good: int = 10,
    n_test_defect: int = 5,
    image_size: int | tuple[int, int] = 256,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Write a small set of textures and objects with defects and masks.

    An image depends on the seed, its category, its split and its number only: asking for more
    images leaves the others as they are, byte for byte. A category that is already there with the
    same parameters is left alone.

    Parameters
    ----------
    root : path
        ``<root>/<category>/{train/good,test/good,test/<defect>,ground_truth/<defect>}`` is
        written.
    categories : iterable of str, optional
        Some of :data:`CATEGORIES`; all by default.
    n_train, n_test_good : int
        Good images for training and for testing.
    n_test_defect : int
        Defective images for each kind of defect.
    image_size : int or (int, int)
        Height and width asked for, at least 32. Some categories are not square, and in some each
        file has a size of its own, as in real sets.
    seed : int
        Not negative.
    overwrite : bool
        Replace a category written with other parameters, or only in part. Only files that this
        function wrote are ever deleted.
    progress : callable, optional
        Called as ``progress(done, total)`` after each image.

    Returns
    -------
    list of str
        The categories, in the order asked for.

    Raises
    ------
    DatasetError
        Unknown category, impossible size or count, or a folder in the way. All of this is checked
        before anything is written.
    OutputError
        The folder cannot be written to, or the disk is full; names the file.
    """
    names = _names(categories)
    size = _size(image_size)
    counts = {"n_train": n_train, "n_test_good": n_test_good, "n_test_defect": n_test_defect}
    for argument, value in {**counts, "seed": seed}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise DatasetError(f"{argument} must be an int of at least 0, got {value!r}")
    pending: list[tuple[Path, str, dict[str, Any]]] = []
    for name in names:
        folder = Path(root) / name
        plan = {
            "recipe": RECIPE,
            "category": name,
            **{argument: int(value) for argument, value in counts.items()},
            "image_size": list(size),
            "seed": int(seed),
            "files": [path for *_, path in _images(name, n_train, n_test_good, n_test_defect)],
        }
        with _writing(folder):
            if not _complete(folder, plan):
                _check_free(folder, plan, overwrite)
                pending.append((folder, name, plan))
    total = sum(len(plan["files"]) for _, _, plan in pending)
    done = 0
    for folder, name, plan in pending:
        with _writing(folder):
            _clear(folder)
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / PARTIAL
            partial.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
            for split, defect, index, path in _images(name, n_train, n_test_good, n_test_defect):
                rendered = render_image(name, defect, split, index, size, int(seed))
                _write(folder / path, rendered.image)
                if defect is not None:
                    _write(folder / _mask_path(path), rendered.mask)
                done += 1
                if progress is not None:
                    progress(done, total)
            os.replace(partial, folder / MANIFEST)
    return names


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the system says as one error of this package."""
    try:
        yield
    except OSError as error:
        path = folder if error.filename is None else error.filename
        raise OutputError(f"cannot write {shown(path)}: {error.strerror}") from error


def _names(categories: Iterable[str] | str | None) -> list[str]:
    if categories is None:
        return list(CATEGORIES)
    names = [categories] if isinstance(categories, str) else list(dict.fromkeys(categories))
    for name in names:
        if name not in CATALOGUE:
            known = ", ".join(CATEGORIES)
            raise DatasetError(f"unknown synthetic category {name!r}; known are {known}")
    return names


def _size(image_size: int | Sequence[int]) -> Size:
    pair = [image_size, image_size] if isinstance(image_size, int) else list(image_size)
    if len(pair) != 2 or any(not isinstance(side, int) or side < SMALLEST for side in pair):
        raise DatasetError(
            f"image_size must be an int or (height, width), each at least {SMALLEST}, "
            f"got {image_size!r}"
        )
    return pair[0], pair[1]


def _images(
    name: str, n_train: int, n_test_good: int, n_test_defect: int
) -> Iterable[tuple[str, str | None, int, str]]:
    """Yield split, defect, number and relative path of every image."""
    splits: list[tuple[str, str | None, int]] = [
        ("train/good", None, n_train),
        ("test/good", None, n_test_good),
    ]
    splits += [(f"test/{defect}", defect, n_test_defect) for defect in CATALOGUE[name].defects]
    for split, defect, count in splits:
        for index in range(count):
            yield split, defect, index, f"{split}/{index:03d}.png"


def _mask_path(path: str) -> str:
    """The mask of ``test/<defect>/000.png``: ``ground_truth/<defect>/000_mask.png``."""
    _, defect, file = path.split("/")
    return f"ground_truth/{defect}/{file.removesuffix('.png')}_mask.png"


def _files(plan: dict[str, Any]) -> list[str]:
    """All image and mask files of a plan."""
    images = [str(path) for path in plan["files"]]
    defective = [p for p in images if p.startswith("test/") and not p.startswith("test/good/")]
    return images + [_mask_path(path) for path in defective]


def _read(path: Path) -> dict[str, Any] | None:
    """A manifest, or None where there is none that this module can have written."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        _files(plan)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(plan)


def is_generated(folder: Path) -> bool:
    """Whether a category's folder was written by :func:`generate_synthetic`, whole."""
    plan = _read(folder / MANIFEST)
    return plan is not None and all((folder / path).is_file() for path in _files(plan))


def is_half_written(folder: Path) -> bool:
    """Whether :func:`generate_synthetic` was interrupted in a category's folder."""
    return (folder / PARTIAL).is_file()


def _complete(folder: Path, plan: dict[str, Any]) -> bool:
    found = _read(folder / MANIFEST)
    return found == plan and all((folder / path).is_file() for path in _files(plan))


def _check_free(folder: Path, plan: dict[str, Any], overwrite: bool) -> None:
    """Raise unless the category may be written."""
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is in the way: it is not a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        state = "holds other data"
        if (folder / PARTIAL).exists():
            state = "was only half written"
        elif (folder / MANIFEST).exists():
            state = "was written with other parameters, or files are missing"
        raise DatasetError(f"{folder} is not empty ({state}); overwrite=True replaces what "
                           "generate_synthetic wrote there")  # fmt: skip
    own = set(_own_files(folder))
    foreign = [p for p in folder.rglob("*") if p not in own and (p.is_symlink() or p.is_file())]
    if foreign:
        raise DatasetError(
            f"{folder} holds {len(foreign)} file(s) that generate_synthetic did not write, "
            f"such as {foreign[0]}; remove them or choose another root"
        )


def _own_files(folder: Path) -> list[Path]:
    """Files in a category's folder that a manifest there claims."""
    own: list[Path] = []
    for manifest in (folder / MANIFEST, folder / PARTIAL):
        plan = _read(manifest)
        if plan is None:
            continue
        own.append(manifest)
        for path in _files(plan):
            file = folder / path
            # A manifest edited by hand, or a linked folder, must not lead out of the set.
            within = file.resolve().is_relative_to(folder.resolve())
            if within and file.is_file() and file.suffix == ".png":
                own.append(file)
    return own


def _clear(folder: Path) -> None:
    """Delete what an earlier run wrote, and the folders that are empty then."""
    # The manifest goes last: interrupted here, the folder must still be known as ours.
    own = sorted(_own_files(folder), key=lambda path: path.suffix == ".json")
    for file in own:
        file.unlink(missing_ok=True)
    for parent in sorted({file.parent for file in own}, key=lambda p: -len(p.parts)):
        while parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not ok:
        raise DatasetError(f"cannot encode {path} as PNG")
    # Not cv2.imwrite: it cannot open every path name on every system, and fails silently.
    path.write_bytes(data.tobytes())
