from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimgano.errors import DatasetError, ImageReadError, OutputError
from pyimgano.images.reading import read_image
from pyimgano.pipelines.detect import run_detect
from tests.conftest import texture, with_blot, write_image

OPTIONS = {"backbone": "filterbank", "image_size": (48, 64)}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(10):
        write_image(tmp_path / f"normal/{i}.png", texture(i))
    for i in range(3):
        write_image(tmp_path / f"test/fine{i}.png", texture(20 + i))
    write_image(tmp_path / "test/sub/blotted.png", with_blot(texture(30)))
    return tmp_path


def detect(folders: Path, **kwargs: object):
    return run_detect(
        normal=folders / "normal",
        test=folders / "test",
        output=folders / "out",
        **{**OPTIONS, **kwargs},
    )


def test_the_defect_comes_first_in_every_output(folders: Path) -> None:
    run = detect(folders)
    assert run.detections[0].path.endswith("sub/blotted.png")
    assert run.detections[0].predicted == 1
    assert run.detections[0].score > run.good.threshold
    scores = [d.score for d in run.detections]
    assert scores == sorted(scores, reverse=True)
    with open(folders / "out/results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["file"] for r in rows] == [d.path for d in run.detections]
    assert [float(r["score"]) for r in rows] == scores
    data = json.loads((folders / "out/results.json").read_text())
    assert data["threshold"] == run.good.threshold
    assert data["false_positive_rate"] == run.good.rate.to_json()
    assert data["false_positive_rate"]["n_images"] == 10
    assert data["detections"][0]["predicted"] == 1
    pictures = sorted(p.name for p in (folders / "out/overlays").iterdir())
    assert len(pictures) == 4
    assert pictures[0].startswith("0001_")
    assert pictures[0].endswith("sub_blotted.png")
    assert read_image(folders / "out/overlays" / pictures[0]).shape[2] == 3


def test_a_second_run_replaces_the_pictures_of_the_first(folders: Path) -> None:
    detect(folders)
    (folders / "test/fine0.png").unlink()
    detect(folders)
    assert len(list((folders / "out/overlays").iterdir())) == 3


def test_pictures_of_a_run_that_was_interrupted_do_not_stay(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pyimgano.pipelines.detect._OverlayWriter.rank", interrupt)
        with pytest.raises(KeyboardInterrupt):
            detect(folders)
    assert len(list((folders / "out/overlays").iterdir())) == 4
    (folders / "test/fine0.png").unlink()
    detect(folders)
    assert len(list((folders / "out/overlays").iterdir())) == 3


def test_unreadable_test_images_are_listed_and_the_rest_is_scored(folders: Path) -> None:
    (folders / "test/fine1.png").write_bytes(b"")
    (folders / "test/text.png").write_text("hello")
    run = detect(folders)
    assert [d.error is not None for d in run.detections] == [False] * 3 + [True] * 2
    reasons = {Path(d.path).name: d.error for d in run.unreadable}
    assert "empty" in reasons["fine1.png"]
    assert "not an image" in reasons["text.png"]


def test_unreadable_normal_images_stop_it_unless_they_may_be_skipped(folders: Path) -> None:
    (folders / "normal/3.png").write_bytes(b"")
    with pytest.raises(ImageReadError, match=r"3\.png"):
        detect(folders)
    run = detect(folders, on_bad_image="skip")
    assert len(run.good.names) == 9
    assert [Path(p).name for p in run.skipped] == ["3.png"]


def test_images_in_both_folders_are_refused(folders: Path) -> None:
    with pytest.raises(DatasetError, match="in both folders"):
        run_detect(
            normal=folders / "normal", test=folders / "normal", output=folders / "o", **OPTIONS
        )


def test_empty_and_missing_folders_are_named(folders: Path) -> None:
    shutil.rmtree(folders / "test")
    with pytest.raises(DatasetError, match="test' does not exist"):
        detect(folders)
    (folders / "test").mkdir()
    with pytest.raises(DatasetError, match="test: the folder has no images"):
        detect(folders)


def test_an_output_that_is_a_file_is_refused_before_any_work(folders: Path) -> None:
    (folders / "out").write_text("in the way")
    with pytest.raises(OutputError, match="out"):
        detect(folders)


def test_a_detector_without_maps_ranks_files_and_says_that_there_are_no_overlays(
    folders: Path,
) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    detect(folders)  # leaves pictures that are not of the next run
    run = run_detect(
        normal=folders / "normal", test=folders / "test", output=folders / "out",
        model="vision_ecod",
    )  # fmt: skip
    assert run.detections[0].path.endswith("sub/blotted.png")
    assert "vision_ecod gives no anomaly maps: no overlays" in run.notes
    assert run.n_overlays == 0
    assert list((folders / "out/overlays").iterdir()) == []
    assert json.loads((folders / "out/results.json").read_text())["notes"] == run.notes


@pytest.mark.parametrize("file", ["results.csv", "results.json", ".0.png"])
def test_a_full_disk_is_an_error_that_names_the_file(
    folders: Path, full_disk: Callable[[str], None], file: str
) -> None:
    full_disk(file)
    with pytest.raises(OutputError, match=rf"cannot write .*{re.escape(file)}: No space left"):
        detect(folders)


def test_a_copy_of_a_good_photo_among_those_to_check_is_noted(folders: Path) -> None:
    copied = sorted((folders / "normal").glob("*.png"))[0]
    (folders / "test/renamed.png").write_bytes(copied.read_bytes())
    (note,) = [note for note in detect(folders).notes if "learnt from" in note]
    assert "renamed.png: its score says nothing" in note
