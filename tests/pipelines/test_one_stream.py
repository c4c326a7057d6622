"""Each test image and each mask of a benchmark is read once, whatever needs them."""

from __future__ import annotations

import os
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.images import reading
from pyimgano.models import PatchCore
from pyimgano.models import reading as reading_module
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.reporting import gallery
from pyimgano.reporting.gallery import Gallery, choose_images
from pyimgano.types import Prediction
from tests.pipelines.test_benchmark_run import bench
from tests.pipelines.test_resume import without_timings


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded, images and masks alike."""
    counts: Counter[str] = Counter()
    real = reading._decode

    def counting(path: Any, *args: Any, **kwargs: Any) -> Any:
        counts[os.fspath(path)] += 1
        return real(path, *args, **kwargs)

    monkeypatch.setattr(reading, "_decode", counting)
    return counts


def test_a_category_decodes_each_test_image_and_each_mask_once(
    mvtec_root: Path, tmp_path: Path, decoded: Counter[str]
) -> None:
    bench(mvtec_root, categories="bolt", output=tmp_path / "out", n_overlays=4)
    tests = [str(path) for path in sorted((mvtec_root / "bolt/test").rglob("*.png"))]
    masks = [str(path) for path in sorted((mvtec_root / "bolt/ground_truth").rglob("*.png"))]
    assert (len(tests), len(masks)) == (6, 3)
    assert {path: decoded[path] for path in tests + masks} == dict.fromkeys(tests + masks, 1)
    pictures = tmp_path / "out/pictures/bolt-seed0"
    assert len(list(pictures.glob("*-image.webp"))) == 6
    assert len(list(pictures.glob("*-mask.png"))) == 3
    assert len(list((tmp_path / "out/bolt/overlays").iterdir())) == 6


def test_pictures_change_no_figure(mvtec_root: Path, tmp_path: Path) -> None:
    with_pictures, without = (
        without_timings(bench(mvtec_root, categories="bolt", output=output).categories[0])
        for output in (tmp_path / "out", None)
    )
    assert with_pictures.metrics == without.metrics
    assert [i.score for i in with_pictures.images] == [i.score for i in without.images]


def test_the_stream_scores_as_iter_predict_does(mvtec_root: Path) -> None:
    train = [str(path) for path in sorted((mvtec_root / "bolt/train/good").iterdir())]
    paths = [str(path) for path in sorted((mvtec_root / "bolt/test").rglob("*.png"))]
    detector = PatchCore(backbone="embedded", image_size=(48, 64), batch_size=4, contamination=0.2)
    detector.fit(train)
    found = list(predict_stream(detector, paths, batch_size=4))
    for one, expected in zip(found, detector.iter_predict(paths), strict=True):
        assert isinstance(one, Scored)
        assert (one.prediction.path, one.prediction.score) == (expected.path, expected.score)
        np.testing.assert_array_equal(one.prediction.anomaly_map, expected.anomaly_map)


def test_a_batch_of_images_is_let_go_before_the_next_is_decoded(
    mvtec_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images: list[weakref.ref[Any]] = []
    first_lives: list[bool] = []
    real = reading_module.read_image

    def watched(*args: Any, **kwargs: Any) -> Any:
        first_lives.append(bool(images) and images[0]() is not None)
        image = real(*args, **kwargs)
        images.append(weakref.ref(image))
        return image

    monkeypatch.setattr(reading_module, "read_image", watched)
    train = [str(path) for path in sorted((mvtec_root / "bolt/train/good").iterdir())]
    detector = PatchCore(backbone="embedded", image_size=(48, 64), batch_size=4, contamination=0.2)
    detector.fit(train)
    images.clear()
    first_lives.clear()
    for _ in predict_stream(detector, 3 * train, batch_size=4):
        pass
    assert len(images) == 18
    # Those of one more batch, and the next, may be decoded while the first four are scored.
    assert not any(first_lives[9:])


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("labelled", [True, False])
def test_the_gallery_keeps_just_what_will_be_chosen(
    n: int, labelled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(n)
    scores = rng.integers(0, 12, 60).astype(float).tolist()  # with ties
    labels = rng.integers(0, 2, 60).tolist() if labelled else None
    detector = type("Fitted", (), {"threshold_": 6.0})()
    drawn: list[str] = []

    def draw(image: Any, prediction: Prediction, *_: Any, **__: Any) -> Any:
        drawn.append(str(prediction.path))
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(gallery, "panel", draw)
    shown = Gallery(detector, tmp_path, labels, n)
    blank = np.zeros((4, 4), np.float32)
    for number, score in enumerate(scores):
        shown.add(blank, Prediction(f"a/{number}.png", score, 0, blank), None)
        assert len(shown._panels) <= 2 * n
    chosen = choose_images(labels, scores, n)
    assert [path.name for path in shown.write()] == [
        f"{rank:02d}_{kind}_a_{i}.png" for rank, (kind, i) in enumerate(chosen)
    ]
    assert len(drawn) < 60  # most are never drawn
