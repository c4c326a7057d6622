"""What may stand for a list of images, and what is said of anything else."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.benchmark import quick_benchmark
from pyimgano.errors import InvalidTypeError, ThresholdWarning
from pyimgano.images.preprocess import ImagePreprocessor, check_images
from pyimgano.models.base import Detector
from pyimgano.types import ImageInput
from tests.conftest import texture, write_image

ORDER = [2, 5, 0, 4, 1, 3]

pytest.importorskip("pyod", reason="needs the extra pyod")
pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("images")
    return [write_image(folder / f"{i}.png", texture(i, (24, 24))) for i in range(6)]


class Brightness:
    """One number per path or array."""

    def extract(self, images: Sequence[ImageInput]) -> np.ndarray:
        load = ImagePreprocessor(8).load
        return np.array([[load(image).pixels.mean()] for image in images], dtype=np.float32)


def build(name: str) -> Detector:
    given: dict[str, Any] = {"feature_extractor": Brightness()}
    if name == "patchcore":
        given = {"backbone": "embedded", "image_size": 24}
    detector: Detector = create_model(name, **given)
    return detector


@pytest.fixture(scope="module")
def fitted(paths: list[str]) -> dict[str, Detector]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ThresholdWarning)
        return {name: build(name).fit(paths) for name in ("patchcore", "vision_knn")}


def series(paths: list[str]) -> Any:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    return pandas.Series(paths, index=ORDER)


def series_with_gaps(paths: list[str]) -> Any:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    return pandas.Series(paths, index=[3 * i for i in range(len(paths))])


class Column:
    """As polars' Series: elements by position, no list."""

    def __init__(self, items: list[str]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> str:
        return self.items[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.items)


KINDS: dict[str, Callable[[list[str]], Any]] = {
    "a shuffled Series": series,
    "a Series with gaps in its index": series_with_gaps,
    "a tuple": tuple,
    "an iterator": iter,
    "a generator": lambda paths: (path for path in paths),
    "a map of Path": lambda paths: map(Path, paths),
    "an array of paths": np.array,
    "an array of objects": lambda paths: np.array([Path(p) for p in paths], dtype=object),
    "a container of another package": Column,
    "the keys of a dict": lambda paths: list(dict.fromkeys(paths)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["patchcore", "vision_knn"])
def test_scores_come_in_the_order_of_what_was_given(
    name: str, kind: str, paths: list[str], fitted: dict[str, Detector]
) -> None:
    give, expected = KINDS[kind], fitted[name]
    found = build(name).fit(give(paths))
    np.testing.assert_array_equal(found.decision_scores_, expected.decision_scores_)
    np.testing.assert_array_equal(found.labels_, expected.labels_)
    scores = expected.decision_function(paths)
    assert len(set(scores.tolist())) > 1
    np.testing.assert_array_equal(found.decision_function(give(paths)), scores)
    np.testing.assert_array_equal(found.predict(give(paths)), scores > expected.threshold_)
    assert [p.path for p in found.iter_predict(give(paths))] == paths


def test_maps_come_in_the_order_of_a_series(paths: list[str], fitted: dict[str, Detector]) -> None:
    detector: Any = fitted["patchcore"]
    expected = detector.predict_anomaly_map(paths)
    found = detector.predict_anomaly_map(series(paths))
    np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_quick_benchmark_takes_a_series_in_its_order(paths: list[str]) -> None:
    labels = [0, 1] * 3
    given: Any = {"algorithms": ["knn"], "parameters": {"knn": {"feature_extractor": Brightness()}}}
    expected = quick_benchmark(paths, paths, labels, **given)["knn"]
    found = quick_benchmark(series(paths), series(paths), labels, **given)["knn"]
    np.testing.assert_array_equal(found["scores"], expected["scores"])


def test_the_preprocessor_takes_an_iterator(paths: list[str]) -> None:
    load = ImagePreprocessor(24)
    np.testing.assert_array_equal(load(iter(paths)), load(paths))


def test_an_iterator_is_asked_for_one_batch_at_a_time(fitted: dict[str, Detector]) -> None:
    detector = copy.copy(fitted["patchcore"]).set_params(batch_size=2)
    asked = []

    def camera() -> Iterator[np.ndarray]:
        for i in range(6):
            asked.append(i)
            yield texture(i, (24, 24))

    predictions = detector.iter_predict(camera())
    next(predictions)
    assert asked == [0, 1]
    assert len(list(predictions)) == 5


class FakePicture:
    """As PIL's images: an array interface, and no array."""

    __array_interface__: ClassVar[dict[str, Any]] = {}


NO_LISTS = [
    ({"a.png": 0}, "got dict"),
    ({"a.png"}, "got set"),
    ("a.png", "got one path"),
    (Path("a.png"), "got one path"),
    (None, "got NoneType"),
    (5, "got int"),
    (FakePicture(), "got FakePicture"),
    (np.zeros((8, 8), np.uint8), "got one array"),
    (np.zeros((8, 8, 3), np.uint8), "got one array"),
    (np.array(5), "got ndarray"),
]
NO_IMAGES = [
    (None, "an image is a path or a NumPy array, got NoneType"),
    (FakePicture(), "got FakePicture.*pass numpy.asarray"),
    (float("nan"), "an image is a path or a NumPy array, got float"),
    (b"a.png", "an image is a path or a NumPy array, got bytes"),
    ({"path": "a.png"}, "an image is a path or a NumPy array, got dict"),
    ([1, 2], "an image is a path or a NumPy array, got list"),
]


@pytest.mark.parametrize(("given", "message"), NO_LISTS)
def test_what_is_no_list_of_images_is_said_everywhere(
    given: Any, message: str, fitted: dict[str, Detector]
) -> None:
    images = [texture(i, (24, 24)) for i in range(4)]
    for name in ("patchcore", "vision_knn"):
        with pytest.raises(InvalidTypeError, match=message):
            build(name).fit(given)
    detector: Any = fitted["patchcore"]
    for call in (detector.predict, detector.decision_function, detector.predict_anomaly_map):
        with pytest.raises(InvalidTypeError, match=message):
            call(given)
    with pytest.raises(InvalidTypeError, match=message):
        quick_benchmark(given, images, [0] * 4)


@pytest.mark.parametrize(("bad", "message"), NO_IMAGES)
def test_fit_words_what_is_no_image_as_predict_does(
    bad: Any, message: str, fitted: dict[str, Detector]
) -> None:
    images = [texture(i, (24, 24)) for i in range(4)]
    for name in ("patchcore", "vision_knn"):
        with pytest.raises(InvalidTypeError, match=message):
            build(name).fit([*images, bad])
    detector: Any = fitted["patchcore"]
    for call in (detector.predict, detector.decision_function, detector.predict_anomaly_map):
        with pytest.raises(InvalidTypeError, match=message):
            call([*images, bad])
    with pytest.raises(InvalidTypeError, match=f"{message.split('.*')[0]}.* at position 1"):
        quick_benchmark(images, [images[0], bad], [0, 1])


def test_images_before_one_that_is_none_are_scored(fitted: dict[str, Detector]) -> None:
    images: list[Any] = [*(texture(i, (24, 24)) for i in range(3)), None]
    seen = []
    with pytest.raises(InvalidTypeError, match="got NoneType"):
        seen.extend(fitted["patchcore"].iter_predict(images))
    assert len(seen) == 3


def test_a_table_is_asked_for_its_column() -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    with pytest.raises(InvalidTypeError, match="got DataFrame: pass its column of paths"):
        check_images(pandas.DataFrame({"path": ["a.png"]}))


def test_an_image_of_pillow_is_told_how_to_be_passed() -> None:
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow")
    with pytest.raises(InvalidTypeError, match=r"got Image at position 0: pass numpy\.asarray"):
        check_images([pillow.new("RGB", (8, 8))])
