"""Submissions for MVTec AD 2's server: names, sizes, values, completeness."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pyimgano.cli import export_submission as command
from pyimgano.datasets.layouts import mvtec_ad2
from pyimgano.errors import DatasetError, InvalidInputError, OutputError
from pyimgano.models import create_model
from pyimgano.pipelines import submission
from pyimgano.pipelines.submission import export_submission, pixel_moments
from pyimgano.pipelines.submission_folder import Staging
from pyimgano.reporting.float_tiff import float_tiff
from tests.conftest import write_image
from tests.datasets.shipped import SIZE, bad, write_mvtec_ad2

OPTIONS: dict[str, Any] = {"backbone": "filterbank", "image_size": SIZE}
SPLITS = ("test_private", "test_private_mixed")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of two objects with three private images each."""
    counts = {"can": 3, "vial": 3}
    monkeypatch.setattr(submission, "PRIVATE_IMAGES", counts)
    return write_mvtec_ad2(tmp_path / "mvtec_ad_2", counts)


def read_tiff(path: Path) -> np.ndarray:
    """Pixels by the entries of the file's only directory."""
    data = path.read_bytes()
    order, magic, start = struct.unpack_from("<2sHI", data)
    assert (order, magic) == (b"II", 42)
    (n,) = struct.unpack_from("<H", data, start)
    tags = {}
    for i in range(n):
        tag, _, count, value = struct.unpack_from("<HHII", data, start + 2 + 12 * i)
        assert count == 1
        tags[tag] = value
    assert (tags[259], tags[277], tags[339]) == (1, 1, 3)
    pixels = np.frombuffer(data, f"<f{tags[258] // 8}", offset=tags[273])
    assert pixels.nbytes == tags[279]
    return pixels.reshape(tags[257], tags[256])


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_all_objects_and_both_private_sets_are_written_under_the_servers_names(
    root: Path, tmp_path: Path
) -> None:
    done = export_submission(tmp_path / "out", root=root, **OPTIONS)
    assert (done.n_images, sorted(done.thresholds)) == (12, ["can", "vial"])
    names = {"test_private": "regular", "test_private_mixed": "mixed"}
    assert files_below(done.folder) == sorted(
        f"{kind}/{name}/{split}/{i:03d}_{names[split]}.{suffix}"
        for kind, suffix in (("anomaly_images", "tiff"), ("anomaly_images_thresholded", "png"))
        for name in ("can", "vial")
        for split in SPLITS
        for i in range(3)
    )
    assert not (tmp_path / "out.unfinished").exists()


def test_values_are_the_detectors_maps_and_the_threshold_is_that_of_validation_pixels(
    root: Path, tmp_path: Path
) -> None:
    write_image(root / "can/test_private/001_regular.png", bad(8)[:20, :28])
    done = export_submission(tmp_path / "out", root=root, dtype="float32", **OPTIONS)
    detector = create_model("patchcore", **OPTIONS)
    detector.fit(sorted(map(str, (root / "can/train/good").iterdir())))
    valid = detector.predict_anomaly_map(sorted(map(str, (root / "can/validation/good").iterdir())))
    pixels = np.concatenate([one.ravel() for one in valid]).astype(np.float64)
    threshold = done.thresholds["can"]
    assert threshold == pytest.approx(pixels.mean() + 3 * pixels.std(), rel=1e-9)
    for number, size in ((0, SIZE), (1, (20, 28))):
        stem = f"can/test_private/{number:03d}_regular"
        (expected,) = detector.predict_anomaly_map([str(root / f"{stem}.png")])
        found = read_tiff(done.folder / f"anomaly_images/{stem}.tiff")
        assert (found.shape, found.dtype) == (size, np.float32)
        np.testing.assert_array_equal(found, expected)
        mask = cv2.imread(
            os.fspath(done.folder / f"anomaly_images_thresholded/{stem}.png"), cv2.IMREAD_UNCHANGED
        )
        np.testing.assert_array_equal(mask, np.where(expected > threshold, 255, 0))
        assert set(np.unique(mask)) == {0, 255}


def test_a_threshold_may_be_given(root: Path, tmp_path: Path) -> None:
    done = export_submission(tmp_path / "out", root=root, threshold=-1.0, **OPTIONS)
    assert done.thresholds == {"can": -1.0, "vial": -1.0}
    for path in (done.folder / "anomaly_images_thresholded").rglob("*.png"):
        assert cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED).min() == 255
    for wrong in ({"threshold": float("nan")}, {"dtype": "float64"}, {"model": "vision_ecod"}):
        given = {} if "model" in wrong else OPTIONS
        with pytest.raises(InvalidInputError, match="threshold|dtype|has no anomaly maps"):
            export_submission(tmp_path / "other", root=root, **wrong, **given)


def test_the_detectors_own_pixel_threshold_is_taken_where_its_parameters_ask_for_one(
    root: Path, tmp_path: Path
) -> None:
    asked = {**OPTIONS, "false_pixels": 0.2}
    done = export_submission(tmp_path / "out", root=root, **asked)
    detector: Any = create_model("patchcore", **asked)
    detector.fit(sorted(map(str, (root / "can/train/good").iterdir())))
    assert done.thresholds["can"] == detector.pixel_threshold_.value
    private = root / "can/test_private/000_regular.png"
    mask = cv2.imread(
        os.fspath(done.folder / "anomaly_images_thresholded/can/test_private/000_regular.png"), 0
    )
    (map_,) = detector.predict_anomaly_map([str(private)])
    np.testing.assert_array_equal(mask, detector.pixel_threshold_.mask(map_))


