"""What is no detector file, or says what cannot be: one error that names the file."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import pyimgano
from pyimgano.errors import DetectorFileError, InvalidInputError, PyimganoError
from pyimgano.models import PatchCore, create_model
from pyimgano.persistence.container import checksum
from pyimgano.persistence.rules import OLDER_PARAMETERS
from tests.conftest import texture
from tests.fuzz import forgery, loader

Header = dict[str, Any]


@pytest.fixture(scope="module")
def small() -> PatchCore:
    return loader.small_patchcore()  # type: ignore[return-value]


@pytest.fixture
def data(small: PatchCore, tmp_path: Path) -> bytes:
    return loader.content(small, tmp_path)


def with_checksum(data: bytes) -> bytes:
    start = forgery.START
    return data[:start] + checksum(data).encode() + data[start + 64 :]


def refused(tmp_path: Path, data: bytes, match: str) -> None:
    path = tmp_path / "part.bin"
    path.write_bytes(data)
    with pytest.raises(DetectorFileError, match=rf"part\.bin: .*{match}"):
        pyimgano.load(path)


def changed(data: bytes, change: Callable[[Header, Header], None], body: bytes = b"") -> bytes:
    """The same with other entries of the container and the header, and a right checksum."""
    head, header, old = forgery.parse(data)
    change(head, header)
    return with_checksum(forgery.assemble(head, header, body or old))


def with_tensor(data: bytes, name: str, change: Callable[[np.ndarray], Any]) -> bytes:
    """The same with other values in a tensor, or another tensor."""
    _, header, _ = forgery.parse(data)
    tensors = safetensors.numpy.load(data)
    tensors[name] = change(tensors[name].copy())
    text = json.dumps(header, separators=(",", ":"))
    return with_checksum(safetensors.numpy.save(tensors, {"pyimgano": text}))


def test_any_safetensors_reader_reads_the_file(data: bytes, small: PatchCore) -> None:
    tensors = safetensors.numpy.load(data)
    np.testing.assert_array_equal(tensors["memory_bank"], small.memory_bank_)
    assert with_checksum(data) == data


def test_things_that_are_no_detector_file(tmp_path: Path, data: bytes) -> None:
    for content in (b"", b"\x00" * 7, b"PK\x03\x04" * 40, b"{" * 1000, b"\x80\x04\x95" * 99):
        refused(tmp_path, content, "no fitted-detector file of pyimgano")
    foreign = safetensors.numpy.save({"a": np.zeros(3)}, {"some": "thing"})
    refused(tmp_path, foreign, "no fitted-detector file of pyimgano")
    with pytest.raises(DetectorFileError, match=rf"{tmp_path.name}.*(directory|not a regular)"):
        pyimgano.load(tmp_path)
    with pytest.raises(DetectorFileError, match="absent.*No such file"):
        pyimgano.load(tmp_path / "absent")


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DetectorFileError, match="pipe: this is not a regular file"):
        pyimgano.load(tmp_path / "pipe")


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path: Path, data: bytes) -> None:
    for size in (8, 40, 200, len(data) // 2, len(data) - 1):
        refused(tmp_path, data[:size], "no fitted-detector file|damaged or cut short")
    refused(tmp_path, data + b"\x00", "damaged or cut short")
    for at in (0, forgery.START + 5, 500, len(data) - 5):
        mutant = bytearray(data)
        mutant[at] ^= 4
        refused(tmp_path, bytes(mutant), "damaged or cut short")


def test_names_of_any_bytes_are_named_in_the_error(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(path)).write_bytes(b"no detector")
    with pytest.raises(DetectorFileError, match=r"caf\\xe9: "):
        pyimgano.load(os.fsdecode(path))


def test_a_newer_format_says_so(tmp_path: Path, data: bytes) -> None:
    newer = changed(data, lambda head, header: header.update(version=2, secret=[1]))
    refused(tmp_path, newer, "format version 2 is newer than 1")
    refused(tmp_path, changed(data, lambda _, h: h.update(version="1")), "no version")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        ("params.image_size", 10**9, "image_size.*1000000000"),
        ("params.image_size", [16384, 16384], "8,388,608 pixels"),
        ("params.image_size", 7, "at least 8 x 8 pixels"),
        ("params.image_size", [48, -1], "-1"),
        ("params.gaussian_sigma", 1e30, r"gaussian_sigma'.*1e\+30"),
        ("params.gaussian_sigma", -1, "gaussian_sigma"),
        ("params.batch_size", 10**12, "batch_size"),
        ("params.batch_size", True, "batch_size"),
        ("params.n_neighbors", 0, "n_neighbors"),
        ("params.knn_backend", "os.system", "knn_backend"),
        ("params.device", "cuda; rm", "device"),
        ("params.backbone", "resnet18", "does not go with features of kind"),
        ("params.__class__", "x", "does not know"),
        ("params.threshold_", 1, "does not know"),
        ("detector", "vision_ecod", "detector"),
        ("features.kind", "pooled", "features"),
        ("features.stride", 10**6, "stride"),
        ("features.stride", 1, "stride"),
        ("features.levels", 2, "features.mean"),
        ("fitted.threshold", "nan", "threshold"),
        ("fitted.threshold", 1e308, "threshold"),
        ("fitted.skipped", [1], "skipped"),
        ("fitted.pixel_threshold", "nan", "pixel_threshold"),
        ("fitted.pixel_threshold", 7.5, "one of 'pixel_threshold' and 'pixel_target' alone"),
        ("fitted.pixel_target", {"of": "pixels", "target": 0.1, "n": 9}, "'pixel_target' alone"),
        ("fitted.pixel_target", {"of": "dots", "target": 0.1, "n": 9}, "pixel_target'.'of'"),
        ("fitted.pixel_target", {"of": "pixels", "target": 2, "n": 9}, "pixel_target'.'target'"),
        ("bank.dtype", "float16", "memory_bank"),
        ("bank", None, "bank"),
        ("surprise", 1, "does not know"),
    ],
)
def test_absurd_and_unknown_entries_are_refused(
    tmp_path: Path, data: bytes, place: str, value: object, match: str
) -> None:
    *folders, name = place.split(".")

    def change(_: Header, header: Header) -> None:
        for folder in folders:
            header = header[folder]
        header[name] = value

    refused(tmp_path, changed(data, change), match)


def test_a_missing_entry_is_refused(tmp_path: Path, data: bytes) -> None:
    _, header, _ = forgery.parse(data)
    for name in ("created", "detector", "params", "features", "fitted", "bank", "versions"):
        refused(tmp_path, changed(data, lambda _, h, n=name: h.pop(n)), f"lacks the entry '{name}'")
    for name in header["params"].keys() - OLDER_PARAMETERS.keys():
        refused(tmp_path, changed(data, lambda _, h, n=name: h["params"].pop(n)), name)


def test_a_file_from_before_some_parameters_were_made_is_read(tmp_path: Path, data: bytes) -> None:
    header = forgery.parse(data)[1]
    added = header["params"].keys() & OLDER_PARAMETERS.keys()
    assert added

    def change(_: Header, header: Header) -> None:
        for name in added:
            del header["params"][name]

    for name, content in (("new.bin", data), ("old.bin", changed(data, change))):
        (tmp_path / name).write_bytes(content)
    new, old = pyimgano.load(tmp_path / "new.bin"), pyimgano.load(tmp_path / "old.bin")
    assert old.get_params() == new.get_params()
    images = [texture(40, (32, 32))]
    np.testing.assert_array_equal(old.decision_function(images), new.decision_function(images))


def test_headers_that_are_no_usable_json_are_refused(tmp_path: Path, data: bytes) -> None:
    text = json.dumps(forgery.parse(data)[1], separators=(",", ":"))
    for broken in (
        text[:-1],
        text.replace('"version":1', '"version":1,"version":1'),
        text.replace('"verbose":false', '"verbose":NaN'),
        text.replace('"verbose":false', '"verbose":' + "[" * 10_000),
        text.replace('"version":1', '"version":' + "9" * 5000),
    ):
        whole = safetensors.numpy.save(safetensors.numpy.load(data), {"pyimgano": broken})
        refused(tmp_path, with_checksum(whole), "no JSON that can be used")


LONG = {"values": f"[{'0,' * 30_000}0]", "bytes": f'"{"x" * 2**20}"'}


@pytest.mark.parametrize("kind", LONG)
def test_headers_that_would_take_much_memory_are_refused(
    tmp_path: Path, data: bytes, kind: str
) -> None:
    text = json.dumps(forgery.parse(data)[1], separators=(",", ":"))
    text = text.replace('"verbose":false', f'"verbose":{LONG[kind]}')
    whole = safetensors.numpy.save(safetensors.numpy.load(data), {"pyimgano": text})
    refused(tmp_path, with_checksum(whole), "its header has")


def test_a_detector_with_too_large_a_header_is_not_written(tmp_path: Path) -> None:
    detector = loader.small_patchcore()
    detector.skipped_ = ["x" * 4000] * 300
    with pytest.raises(InvalidInputError, match="PatchCore cannot be stored: its header has"):
        detector.save(tmp_path / "part")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [10**9, 10**9]},
        {"shape": [2**62, 4]},
        {"shape": [-1, 81]},
        {"shape": []},
        {"dtype": "F64"},
        {"dtype": "PICKLE"},
        {"data_offsets": [0, 2**63]},
        {"data_offsets": [-8, 8]},
        {"data_offsets": [8, 0]},
    ],
    ids=str,
)
def test_a_container_that_lies_is_refused(tmp_path: Path, data: bytes, entry: Header) -> None:
    lying = changed(data, lambda head, _: head["memory_bank"].update(entry))
    refused(tmp_path, lying, "tensors cannot be read|tensor 'memory_bank'")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", ["memory_bank", "decision_scores", "features.axes"])
def test_values_that_are_not_finite_are_refused(
    tmp_path: Path, data: bytes, name: str, value: float
) -> None:
    def spoil(array: np.ndarray) -> np.ndarray:
        array.flat[-1] = value
        return array

    refused(tmp_path, with_tensor(data, name, spoil), f"tensor '{name}' has values outside")


def test_tensors_of_another_shape_or_type_are_refused(tmp_path: Path, data: bytes) -> None:
    narrow = with_tensor(data, "memory_bank", lambda a: np.ascontiguousarray(a[:, :-1]))
    refused(tmp_path, narrow, "rows of 80 features do not go with extractors of 81")
    refused(tmp_path, with_tensor(data, "memory_bank", lambda a: a[:0]), "'memory_bank' is")
    wide = with_tensor(data, "features.mean", lambda a: a.astype(np.float64))
    refused(tmp_path, wide, "'features.mean' is float64")
    tensors = safetensors.numpy.load(data)
    text = json.dumps(forgery.parse(data)[1], separators=(",", ":"))
    for more in ({"extra": np.zeros(1)}, {"features.extra": np.zeros(1)}):
        whole = safetensors.numpy.save({**tensors, **more}, {"pyimgano": text})
        refused(tmp_path, with_checksum(whole), "does not belong")
    for name in tensors.keys() - {
        "health",
        "digests",
        "training_folder",
        "training_files",
    }:  # which files of older versions lack
        fewer = {k: v for k, v in tensors.items() if k != name}
        whole = safetensors.numpy.save(fewer, {"pyimgano": text})
        refused(tmp_path, with_checksum(whole), f"lacks the tensor '{name}'")


def test_a_bank_whose_index_would_outgrow_the_file_is_refused(tmp_path: Path, data: bytes) -> None:
    many = with_tensor(data, "memory_bank", lambda a: np.zeros((600_001, 3), np.float32))
    refused(tmp_path, many, "600,001 rows of 3 features are too many")

    layers = loader.content(
        create_model("superadd", backbone="embedded", image_size=48).fit(
            [texture(i, (48, 48)) for i in range(3)]
        ),
        tmp_path,
    )
    for name in ("scorer.bank_0", "scorer.bank_1"):
        layers = with_tensor(layers, name, lambda a: np.zeros((300_001, 3), np.float32))
    refused(tmp_path, layers, "600,002 rows of 3 features are too many")


def test_classical_files_are_bounded_too(tmp_path: Path) -> None:
    pytest.importorskip("pyod")
    detector = create_model("vision_iforest", n_estimators=5).fit([texture(i) for i in range(10)])
    data = loader.content(detector, tmp_path)

    def params(**values: object) -> bytes:
        return changed(data, lambda _, header: header["params"]["params"].update(values))

    refused(tmp_path, params(n_estimators=10**9), "n_estimators|params")
    refused(tmp_path, params(n_jobs=64), "starts no processes")
    refused(tmp_path, params(no_such=1), "no_such")
    refused(tmp_path, params(batch_size=1), "batch_size")
    refused(tmp_path, params(n_estimators=6), "behaves differently")
    refused(
        tmp_path,
        with_tensor(data, "rows", lambda a: np.ascontiguousarray(a[::-1])),
        "behaves differently",
    )
    assert pyimgano.load(tmp_path / "original").threshold_ < math.inf


def test_a_seeded_slice_of_the_fuzzing(small: PatchCore, tmp_path: Path) -> None:
    for forged in (False, True):
        counts = loader.fuzz(small, tmp_path, n=1500, seed=1, forged=forged)
        assert counts.failures == []
        assert counts.loaded + counts.errors.total() == 1500
        assert counts.errors.total() > 1000


def test_a_slice_for_classical_detectors(tmp_path: Path) -> None:
    pytest.importorskip("pyod")
    detector = loader.small_classical()
    for forged in (False, True):
        counts = loader.fuzz(detector, tmp_path, n=150, seed=1, forged=forged, measure_every=10**6)
        assert counts.failures == []
        assert counts.errors.total() > 100


def test_errors_are_of_one_family(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "text")
    for family in (PyimganoError, ValueError, OSError):
        with pytest.raises(family):
            pyimgano.load(tmp_path / "text")
