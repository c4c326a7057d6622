"""Post-processing attached to a detector: in its file, in new processes, in every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import pyimgano
from pyimgano.calibration import tune_postprocess
from pyimgano.datasets import load_dataset
from pyimgano.errors import DetectorFileError, InvalidInputError
from pyimgano.models import PatchCore, catalogue, register_model
from pyimgano.persistence.container import read_container, write_container
from pyimgano.pipelines.calibrate import attach_postprocess, run_calibrate
from pyimgano.pipelines.detect import run_detect
from pyimgano.pipelines.evaluate import evaluate_category
from pyimgano.pipelines.predict import PredictRun
from pyimgano.postprocess import AnomalyMapPostprocess, RegionRule
from tests.cli.support import run
from tests.conftest import texture, with_blot, write_image

SIZE = (48, 64)
STEPS = AnomalyMapPostprocess(gaussian_sigma=1.5, morph_close_ksize=3)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector file without post-processing."""
    target = tmp_path_factory.mktemp("part") / "part.pyimgano"
    PatchCore(backbone="embedded", image_size=SIZE).fit([texture(i) for i in range(12)]).save(
        target
    )
    return target


@pytest.fixture
def detector(file: Path) -> Any:
    return pyimgano.load(file)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(12):
        write_image(tmp_path / f"photos/good/{i:02d}.png", texture(100 + i))
    for i in range(3):
        write_image(tmp_path / f"photos/bad/{i}.png", with_blot(texture(200 + i)))
    return tmp_path / "photos"


def records(detector: Any, photos: Path, **options: Any) -> list[Any]:
    paths = sorted(map(str, photos.rglob("*.png")))
    return list(PredictRun(detector, regions=True, **options).records(paths))


def test_a_file_without_it_is_as_before_and_loads_without(file: Path, detector: Any) -> None:
    assert "postprocess" not in read_container(file)[0]["fitted"]
    assert detector.postprocess_ is None


def test_scores_labels_and_maps_stay_and_regions_follow(detector: Any, photos: Path) -> None:
    before = records(detector, photos)
    image = with_blot(texture(200))
    raw = detector.predict_one(image)
    detector.set_postprocess(STEPS)
    after = records(detector, photos)
    found = detector.predict_one(image)
    np.testing.assert_array_equal(found.anomaly_map, raw.anomaly_map)
    assert (found.score, found.label) == (raw.score, raw.label)
    assert [(r["score"], r["predicted"]) for r in after] == [
        (r["score"], r["predicted"]) for r in before
    ]
    assert [r["regions"] for r in after] != [r["regions"] for r in before]
    for record in after:
        assert (record["n_regions"] >= 1) == (record["predicted"] == 1)


