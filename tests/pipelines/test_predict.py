from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotFittedError, OutputError
from pyimgano.images.reading import read_image
from pyimgano.images.sources import stream_images
from pyimgano.models import PatchCore
from pyimgano.models.base import Detector
from pyimgano.models.reading import Reading
from pyimgano.pipelines.predict import PredictRun
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.postprocess import RegionRule
from pyimgano.types import Prediction, Unreadable
from tests.conftest import texture, with_blot, write_image


@pytest.fixture(scope="module")
def detector() -> PatchCore:
    model = PatchCore(backbone="filterbank", image_size=(48, 64), max_pixels=100 * 100)
    return model.fit([texture(i) for i in range(12)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        write_image(tmp_path / f"in/fine{i}.png", texture(20 + i))
    write_image(tmp_path / "in/sub/fine0.png", with_blot(texture(30)))
    return tmp_path / "in"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_records_hold_the_detectors_own_scores_in_order(detector: PatchCore, folder: Path) -> None:
    paths = list(stream_images([folder]))
    records = list(PredictRun(detector).records(paths))
    assert [r["path"] for r in records] == paths
    assert [r["score"] for r in records] == detector.decision_function(paths).tolist()
    assert [r["predicted"] for r in records] == detector.predict(paths).tolist()
    assert {r["threshold"] for r in records} == {detector.threshold_}
    assert all(r["ms"] > 0 for r in records)
    assert set(records[0]) == {
        *("path", "label", "score", "predicted", "verdict"),
        *("threshold", "ms", "warnings", "health"),
    }


@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_the_batch_size_changes_nothing(detector: PatchCore, folder: Path, batch_size: int) -> None:
    (folder / "fine1.png").write_bytes(b"")
    one, many = (
        [{**r, "ms": 0} for r in PredictRun(detector, batch_size=size).records(
            stream_images([folder]))]
        for size in (1, batch_size)
    )  # fmt: skip
    assert one == many


def test_a_bad_file_is_one_error_record_and_the_rest_is_scored(
    detector: PatchCore, folder: Path
) -> None:
    (folder / "fine0.png").write_bytes(b"")
    (folder / "fine1.png").write_bytes((folder / "fine2.png").read_bytes()[:200])
    write_image(folder / "large.png", np.zeros((200, 200), np.uint8))
    run = PredictRun(detector)
    records = list(run.records(stream_images([folder, "gone.png"])))
    errors = {Path(str(r["path"])).name: r["error"] for r in records if "error" in r}
    assert set(errors) == {"fine0.png", "fine1.png", "large.png", "gone.png"}
    assert "empty" in errors["fine0.png"]
    assert "cut short" in errors["fine1.png"]
    assert "200 x 200 pixels, above the limit" in errors["large.png"]
    assert "No such file" in errors["gone.png"]
    assert (run.summary.n_scored, run.summary.n_anomalous, run.summary.n_failed) == (2, 1, 4)


class Fussy(Detector):
    """Refuses an image of a certain size, and with it any batch that holds one."""

    threshold_ = 1.5

    def fit(self, X, y=None):
        return self

    def iter_predict(self, X, *, with_maps=True):
        from pyimgano.types import Prediction

        if any(image.shape[:2] == (1, 1) for image in X):
            raise InvalidInputError("smaller than the receptive field")
        for image in X:
            yield Prediction(None, float(image.shape[1]), 1, None)


def test_an_image_that_cannot_be_scored_does_not_take_its_batch_with_it(tmp_path: Path) -> None:
    sizes = (4, 5, 1, 6)
    paths = [
        write_image(tmp_path / f"{i}.png", np.zeros((side, side), np.uint8))
        for i, side in enumerate(sizes)
    ]
    found = list(predict_stream(Fussy(), paths, batch_size=4))
    assert [f.prediction.score if isinstance(f, Scored) else None for f in found] == [4, 5, None, 6]
    assert isinstance(found[2], Unreadable)
    assert found[2].reason == (f"cannot score image {paths[2]}: smaller than the receptive field")


def test_one_pixel_is_scored_or_is_one_record(detector: PatchCore, tmp_path: Path) -> None:
    path = write_image(tmp_path / "dot.png", np.zeros((1, 1), np.uint8))
    (record,) = PredictRun(detector, regions=True).records([path])
    assert np.isfinite(record["score"])


def test_a_detector_that_is_not_fitted_is_no_matter_of_an_image(folder: Path) -> None:
    with pytest.raises(NotFittedError):
        list(predict_stream(PatchCore(backbone="embedded"), stream_images([folder])))


def test_everything_on_request_is_written_under_names_that_never_collide(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = PredictRun(detector, output=out, maps=True, overlays=True, regions=True)
    records = list(run.records(stream_images([folder])))
    assert lines(out / "results.jsonl") == records
    with open(out / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == [r["score"] for r in records]
    assert len({r["map"] for r in records}) == len({r["overlay"] for r in records}) == 4
    for record in records:
        stored = cv2.imdecode(
            np.frombuffer((out / str(record["map"])).read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED
        )
        expected = detector.get_anomaly_map(str(record["path"]))
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, expected)
        decided = Prediction(None, record["score"], record["predicted"], expected)
        assert record["regions"] == RegionRule.of(detector).regions(decided).to_json()
        assert read_image(out / str(record["overlay"])).shape[2] == 3
    (blotted,) = (r for r in records if "sub" in str(r["path"]))
    x, y, width, height = blotted["regions"][0]["box"]
    assert (x < 36, y < 28, x + width > 24, y + height > 16) == (True,) * 4  # where the blot is


def test_what_was_finished_is_on_disk_before_the_next_image(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    records = PredictRun(detector, output=tmp_path / "out").records(stream_images([folder]))
    first = next(records)
    assert lines(tmp_path / "out/results.jsonl") == [first]
    records.close()  # as an interrupt does
    assert lines(tmp_path / "out/results.jsonl") == [first]


def test_paths_are_asked_for_a_few_ahead_and_no_thread_is_left(
    detector: PatchCore, folder: Path
) -> None:
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield os.fspath(folder / "fine0.png")

    before = threading.active_count()
    stream = predict_stream(detector, endless())
    for _ in range(5):
        next(stream)
    assert len(asked) <= 5 + 4
    stream.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(5)
    assert threading.active_count() <= before


def test_an_error_in_the_stream_of_paths_reaches_the_caller(detector: PatchCore) -> None:
    def broken():
        yield "gone.png"
        raise OutputError("the list broke off")

    stream = predict_stream(detector, broken())
    assert isinstance(next(stream), Unreadable)
    with pytest.raises(OutputError, match="broke off"):
        next(stream)


def test_names_that_are_not_utf8_give_valid_json_with_the_very_bytes(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    if sys.platform != "linux":
        pytest.skip("file names are bytes on Linux only")
    raw = os.fsencode(folder) + b"/caf\xe9.png"
    shutil.copy(folder / "fine0.png", os.fsdecode(raw))
    run = PredictRun(detector, output=tmp_path / "out", overlays=True)
    (record,) = run.records([os.fsdecode(raw)])
    (stored,) = lines(tmp_path / "out/results.jsonl")
    assert stored == record
    assert str(stored["path"]).endswith(r"caf\xe9.png")
    assert base64.b64decode(str(stored["path_base64"])) == raw
    assert (tmp_path / "out" / str(stored["overlay"])).is_file()


def test_what_cannot_be_had_is_refused_before_any_work(detector: PatchCore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no maps"):
        PredictRun(Fussy(), regions=True)
    with pytest.raises(InvalidInputError, match="output folder"):
        PredictRun(detector, maps=True)
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError, match="out"):
        PredictRun(detector, output=tmp_path / "out")


def test_hundreds_of_links_are_all_scored_with_flat_memory(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for i in range(300):
        (links / f"{i:04d}.png").symlink_to(folder / f"fine{i % 3}.png")
    run = PredictRun(detector, output=tmp_path / "out")
    names = [Path(str(r["path"])).name for r in run.records(stream_images([links]))]
    assert names == [f"{i:04d}.png" for i in range(300)]
    assert len(lines(tmp_path / "out/results.jsonl")) == run.summary.n_scored == 300


def test_no_file_is_being_decoded_once_the_stream_is_closed(
    detector: PatchCore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process that ends while OpenCV decodes in a daemon thread is aborted.
    image = read_image(folder / "fine0.png")
    slow, finished = threading.Event(), threading.Event()

    def read(_: Reading, path: str) -> np.ndarray:
        if path == "slow":
            slow.set()
            time.sleep(0.3)
            finished.set()
        return image

    monkeypatch.setattr(Reading, "read", read)
    stream = predict_stream(detector, ["fast", "slow", "never"])
    next(stream)
    assert slow.wait(10)
    stream.close()
    assert finished.is_set()


def test_maps_and_overlays_of_an_earlier_run_go_with_its_records(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    def run(paths: list[str]) -> None:
        list(PredictRun(detector, output=tmp_path / "out", overlays=True).records(paths))

    paths = [os.fspath(folder / f"fine{i}.png") for i in range(3)]
    run(paths)
    (tmp_path / "out/overlays/mine.png").write_bytes(b"x")
    run(paths[2:])
    names = sorted(p.name for p in (tmp_path / "out/overlays").iterdir())
    assert names == ["0000001_fine2.png", "mine.png"]


def test_a_name_as_long_as_a_file_system_allows_still_names_an_overlay(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    path = folder / ("\U00020000" * 62 + ".png")  # 252 bytes
    try:
        shutil.copy(folder / "fine0.png", path)
    except OSError as error:
        pytest.skip(f"this file system takes no such name: {error}")
    run = PredictRun(detector, output=tmp_path / "out", overlays=True)
    (record,) = run.records([os.fspath(path)])
    assert (tmp_path / "out" / str(record["overlay"])).is_file()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_one_error(
    detector: PatchCore, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.pyimgano-output").write_text('"results.jsonl"\n')  # of an earlier run
    (tmp_path / "out/results.jsonl").symlink_to("/dev/full")
    records = PredictRun(detector, output=tmp_path / "out").records([str(folder / "fine0.png")])
    with pytest.raises(OutputError, match=r"cannot write results in .*out: No space left"):
        next(records)
