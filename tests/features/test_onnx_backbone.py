"""ONNX backbones in the core install's engine; the models are built by hand, byte by byte."""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import (
    BackboneError,
    InvalidInputError,
    MissingDependencyError,
    UnknownNameError,
    WeightsError,
)
from pyimgano.features import build_features
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES
from pyimgano.features.backbones.onnx.file import load_onnx, with_metadata
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.pooling import aggregate_arrays
from pyimgano.models import create_model
from tests.conftest import texture
from tests.features.onnx_support import (
    FOR_ANY_MODEL,
    PLAIN,
    graph,
    model,
    node,
    onnx_patches,
    tiny,
    value,
)


def unit(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return texture(seed, size).astype(np.float32) / 255


def by_hand(image: np.ndarray) -> np.ndarray:
    """What `tiny` computes, in loops: strided 2 x 2 sums over the channels, pooled and joined."""
    height, width = image.shape[:2]
    fine = image.reshape(height // 2, 2, width // 2, 2, 3).sum(axis=(1, 3, 4))
    coarse = fine.reshape(height // 4, 2, width // 4, 2).sum(axis=(1, 3))

    def pool(grid: np.ndarray) -> np.ndarray:
        padded = np.pad(grid, 1)
        rows, columns = grid.shape
        shifts = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        return np.sum(shifts, axis=0) / 9

    small = pool(coarse)
    large = np.empty_like(fine)
    for y in range(fine.shape[0]):
        for x in range(fine.shape[1]):
            top = min(max((y + 0.5) / 2 - 0.5, 0), small.shape[0] - 1)
            left = min(max((x + 0.5) / 2 - 0.5, 0), small.shape[1] - 1)
            y0, x0 = int(top), int(left)
            y1, x1 = min(y0 + 1, small.shape[0] - 1), min(x0 + 1, small.shape[1] - 1)
            dy, dx = top - y0, left - x0
            above = small[y0, x0] * (1 - dx) + small[y0, x1] * dx
            below = small[y1, x0] * (1 - dx) + small[y1, x1] * dx
            large[y, x] = above * (1 - dy) + below * dy
    return np.stack([pool(fine), large], axis=-1)


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_outputs_are_normalised_pooled_and_joined(engine: str) -> None:
    try:
        features = onnx_patches(tiny(), normalization=([0.5, 0, 0], [0.5, 1, 2]), engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    for size in ((24, 32), (8, 4)):
        image = unit(0, size)
        patches = features.extract_batch([image])[0].array
        scaled = (image - np.float32([0.5, 0, 0])) / np.float32([0.5, 1, 2])
        assert (patches.shape, patches.dtype) == ((size[0] // 2, size[1] // 2, 2), np.float32)
        np.testing.assert_allclose(patches, by_hand(scaled), rtol=1e-5, atol=1e-5)


def test_layers_choose_outputs_and_their_order() -> None:
    both = onnx_patches(tiny(), normalization=PLAIN).extract_batch([unit(0)])[0].array
    turned = onnx_patches(tiny(), normalization=PLAIN, layers=["coarse", "fine"])
    np.testing.assert_array_equal(turned.extract_batch([unit(0)])[0].array, both[..., ::-1])
    coarse = onnx_patches(tiny(), normalization=PLAIN, layers=["coarse"])
    alone = coarse.extract_batch([unit(0)])[0].array
    assert alone.shape == (6, 8, 1)  # on its own grid, for there is no finer one
    with pytest.raises(UnknownNameError, match=r"'fin'; did you mean 'fine'\? Known: coarse, fine"):
        OnnxBackbone(tiny(), layers=["fin"])
    with pytest.raises(InvalidInputError, match="layers must be a list"):
        OnnxBackbone(tiny(), layers="fine")


def test_batches_and_mixed_sizes_give_what_single_images_give() -> None:
    features = onnx_patches(tiny(), batch_size=2)
    images = [unit(0), unit(1), unit(2), unit(3, (32, 24)), unit(4)]
    together = features.extract_batch(images)
    for image, patches in zip(images, together, strict=True):
        np.testing.assert_array_equal(patches.array, features.extract_batch([image])[0].array)


def test_results_are_not_overwritten_by_the_next_call() -> None:
    features = onnx_patches(tiny())
    first = features.extract_batch([unit(0)])[0].array
    kept = first.copy()
    features.extract_batch([unit(1)])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_threads_may_share_an_extractor(engine: str) -> None:
    try:
        features = onnx_patches(tiny(), engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    images = [unit(seed, (24 + 4 * (seed % 3), 32)) for seed in range(8)]
    expected = [features.extract_batch([image])[0].array for image in images]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            patches = features.extract_batch([images[number]])[0].array
            if not np.array_equal(patches, expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_its_bytes_and_a_pickled_copy_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tiny.onnx"
    file.write_bytes(tiny())
    features = build_features(str(file), layers=["fine"])
    assert isinstance(features, LayerPatches)
    assert isinstance(features.backbone, OnnxBackbone)
    expected = features.extract_batch([unit(0)])[0].array
    again = onnx_patches(features.backbone.onnx_bytes(), layers=["fine"], name="tiny.onnx")
    for other in (
        again,
        pickle.loads(pickle.dumps(features)),
        build_features(file, layers=["fine"]),
    ):
        np.testing.assert_array_equal(other.extract_batch([unit(0)])[0].array, expected)
        assert other.describe() == features.describe()
    assert features.describe() == {
        "backbone": "tiny.onnx",
        "layers": ["fine"],
        "normalization": [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]],
        "engine": "opencv-classic",
        "weights": "tiny.onnx",
        "weights_bytes": len(tiny()),
        "weights_sha256": hashlib.sha256(tiny()).hexdigest(),
    }


def test_an_exported_model_says_what_it_is_and_refuses_another_normalization() -> None:
    said = {
        "pyimgano_version": "0",
        "backbone": "tinynet",
        "weights": "tiny.pth",
        "weights_sha256": "00",
        "normalization": "[[0, 0, 0], [1, 1, 1]]",
    }
    data = with_metadata(tiny(), said)
    assert load_onnx(data).metadata == said
    features = onnx_patches(data)
    assert features.describe()["normalization"] == [[0, 0, 0], [1, 1, 1]]
    assert features.describe()["backbone"] == "tinynet"
    assert features.describe()["exported_from"] == {"weights": "tiny.pth", "weights_sha256": "00"}
    expected = onnx_patches(tiny(), normalization=PLAIN).extract_batch([unit(0)])[0].array
    np.testing.assert_array_equal(features.extract_batch([unit(0)])[0].array, expected)
    with pytest.raises(InvalidInputError, match=r"needs normalization=\(\[0.0, 0.0, 0.0\]"):
        OnnxBackbone(data, normalization="imagenet")
    broken = with_metadata(tiny(), {**said, "normalization": "[1"})
    with pytest.raises(WeightsError, match="names no valid normalization"):
        OnnxBackbone(broken, normalization=PLAIN)


def test_patchcore_with_an_onnx_backbone(tmp_path: Path) -> None:
    file = tmp_path / "tiny.onnx"
    file.write_bytes(tiny())
    images = [texture(seed) for seed in range(6)]
    detector = create_model("patchcore", backbone=str(file), image_size=(48, 64), coreset_ratio=1.0)
    detector.fit(images)
    assert detector.features_.describe()["engine"] == "opencv-classic"
    assert detector.memory_bank_.shape == (6 * 24 * 32, 2)
    rows, grid = detector._extract_patch_features(images[0])
    assert (rows.shape, grid) == ((24 * 32, 2), (24, 32))
    assert detector.decision_function([images[0]])[0] == pytest.approx(0, abs=1e-3)
    assert detector.get_anomaly_map(images[0]).shape == images[0].shape[:2]


def test_arguments_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "TINY.ONNX"
    file.write_bytes(tiny())
    assert isinstance(build_features(file, pretrained=False), LayerPatches)
    for backbone, given in (
        (str(file), {"weights": "w.pth"}),
        (str(file), {"device": "cuda"}),
        ("embedded", {"weights": "w.pth"}),
        ("embedded", {"device": "cuda"}),
        ("embedded", {"normalization": ((0.5,) * 3, (0.2,) * 3)}),
        ("filterbank", {"engine": "opencv"}),
        ("filterbank", {"layers": ["a"]}),
        ("filterbank", {"weights": "w.pth"}),
    ):
        ((name, value),) = given.items()
        told = re.escape(f"backbone {backbone!r} has no use for {name}={value!r}: leave out {name}")
        with pytest.raises(InvalidInputError, match=told):
            build_features(backbone, **given)
    with pytest.raises(UnknownNameError, match="'open-vino'; did you mean 'openvino'"):
        build_features(file, engine="open-vino")
    with pytest.raises(InvalidInputError, match="batch_size"):
        onnx_patches(tiny(), batch_size=0)


@pytest.mark.parametrize(("engine", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed_names_its_extra(
    engine: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(MissingDependencyError, match=f"{engine}.*needed for engine"):
        OnnxBackbone(tiny(), engine=engine)


def test_sizes_that_a_model_does_not_take_are_refused() -> None:
    fixed = onnx_patches(tiny(shape=(1, 3, 24, 32)))
    images = [unit(0), unit(1)]  # one by one, for the model takes no two
    assert [patches.array.shape for patches in fixed.extract_batch(images)] == [(12, 16, 2)] * 2
    with pytest.raises(
        InvalidInputError, match=r"32 x 24 pixels \(height x width\), only of 24 x 32: set image"
    ):
        fixed.extract_batch([unit(0, (32, 24))])
    with pytest.raises(WeightsError, match="batches of exactly 4 images"):
        OnnxBackbone(tiny(shape=(4, 3, None, None)))


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_an_image_that_is_too_small_is_refused(
    engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        features = onnx_patches(tiny(), engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    for size in ((1, 1), (2, 2)):
        with pytest.raises(InvalidInputError, match=f"{size[0]} x {size[1]} pixels"):
            features.extract_batch([unit(0, size)])
    assert features.extract_batch([unit(0, (4, 4))])[0].array.shape == (2, 2, 2)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("engine", FOR_ANY_MODEL)
def test_an_output_that_is_no_map_is_refused(engine: str) -> None:
    data = tiny(flat=True)
    try:
        features = onnx_patches(data, engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    with pytest.raises(
        BackboneError, match=r"layer 'coarse' gives float32 \(1, \d+\), not float32 feature map"
    ):
        features.extract_batch([unit(0)])
    onnx_patches(data, engine=engine, layers=["fine"]).extract_batch([unit(0)])


def test_a_model_that_an_engine_cannot_read_names_both(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    nodes = [node("Swish", ["image"], ["fine"])]  # of a later operator set than the model's
    info = [value("image", (None, 3, None, None))], [value("fine", (None, 3, None, None))]
    with pytest.raises(WeightsError, match="engine 'onnxruntime' cannot read .*'model.onnx'"):
        OnnxBackbone(model(graph(nodes, *info)), engine="onnxruntime")
    assert capfd.readouterr().err == ""


def test_pooling_of_arrays_keeps_grids_that_are_no_multiples() -> None:
    rng = np.random.default_rng(0)
    fine, coarse = (
        rng.random((2, c, *s), dtype=np.float32) for c, s in ((3, (25, 39)), (5, (13, 20)))
    )
    patches = aggregate_arrays([fine, coarse])
    assert (patches.shape, patches.flags.c_contiguous) == ((2, 25, 39, 8), True)
    flat = np.ones((1, 4, 6, 5), dtype=np.float32)
    (constant,) = aggregate_arrays([flat])
    assert constant[2, 2, 0] == pytest.approx(1)
    assert constant[0, 2, 0] == pytest.approx(6 / 9)  # zeros beyond the border count
    assert constant[0, 0, 0] == pytest.approx(4 / 9)