def test_a_new_process_finds_the_same_regions(detector: Any, photos: Path, tmp_path: Path) -> None:
    detector.set_postprocess(STEPS)
    detector.save(tmp_path / "with.pyimgano")
    words = [str(tmp_path / "with.pyimgano"), str(photos), "--regions", "--jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "pyimgano", "predict", *words],
        env={**os.environ, "PYTHONPATH": str(Path(pyimgano.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line)["regions"] for line in done.stdout.splitlines()]
    assert found == [record["regions"] for record in records(detector, photos)]
    assert "post-processing: gaussian_sigma=1.5, morph_close_ksize=3" in done.stderr
    loaded: Any = pyimgano.load(tmp_path / "with.pyimgano")
    assert loaded.postprocess_ == STEPS


def test_what_tuning_returns_can_be_attached_and_stored(
    detector: Any, photos: Path, tmp_path: Path
) -> None:
    masks = np.zeros((3, *SIZE), np.uint8)
    masks[:, 16:28, 24:36] = 1
    grid = {"gaussian_sigma": [0, 2], "normalize": ["dataset"]}
    best, _ = tune_postprocess(
        grid, detector.predict_anomaly_map((photos / "bad").iterdir()), masks
    )
    detector.set_postprocess(best)
    detector.save(tmp_path / "tuned")
    loaded: Any = pyimgano.load(tmp_path / "tuned")
    assert loaded.postprocess_ == best
    assert loaded.postprocess_.value_range == best.value_range
    found, expected = records(loaded, photos), records(detector, photos)
    assert [r["regions"] for r in found] == [r["regions"] for r in expected]


def test_the_summary_says_what_is_attached_and_maps_in_files_stay_raw(
    detector: Any, photos: Path, tmp_path: Path
) -> None:
    detector.set_postprocess(STEPS)
    found = records(detector, photos / "bad", output=tmp_path / "out", maps=True)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["postprocess"] == {"gaussian_sigma": 1.5, "morph_close_ksize": 3}
    written = cv2.imread(str(tmp_path / "out" / found[0]["map"]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, detector.get_anomaly_map(found[0]["path"]))


def test_calibration_sets_the_level_by_the_processed_maps(detector: Any, photos: Path) -> None:
    steps = AnomalyMapPostprocess(normalize="dataset", value_range=(1.0, 9.0), gaussian_sigma=1.5)
    detector.set_postprocess(steps)
    done = run_calibrate(detector, [photos / "good"], target=0.25)
    rule = RegionRule.of(detector)
    maps = [rule.applied(detector.get_anomaly_map(p)) for p in (photos / "good").iterdir()]
    above = sum(bool((one > np.float32(rule.map_threshold)).any()) for one in maps)
    assert above == done.after.n_false_alarms >= 1
    for record in records(detector, photos):
        assert (record["n_regions"] >= 1) == (record["predicted"] == 1)


def test_a_component_filter_without_a_threshold_takes_the_level_of_the_maps(detector: Any) -> None:
    level = detector.map_threshold_
    told = attach_postprocess(detector, "min_component_area=30")
    assert told == f"component_threshold={level}, min_component_area=30"
    assert detector.postprocess_.component_threshold == level
    assert attach_postprocess(detector, "none") == "none"
    assert detector.postprocess_ is None


def test_a_component_filter_takes_the_level_that_calibration_sets(
    detector: Any, photos: Path
) -> None:
    before, threshold = detector.map_threshold_, float(np.median(detector.decision_scores_))
    steps = "gaussian_sigma=1.5,min_component_area=30"
    run_calibrate(detector, [photos / "good"], threshold=threshold, postprocess=steps)
    assert detector.map_threshold_ < before
    assert detector.postprocess_ == AnomalyMapPostprocess(
        gaussian_sigma=1.5, component_threshold=detector.map_threshold_, min_component_area=30
    )
    run_calibrate(
        detector, [photos / "good"], postprocess="component_threshold=2.5,min_component_area=30"
    )
    assert detector.postprocess_.component_threshold == 2.5


def test_calibrating_through_a_component_filter_keeps_its_threshold(
    detector: Any, photos: Path
) -> None:
    attach_postprocess(detector, "min_component_area=2000")  # of 3,072 pixels: nothing is left
    level = detector.map_threshold_
    run_calibrate(detector, [photos / "good"])
    assert detector.map_threshold_ == level


def test_a_benchmark_measures_raw_maps_and_draws_processed_ones(tmp_path: Path) -> None:
    for i in range(6):
        write_image(tmp_path / f"set/lid/train/good/{i}.png", texture(i))
    write_image(tmp_path / "set/lid/test/good/0.png", texture(20))
    write_image(tmp_path / "set/lid/test/blot/0.png", with_blot(texture(21)))
    mask = np.zeros(SIZE, np.uint8)
    mask[16:28, 24:36] = 255
    write_image(tmp_path / "set/lid/ground_truth/blot/0_mask.png", mask)
    results, heats = [], []
    for name, steps in (("raw", None), ("processed", AnomalyMapPostprocess(gaussian_sigma=9))):
        detector = PatchCore(backbone="embedded", image_size=SIZE)
        detector.set_postprocess(steps)
        lid = load_dataset("mvtec", tmp_path / "set", "lid")
        results.append(
            evaluate_category(
                detector,
                lid,
                train=lid.get_train_paths(),
                category="lid",
                seed=0,
                output=tmp_path / name,
            )
        )
        assert detector.postprocess_ == steps  # a fit keeps it
        heats.append((tmp_path / name / results[-1].images[0].pictures["heat"]).read_bytes())
    assert results[0].metrics == results[1].metrics
    assert heats[0] != heats[1]


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"gaussian_sigma": 1e9}, "postprocess'.'gaussian_sigma' is 1000000000.0"),
        ({"gaussian_sigma": "2"}, "postprocess'.'gaussian_sigma'"),
        ({"normalize": "image"}, "normalize='image'"),
        ({"normalize": "dataset"}, "normalize='dataset' needs the range"),
        ({"morph_open_ksize": 4}, "morph_open_ksize must be odd"),
        ({"__class__": "x"}, "does not know"),
        ([], "postprocess"),
        ("none", "postprocess"),
    ],
)
def test_a_file_with_impossible_steps_is_refused(
    file: Path, tmp_path: Path, entry: Any, match: str
) -> None:
    header, tensors = read_container(file)
    header["fitted"]["postprocess"] = entry
    write_container(tmp_path / "bad", header, tensors)
    with pytest.raises(DetectorFileError, match=match):
        pyimgano.load(tmp_path / "bad")