def test_one_threshold_is_asked_for_and_must_be_had(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not both"):
        export_submission(tmp_path / "a", root=root, threshold=1.0, false_pixels=0.2, **OPTIONS)
    with pytest.raises(InvalidInputError, match="can: masks are empty: 0.1 % takes 9 good images"):
        export_submission(tmp_path / "b", root=root, false_pixels=0.001, **OPTIONS)
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_half_floats_are_the_default_and_values_beyond_them_an_error() -> None:
    values = np.array([[0.0, 1.5, -2.0], [3.25, 65504.0, 1e-3]], np.float32)
    for dtype in ("float16", "float32"):
        tifffile = pytest.importorskip("tifffile", reason="reads the files by another hand")
        read = tifffile.imread(io.BytesIO(float_tiff(values, dtype)))
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, values.astype(dtype))
    with pytest.raises(InvalidInputError, match="reaches 70000, beyond float16: use float32"):
        float_tiff(np.full((2, 2), 7e4, np.float32), "float16")


def test_moments_of_many_maps_are_those_of_all_pixels() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.normal(1e4, 1e-1, (5 + i, 7)).astype(np.float32) for i in range(9)]
    pixels = np.concatenate([one.ravel() for one in maps]).astype(np.float64)
    mean, deviation = pixel_moments(iter(maps))
    assert mean == pytest.approx(pixels.mean(), rel=1e-13)
    assert deviation == pytest.approx(pixels.std(), rel=1e-9)


def test_what_is_missing_is_named_before_anything_is_learnt(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_learn", lambda *_: pytest.fail("learnt"))
    (root / "vial/test_private_mixed/002_mixed.png").rename(root / "vial/moved.png")
    with pytest.raises(DatasetError, match="vial, test_private_mixed: 2 images in .*, expected 3"):
        export_submission(tmp_path / "out", root=root, **OPTIONS)
    (root / "vial").rename(root / "phial")
    with pytest.raises(DatasetError, match="has all 2 objects of MVTec AD 2: .* lacks vial"):
        export_submission(tmp_path / "out", root=root, **OPTIONS)
    assert not list(tmp_path.glob("out*"))


def test_images_that_would_share_a_name_are_refused(root: Path, tmp_path: Path) -> None:
    folder = root / "can/test_private"
    (folder / "002_regular.png").rename(folder / "001_regular.bmp")
    with pytest.raises(DatasetError, match="two images are called 001_regular"):
        export_submission(tmp_path / "out", root=root, **OPTIONS)


def test_a_folder_that_exists_is_replaced_only_if_asked_and_a_submission(
    root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "anomaly_images").mkdir(parents=True)
    (out / "anomaly_images/old.tiff").write_text("old")
    with pytest.raises(OutputError, match="out exists: choose another folder, or overwrite it"):
        export_submission(out, root=root, **OPTIONS)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="out is no submission, and is not overwritten"):
        export_submission(out, root=root, overwrite=True, **OPTIONS)
    (out / "notes.txt").unlink()
    export_submission(out, root=root, overwrite=True, **OPTIONS)
    assert len(files_below(out)) == 24
    assert not (out / "anomaly_images/old.tiff").exists()


def test_an_interrupted_export_leaves_no_submission_and_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, learn, learnt = tmp_path / "out", submission._learn, []

    def interrupted(detector: Any, root: Path, name: str, *rest: Any) -> float:
        learnt.append(name)
        if learnt == ["can", "vial"]:
            raise KeyboardInterrupt
        return learn(detector, root, name, *rest)

    monkeypatch.setattr(submission, "_learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_submission(out, root=root, **OPTIONS)
    assert not out.exists()
    with pytest.raises(OutputError, match="unfinished submission with other settings"):
        export_submission(out, root=root, threshold=2.0, **OPTIONS)
    done = export_submission(out, root=root, **OPTIONS)
    assert learnt == ["can", "vial", "vial"]
    assert (len(files_below(out)), sorted(done.thresholds)) == (24, ["can", "vial"])


def test_files_lost_from_an_unfinished_export_are_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "put", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_submission(out, root=root, **OPTIONS)
    lost = tmp_path / "out.unfinished/submission/anomaly_images/can/test_private/000_regular.tiff"
    lost.write_bytes(b"")
    with pytest.raises(OutputError, match="is not complete: 1 file missing, 0 too many, such as"):
        export_submission(out, root=root, **OPTIONS)
    assert not out.exists()


def test_the_command_line_writes_one(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--root", str(root), "-o", str(tmp_path / "out"), "--threshold", "3"]
    words += ["--backbone", "filterbank", "--image-size", "24x32"]
    assert command.main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["can: threshold 3.0000", "vial: threshold 3.0000"]
    assert said[2].endswith("out: anomaly images of 12 private images")
    assert command.main(words) == 2
    assert "out exists" in capsys.readouterr().err


def test_the_counts_are_those_of_the_set() -> None:
    assert sum(mvtec_ad2.PRIVATE_IMAGES.values()) == 2045
    assert len(mvtec_ad2.PRIVATE_IMAGES) == 8
