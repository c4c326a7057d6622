"""Finished categories and their report on disk: a run is resumable, and loses no earlier result."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pyimgano
from pyimgano.datasets import Dataset
from pyimgano.datasets.base import Split
from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.features.backbones.base import is_backbone
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST
from pyimgano.features.build import EMBEDDED, is_onnx
from pyimgano.reporting.files import make_folder, write_json
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.results import (
    BenchmarkResult,
    CategoryResult,
    Results,
    folder_name,
    runs_of,
)
from pyimgano.utils.text import counted, shown

#: Version of the files; others are computed again.
FORMAT = 1
#: In what Python calls an object that has no name of its own.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


class Key(NamedTuple):
    """What a result is known by in a report."""

    title: str
    category: str
    seed: int
    shots: int | None = None

    def __str__(self) -> str:
        drawn = "" if self.shots is None else f"{counted(self.shots, 'shot')}, "
        return f"{self.title}, {self.category}, {drawn}seed {self.seed}"


class Checkpoints:
    """One file per finished category and seed, ``<folder>/categories/<category>-seed<n>.json``, or
    ``<category>-<k>shots-seed<n>.json``.

    Each holds the fingerprint: everything that results depend on and all categories have in common.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any]) -> None:
        self._folder = folder / "categories"
        self._fingerprint = _plain(fingerprint)

    def check(self, *, overwrite: bool = False) -> None:
        """Make the folder ready; ``overwrite`` removes what other runs left there.

        Without it an InvalidInputError tells in what the results that are there differ.
        """
        make_folder(self._folder)
        for path, data in self._files():
            if overwrite and data is not None:
                _remove(path)
            elif data is not None and data["fingerprint"] != self._fingerprint:
                raise InvalidInputError(
                    f"output folder {shown(self._folder.parent)} holds results of another run:"
                    f" {_difference(data['fingerprint'], self._fingerprint)}; choose another"
                    " folder, or overwrite"
                )

    def load(self, key: tuple[str, int | None, int], images: str) -> CategoryResult | None:
        """The finished result of a category, number of shots and seed, or None if there is none
        for images of this digest.
        """
        data = _read(self._path(*key))
        if data is None or data["fingerprint"] != self._fingerprint or data["images"] != images:
            return None
        try:
            result = CategoryResult.from_json(data["result"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        names = [name for image in result.images for name in image.pictures.values()]
        there = all((self._folder.parent / name).is_file() for name in names)
        return result if there and (result.category, result.shots, result.seed) == key else None

    def save(self, result: CategoryResult, images: str) -> None:
        """Write a finished result: whole or not at all. Failures are never kept."""
        write_json(
            self._path(result.category, result.shots, result.seed),
            {
                "format": FORMAT,
                "fingerprint": self._fingerprint,
                "images": images,
                "result": result.to_json(),
            },
        )

    def _path(self, category: str, shots: int | None, seed: int) -> Path:
        return self._folder / f"{folder_name(category, shots)}-seed{seed}.json"

    def _files(self) -> Iterator[tuple[Path, dict[str, Any] | None]]:
        for path in sorted(self._folder.glob("*.json")):
            yield path, _read(path)


def _read(path: Path) -> dict[str, Any] | None:
    """A file's content; None for what is missing, cut short or of another format."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return None
    return data if {"fingerprint", "images", "result"} <= data.keys() else None


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {shown(path)}: {error.strerror}") from error


def _difference(old: Any, new: dict[str, Any]) -> str:
    if not isinstance(old, dict):
        return "its parameters are not readable"
    for key in [*new, *old]:
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict) and was != now:
            return _difference(was, now)
        if was != now and _ADDRESS.search(f"{was} {now}"):
            return f"{key} is an object without PARAMETERS, which no second run can know again"
        if was != now:
            return f"{key} was {was!r} there, and is {now!r} here"
    return "its parameters differ"


def images_digest(dataset: Dataset) -> str:
    """Digest of a category's images and masks, their names, sizes and times, and of what the set
    knows about each: it changes when they do."""
    digest = hashlib.sha256()
    splits: tuple[Split, ...] = ("train", "validation", "test")
    for one in [sample for split in splits for sample in dataset.samples(split)]:
        digest.update(f"{replace(one, path='', masks=None)} {one.masks is None} ".encode())
        for path in (one.path, *(one.masks or ())):
            stat = os.stat(path)
            digest.update(f"{stat.st_size} {stat.st_mtime_ns} ".encode() + os.fsencode(path))
            digest.update(b"\0")
    return digest.hexdigest()


def weights_digest(parameters: Mapping[str, Any]) -> str | None:
    """SHA-256 of a detector's weights file, ONNX backbone or embedded network; None: no such."""
    weights, backbone = parameters.get("weights"), parameters.get("backbone")
    if backbone == EMBEDDED:
        return NETWORKS[NEWEST]
    if isinstance(backbone, (str, os.PathLike)) and is_onnx(backbone):
        weights = backbone
    if not isinstance(weights, (str, os.PathLike)) or not os.path.isfile(weights):
        return None
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(run: BenchmarkResult, metrics: Sequence[str], maps: str | None) -> dict[str, Any]:
    """Everything that results depend on and that all categories have in common."""
    return {
        "version": pyimgano.__version__,
        "dataset": run.dataset,
        "root": os.path.realpath(run.root),
        "model": run.model,
        "parameters": {k: v for k, v in run.parameters.items() if k != "random_state"},
        "weights_sha256": weights_digest(run.parameters),
        "metric_size": run.metric_size,
        "integration_limit": run.integration_limit,
        "metrics": list(metrics),
        **({"draw": run.draw} if run.shots else {}),
        **({"intervals": run.intervals} if run.intervals else {}),
        **({} if maps is None else {"maps": maps}),
    }


def _plain(value: Any) -> Any:
    """What JSON gives back for a value, so that the two compare equal."""
    return json.loads(json.dumps(value, default=_identity, sort_keys=True))


def _identity(value: Any) -> Any:
    """What another process knows an object by: its class, parameters and facts, if it has any."""
    known: dict[str, Any] = {}
    if callable(getattr(value, "get_params", None)):
        known = dict(value.get_params())
    elif isinstance(getattr(value, "PARAMETERS", None), Mapping):
        known = {name: getattr(value, name) for name in value.PARAMETERS}
    if is_backbone(value):
        known["info"] = asdict(value.info)
    cls = type(value)
    if known or hasattr(value, "PARAMETERS"):
        return {"class": f"{cls.__module__}.{cls.__qualname__}", **known}
    # An address may be that of another object next time: such a value equals none.
    return f"{value} {uuid4().hex}" if _ADDRESS.search(str(value)) else str(value)


class ReportFile:
    """The report of a folder, rewritten as results come.

    An InvalidInputError tells which results of an earlier report ``wanted`` lacks, unless
    ``overwrite``.
    """

    def __init__(
        self, output: OutputFolder, wanted: Collection[Key], *, overwrite: bool = False
    ) -> None:
        self._path = output.claim("results.json")
        self._earlier = set() if overwrite else set(_finished(self._path))
        missing = sorted(map(str, self._earlier - set(wanted)))
        if missing:
            raise InvalidInputError(
                f"output folder {shown(output.path)} holds a report of {len(self._earlier)} results"
                f" ({len(missing)} of them, such as {missing[0]}, are not part"
                " of this run) that would be lost: name its categories, seeds and models as well"
                " (what is done is not computed again), choose another folder, or overwrite"
            )

    def write(self, results: Results) -> None:
        """Write the report, once it holds whatever the earlier one holds."""
        done = {
            Key(run.title, c.category, c.seed, c.shots)
            for run in runs_of(results)
            for c in run.categories
        }
        if self._earlier <= done:
            write_json(self._path, results.to_json())


def _finished(path: Path) -> Iterator[Key]:
    """What a report holds; nothing if it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        for run in data.get("runs", [data]):
            for one in run["categories"]:
                if one["error"] is None:
                    seed, shots = int(one["seed"]), one.get("shots")
                    yield Key(str(run["label"]), str(one["category"]), seed, shots)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def keys(
    title: str,
    categories: Collection[str],
    seeds: Collection[int],
    shots: Collection[int | None] = (None,),
) -> set[Key]:
    """What a run computes."""
    return {
        Key(title, category, int(seed), number)
        for category in categories
        for seed in seeds
        for number in shots
    }