def test_an_infinite_level_is_nothing_that_a_file_holds(detector: Any, tmp_path: Path) -> None:
    detector.set_postprocess(AnomalyMapPostprocess(component_threshold=float("inf")))
    with pytest.raises(InvalidInputError, match="component_threshold' is inf"):
        detector.save(tmp_path / "bad")


def test_the_command_attaches_it_with_images_or_alone(
    file: Path, photos: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ("--postprocess", "gaussian_sigma=2", "-o", tmp_path / "new")
    code, out, err = run(capsys, "calibrate", file, *words)
    assert (code, out, err) == (0, "post-processing: gaussian_sigma=2.0\n", "")
    alone, before = pyimgano.load(tmp_path / "new"), pyimgano.load(file)
    assert alone.postprocess_ == AnomalyMapPostprocess(gaussian_sigma=2)  # type: ignore[attr-defined]
    assert alone.threshold_ == before.threshold_
    code, out, _ = run(capsys, "calibrate", file, "--normal", photos / "good", *words, "--quiet")
    assert code == 0
    assert out.startswith("post-processing: gaussian_sigma=2.0\n")
    assert pyimgano.load(tmp_path / "new").threshold_ != before.threshold_
    code, out, _ = run(
        capsys, "calibrate", tmp_path / "new", "--postprocess", "none", "-o", tmp_path / "off"
    )
    assert (code, out) == (0, "post-processing: none\n")
    assert pyimgano.load(tmp_path / "off").postprocess_ is None  # type: ignore[attr-defined]
    code, _, err = run(capsys, "calibrate", file, "--postprocess", "sigma=2", "-o", tmp_path / "x")
    assert code == 2
    assert "unknown post-processing 'sigma'; did you mean 'gaussian_sigma'" in err
    assert not (tmp_path / "x").exists()


def test_detect_finds_the_regions_that_predict_finds(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        write_image(tmp_path / f"normal/{i:02d}.png", texture(i))
    fitted: list[PatchCore] = []

    def smooth(**params: Any) -> PatchCore:
        fitted.append(PatchCore(backbone="embedded", image_size=SIZE, **params))
        fitted[0].set_postprocess(STEPS)
        return fitted[0]

    monkeypatch.setattr(catalogue._MODELS, "_entries", dict(catalogue._MODELS._entries))
    register_model("smooth", smooth)
    done = run_detect(
        normal=tmp_path / "normal", test=photos, output=tmp_path / "out", model="smooth"
    )
    expected = {r["path"]: r["regions"] for r in records(fitted[0], photos)}
    assert len(done.detections) == 15
    for one in done.detections:
        assert one.regions is not None
        assert one.regions.to_json() == expected[one.path]
    plain = pyimgano.create_model("patchcore", backbone="embedded", image_size=SIZE)
    plain.fit(sorted((tmp_path / "normal").iterdir()))
    assert {r["path"]: r["regions"] for r in records(plain, photos)} != expected
