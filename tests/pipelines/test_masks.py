"""Masks by the pixel threshold: learnt by fit and calibrate, kept in files, written as PNG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError, OutputError, ThresholdWarning
from pyimgano.images.reading import read_image
from pyimgano.images.sources import stream_images
from pyimgano.models import PatchCore
from pyimgano.models.base import Detector
from pyimgano.models.pixel_threshold import GoodMaps
from pyimgano.pipelines.calibrate import run_calibrate
from pyimgano.pipelines.detect import run_detect
from pyimgano.pipelines.predict import PredictRun
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.types import ImageInput, Prediction
from tests.conftest import texture, with_blot, write_image

OPTIONS = {"backbone": "filterbank", "image_size": (48, 64)}
GOOD = [texture(i) for i in range(12)]


class ScoresOnly(Detector):
    """How bright an image is."""

    def _fit(self, images: Sequence[ImageInput]) -> None:
        self.decision_scores_ = np.array([image.mean() for image in images])
        self.set_threshold(1.0, source="by hand")

    def iter_predict(self, X: Iterable[ImageInput], *, with_maps: bool = True) -> Iterator[Any]:
        yield from (Prediction(None, float(image.mean()), 0, None) for image in X)


@pytest.fixture(scope="module")
def learnt() -> PatchCore:
    return PatchCore(**OPTIONS, false_pixels=0.02).fit(GOOD)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(12):
        write_image(tmp_path / f"normal/{i:02d}.png", GOOD[i])
        write_image(tmp_path / f"further/{i:02d}.png", texture(100 + i))
    write_image(tmp_path / "test/fine.png", texture(20))
    write_image(tmp_path / "test/sub/fine.png", with_blot(texture(30)))
    return tmp_path


def test_fit_learns_it_from_held_out_maps_and_changes_nothing_else(learnt: PatchCore) -> None:
    without = PatchCore(**OPTIONS).fit(GOOD)
    assert without.pixel_threshold_ is None
    assert without.predict_one(GOOD[0]).mask is None
    for name in ("threshold_", "map_threshold_", "map_level_"):
        assert getattr(learnt, name) == getattr(without, name)
    np.testing.assert_array_equal(learnt.decision_scores_, without.decision_scores_)
    good = GoodMaps(0.02, None, None)
    for i, image in enumerate(GOOD):
        good.add(learnt.held_out_map(i, image))
    assert learnt.pixel_threshold_ == good.threshold()
    assert learnt.pixel_threshold_.n == 12


def test_the_mask_is_where_the_map_exceeds_it_at_the_images_own_size(learnt: PatchCore) -> None:
    image = cv2.resize(with_blot(texture(40)), (150, 90))
    found = learnt.predict_one(image)
    assert (found.mask.shape, found.mask.dtype) == (image.shape[:2], np.uint8)
    expected = found.anomaly_map > learnt.pixel_threshold_.value
    np.testing.assert_array_equal(found.mask, 255 * expected)
    assert 0 < expected.mean() < 0.5
    assert learnt.predict_one(image, with_map=False).mask is None


def test_a_file_keeps_it_also_where_it_is_infinite(learnt: PatchCore, tmp_path: Path) -> None:
    learnt.save(tmp_path / "a.pyimgano")
    loaded = pyimgano.load(tmp_path / "a.pyimgano")
    assert loaded.pixel_threshold_ == learnt.pixel_threshold_
    assert (loaded.false_pixels, loaded.false_regions) == (0.02, None)
    image = with_blot(texture(40))
    np.testing.assert_array_equal(loaded.predict_one(image).mask, learnt.predict_one(image).mask)
    with pytest.warns(ThresholdWarning, match="takes 19 training images, here are 12"):
        few = PatchCore(**OPTIONS, false_regions=0.05).fit(GOOD)
    few.save(tmp_path / "b.pyimgano")
    assert pyimgano.load(tmp_path / "b.pyimgano").pixel_threshold_ == few.pixel_threshold_
    assert not few.predict_one(image).mask.any()


def test_a_further_fit_forgets_it_and_other_steps_drop_it_with_a_warning(learnt: PatchCore) -> None:
    again = pyimgano.create_model("patchcore", **learnt.get_params()).fit(GOOD)
    again.set_postprocess(None)  # as before
    assert again.pixel_threshold_ == learnt.pixel_threshold_
    with pytest.warns(ThresholdWarning, match="the pixel threshold is dropped"):
        again.set_postprocess(AnomalyMapPostprocess(gaussian_sigma=3))
    assert again.pixel_threshold_ is None
    smooth = again.fit(GOOD).pixel_threshold_  # learnt after the steps
    assert smooth.value < learnt.pixel_threshold_.value
    assert again.set_params(false_pixels=None).fit(GOOD).pixel_threshold_ is None


def test_calibrate_learns_it_from_further_good_images(folders: Path) -> None:
    detector = PatchCore(**OPTIONS).fit(GOOD)
    further = folders / "further"
    run = run_calibrate(detector, [further, folders / "normal"], false_regions=0.1)
    good = GoodMaps(None, 0.1, None)
    for i in range(12):  # those that were learnt from do not count
        good.add(detector.predict_one(texture(100 + i)).anomaly_map)
    assert run.pixel_threshold == detector.pixel_threshold_ == good.threshold()
    assert run_calibrate(detector, [further]).pixel_threshold is None
    assert detector.pixel_threshold_ == run.pixel_threshold  # not asked for: it stays


def test_calibrate_learns_it_after_the_steps_that_it_attaches(folders: Path) -> None:
    detector = PatchCore(**OPTIONS, false_pixels=0.02).fit(GOOD)
    steps = {"postprocess": "line_close_length=9", "false_pixels": 0.05}
    run = run_calibrate(detector, [folders / "further"], **steps)
    good = GoodMaps(0.05, None, AnomalyMapPostprocess(line_close_length=9))
    for i in range(12):
        good.add(detector.predict_one(texture(100 + i)).anomaly_map)
    assert detector.pixel_threshold_ == good.threshold()
    assert not any("dropped" in note for note in run.notes)
    run = run_calibrate(detector, [folders / "further"], postprocess="min_component_area=4")
    assert detector.pixel_threshold_ is None
    assert any("the pixel threshold is dropped" in note for note in run.notes)
    steps = {"postprocess": "min_component_area=4", "false_pixels": 0.05}
    assert run_calibrate(detector, [folders / "further"], **steps).pixel_threshold.value >= 0


def test_predict_writes_masks_that_pair_with_their_images(learnt: PatchCore, folders: Path) -> None:
    out = folders / "out"
    run = PredictRun(learnt, output=out, masks=True)
    records = list(run.records(stream_images([folders / "test"])))
    assert [r["mask"] for r in records] == ["masks/0000001_fine.png", "masks/0000002_fine.png"]
    for record in records:
        written = cv2.imread(str(out / record["mask"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(written, learnt.predict_one(record["path"]).mask)
        assert written.shape == read_image(record["path"]).shape[:2]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["pixel_threshold"]["value"] == learnt.pixel_threshold_.value
    (out / "masks/mine.txt").write_text("stays")
    list(PredictRun(learnt, output=out, masks=True).records([str(folders / "test/fine.png")]))
    assert sorted(p.name for p in (out / "masks").iterdir()) == ["0000001_fine.png", "mine.txt"]


def test_detect_writes_masks_by_the_names_of_the_images(folders: Path) -> None:
    def detect(**more: object):
        return run_detect(
            normal=folders / "normal",
            test=folders / "test",
            output=folders / "out",
            overlays=False,
            **{**OPTIONS, "masks": True, "false_pixels": 0.02, **more},
        )

    run = detect()
    assert (run.masks, run.n_overlays) == ("masks", 0)
    masks = {d.path: d.pictures["mask"] for d in run.detections}
    test = folders / "test"
    assert masks == {
        str(test / "fine.png"): "masks/fine.png",
        str(test / "sub/fine.png"): "masks/sub_fine.png",
    }
    data = json.loads((folders / "out/results.json").read_text())
    assert data["pixel_threshold"]["target"] == 0.02
    assert {d["file"]: d["mask"] for d in data["detections"]} == masks
    flagged = cv2.imread(str(folders / "out/masks/sub_fine.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(flagged)) == {0, 255}
    with pytest.raises(InvalidInputError, match="masks need a pixel threshold"):
        detect(false_pixels=None)
    with pytest.raises(InvalidInputError, match="one of false_pixels and false_regions"):
        detect(false_regions=0.1)
    detector = PatchCore(**OPTIONS, false_pixels=0.1).fit(GOOD)
    records = PredictRun(detector, output=folders / "out", masks=True).records([])
    with pytest.raises(OutputError, match="holds results of pyimgano detect"):
        next(records)


def test_what_can_give_no_masks_says_so_first(folders: Path, tmp_path: Path) -> None:
    plain = PatchCore(**OPTIONS).fit(GOOD)
    with pytest.raises(InvalidInputError, match=r"this detector has none: false_pixels \(--false"):
        PredictRun(plain, output=tmp_path / "out", masks=True)
    with pytest.raises(InvalidInputError, match="masks need an output folder"):
        PredictRun(plain, masks=True)
    without = ScoresOnly().fit(GOOD)
    with pytest.raises(InvalidInputError, match="it has no maps, overlays, masks or regions"):
        PredictRun(without, output=tmp_path / "out", masks=True)
    with pytest.raises(InvalidInputError, match="has no maps: it can have no pixel threshold"):
        run_calibrate(without, [folders / "further"], false_pixels=0.1)
    with pytest.raises(InvalidInputError, match="a pixel threshold needs normal images"):
        run_calibrate(plain, [], threshold=1.0, false_pixels=0.1)
    with pytest.raises(InvalidInputError, match="false_pixels must be"):
        run_calibrate(plain, [folders / "further"], false_pixels=1.5)
    assert not (tmp_path / "out").exists()
