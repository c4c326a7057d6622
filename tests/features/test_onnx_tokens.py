"""Transformers' outputs of tokens, the engine that runs them, and shape arithmetic beforehand."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import (
    InvalidInputError,
    MissingDependencyError,
    UnknownNameError,
    WeightsError,
)
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.file import load_onnx
from pyimgano.features.backbones.onnx.reader.fold import fold
from pyimgano.models import create_model
from pyimgano.persistence import load
from tests.conftest import texture
from tests.features.onnx_support import (
    FOR_ANY_MODEL,
    graph,
    model,
    node,
    onnx_patches,
    tensor,
    tiny,
    value,
)

CHANNELS = 5


def transformer(
    prefix: int, patch: int, shape: tuple[int | None, ...], *, attention: bool = True
) -> bytes:
    """Tokens of one block of attention; the first ones, ``prefix``, are made of the last patches.

    Heights and widths are computed in the graph, as exporters leave it.
    """
    weights = np.random.default_rng(0).normal(size=(CHANNELS, 3, patch, patch)) / patch
    parts = [
        tensor("patch_weight", weights),
        tensor("zero", np.int64([0])),
        tensor("one", np.int64([1])),
        tensor("end", np.int64([1 << 40])),
        tensor("start", np.int64([-prefix])),
        tensor("rest", np.int64([-1])),
        tensor("channels", np.int64([CHANNELS])),
        node(
            "Conv",
            ["image", "patch_weight"],
            ["grid"],
            kernel_shape=(patch, patch),
            strides=(patch, patch),
        ),
        node("Shape", ["image"], ["sides"]),
        node("Gather", ["sides", "zero"], ["n"], axis=0),
        node("Concat", ["n", "channels", "rest"], ["flat_shape"], axis=0),
        node("Reshape", ["grid", "flat_shape"], ["flat"]),
        node("Transpose", ["flat"], ["patches"], perm=(0, 2, 1)),
    ]
    before = "patches"
    if prefix:
        parts += [
            node("Slice", ["patches", "start", "end", "one"], ["first"]),
            node("Concat", ["first", "patches"], ["all"], axis=1),
        ]
        before = "all"
    if attention:
        parts += [
            node("Transpose", [before], ["turned"], perm=(0, 2, 1)),
            node("MatMul", [before, "turned"], ["likeness"]),
            node("Softmax", ["likeness"], ["shares"], axis=-1),
            node("MatMul", ["shares", before], ["tokens"]),
        ]
    else:
        parts.append(node("Relu", [before], ["tokens"]))
    outputs = [value("tokens", (None, None, CHANNELS))]
    return model(graph(parts, [value("image", shape)], outputs))


def by_hand(batch: np.ndarray, prefix: int, patch: int) -> np.ndarray:
    """Maps of the same in NumPy, from the patches alone and the first tokens."""
    weights = np.random.default_rng(0).normal(size=(CHANNELS, 3, patch, patch)) / patch
    weights = weights.astype(np.float32)
    n, _, height, width = batch.shape
    rows, columns = height // patch, width // patch
    cut = batch.reshape(n, 3, rows, patch, columns, patch)
    tokens = np.einsum("nchpwq,dcpq->nhwd", cut, weights).reshape(n, rows * columns, CHANNELS)
    if prefix:
        tokens = np.concatenate([tokens[:, -prefix:], tokens], axis=1)
    likeness = np.exp(tokens @ tokens.transpose(0, 2, 1))
    mixed = likeness / likeness.sum(axis=-1, keepdims=True) @ tokens
    return mixed[:, prefix:].reshape(n, rows, columns, CHANNELS).transpose(0, 3, 1, 2)


def noise(n: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).random((n, 3, height, width), dtype=np.float32)


def run_by(engine: str, data: bytes, **given: Any) -> OnnxBackbone:
    try:
        return OnnxBackbone(data, engine=engine, **given)
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("engine", FOR_ANY_MODEL)
@pytest.mark.parametrize(
    ("prefix", "patch", "size"), [(0, 16, (64, 96)), (1, 14, (112, 112)), (5, 14, (112, 56))]
)
def test_tokens_become_maps_without_those_before_the_patches(
    engine: str, prefix: int, patch: int, size: tuple[int, int]
) -> None:
    network = run_by(engine, transformer(prefix, patch, (None, 3, *size)))
    assert network.info.layers[0].stride == patch
    assert network.info.layers[0].channels == CHANNELS
    assert network.info.fixed_size == size
    for n in (1, 3):
        (found,) = network.layer_maps(noise(n, *size))
        expected = by_hand(noise(n, *size), prefix, patch)
        assert found.shape == expected.shape == (n, CHANNELS, size[0] // patch, size[1] // patch)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_model_of_any_size_takes_multiples_of_its_patches() -> None:
    features = onnx_patches(transformer(1, 14, (None, 3, None, None)))
    info = features.backbone.info
    assert (info.size_multiple, info.fixed_size, info.layers[0].stride) == (14, (None, None), 14)
    for size in ((56, 84), (28, 140)):
        (found,) = features.backbone.layer_maps(noise(2, *size))
        np.testing.assert_allclose(found, by_hand(noise(2, *size), 1, 14), rtol=1e-5, atol=1e-6)
    with pytest.raises(
        InvalidInputError,
        match=r"60 x 84 pixels .*, only of multiples of 14, such as 56 x 84 or 70 x 84: set",
    ):
        features.extract_batch([np.zeros((60, 84, 3), np.float32)])


def test_what_can_be_read_in_two_ways_is_said_in_the_name_of_the_layer() -> None:
    data = transformer(1, 16, (None, 3, 48, 48))  # 1 + 3 x 3 tokens, or 6 + 2 x 2
    with pytest.raises(
        WeightsError,
        match=r"output 'tokens' of ONNX model 'vit.onnx' gives \(1, 10, 5\) for an image of 48 x 48"
        r" pixels: .* in more than one way; .* as 'tokens\[1:\]' or 'tokens\[6:\]'",
    ):
        OnnxBackbone(data, name="vit.onnx")
    one, six = (OnnxBackbone(data, layers=[f"tokens[{k}:]"]) for k in (1, 6))
    np.testing.assert_allclose(
        one.layer_maps(noise(1, 48, 48))[0], by_hand(noise(1, 48, 48), 1, 16), rtol=1e-5, atol=1e-6
    )
    assert six.layer_maps(noise(1, 48, 48))[0].shape == (1, CHANNELS, 2, 2)
    assert [one.info.layers[0].name, six.info.layers[0].stride] == ["tokens[1:]", 24]


@pytest.mark.parametrize(("layers", "before"), [(None, "0 to 8"), (["tokens[3:]"], "3")])
def test_tokens_that_are_no_grid_are_refused(layers: list[str] | None, before: str) -> None:
    # Twelve tokens before the patches, more than any network has, and an image of another shape.
    data = transformer(12, 14, (None, 3, 112, 112))
    told = (
        "output 'tokens' of ONNX model 'vit.onnx' gives (1, 76, 5) for an image of 112 x 112"
        f" pixels: neither a feature map (n, channels, height, width) nor, after {before} others,"
        " tokens of a grid of square patches. Choose another output, or say in layers= how many"
        " tokens come before the patches, as 'tokens[5:]'"
    )
    with pytest.raises(WeightsError, match=re.escape(told)):
        OnnxBackbone(data, layers=layers, name="vit.onnx")
    told_by_name = OnnxBackbone(data, layers=["tokens[12:]"])
    assert told_by_name.layer_maps(noise(1, 112, 112))[0].shape == (1, CHANNELS, 8, 8)


def test_only_tokens_can_be_dropped() -> None:
    with pytest.raises(InvalidInputError, match=r"'fine\[1:\]': output 'fine' .* gives no tokens"):
        OnnxBackbone(tiny(), layers=["fine[1:]"])
    with pytest.raises(UnknownNameError, match=r"'token\[1:\]'.* Known: tokens"):
        OnnxBackbone(transformer(1, 14, (None, 3, 112, 112)), layers=["token[1:]"])


def is_classic(backbone: OnnxBackbone) -> bool:
    """Which engine OpenCV took in fact: the classic one has a layer for the input."""
    return "__NetInputLayer__" in backbone._engine._net.getLayerTypes()


def test_opencv_runs_convolutions_by_its_classic_engine_and_all_else_by_its_new_one() -> None:
    for attention in (True, False):
        model = transformer(1, 14, (None, 3, 112, 112), attention=attention)
        found = OnnxBackbone(model)
        assert (found.engine, is_classic(found)) == ("opencv-new", False)
        with pytest.raises(WeightsError, match=r'classic.* has .*, too: use engine="opencv-new"'):
            OnnxBackbone(model, engine="opencv-classic")
    found = OnnxBackbone(tiny())
    assert (found.engine, is_classic(found)) == ("opencv-classic", True)
    assert found.info.origin["engine"] == "opencv-classic"
    for engine in ("opencv-new", "opencv-classic"):
        found = OnnxBackbone(tiny(), engine=engine)
        assert (found.engine, is_classic(found)) == (engine, engine == "opencv-classic")


def test_without_files_in_memory_the_engine_reads_one_on_disk_and_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = OnnxBackbone(tiny())
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = OnnxBackbone(tiny())
    assert is_classic(found)
    assert list(tmp_path.iterdir()) == []
    batch = np.random.default_rng(0).random((2, 3, 8, 12), np.float32)
    for one, other in zip(found.layer_maps(batch), usual.layer_maps(batch), strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match="'opencv-classic' cannot read ONNX model"):
        OnnxBackbone(tiny())


def test_a_detector_file_names_the_engine_and_takes_another(tmp_path: Path) -> None:
    vit, file = tmp_path / "vit.onnx", tmp_path / "part.pyimgano"
    vit.write_bytes(transformer(1, 14, (None, 3, 112, 112)))
    images = [texture(seed) for seed in range(10)]
    detector = create_model("patchcore", backbone=vit, image_size=112).fit(images)
    assert detector.features_.describe()["engine"] == "opencv-new"
    detector.save(file, embed_backbone=True)
    expected = detector.decision_function(images)
    for engine, by in ((None, "opencv-new"), ("opencv", "opencv-new")):
        again = load(file, engine=engine)
        assert again.features_.describe()["engine"] == by
        np.testing.assert_allclose(again.decision_function(images), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(
        InvalidInputError, match=r"224 x 224 pixels .*, only of 112 x 112: set image"
    ):
        create_model("patchcore", backbone=vit, image_size=224).fit(images)


def operators(data: bytes) -> list[str]:
    return [one.op for one in fold(load_onnx(data).graph).nodes]


def test_shape_arithmetic_of_a_fixed_size_is_done_beforehand() -> None:
    assert "Shape" in operators(transformer(1, 14, (None, 3, None, None)))  # of any size
    # The number of images is free: what is made of it is left to the engine.
    assert "Shape" in operators(transformer(1, 14, (None, 3, 112, 112)))
    single = operators(transformer(1, 14, (1, 3, 112, 112)))
    assert single == [
        *("Conv", "Reshape", "Transpose", "Slice", "Concat"),
        *("Transpose", "MatMul", "Softmax", "MatMul"),
    ]


def test_what_depends_on_the_number_of_images_is_not_written_down() -> None:
    parts = [
        node("Shape", ["image"], ["sides"]),
        tensor("at", np.int64([0, 2])),
        node("Gather", ["sides", "at"], ["both"], axis=0),
        tensor("height_at", np.int64([1])),
        node("Gather", ["both", "height_at"], ["height"], axis=0),
        node("Cast", ["both"], ["numbers"], to=1),
        node("Cast", ["height"], ["factor"], to=1),
        tensor("last", np.int64([3])),
        node("Gather", ["numbers", "zero"], ["n"], axis=0),
        tensor("zero", np.int64([0])),
        node("Mul", ["image", "n"], ["scaled"]),
        node("Mul", ["scaled", "factor"], ["map"]),
    ]
    ends = [value("image", (None, 3, 8, 8))], [value("map", (None, 3, 8, 8))]
    data = model(graph(parts, *ends))
    assert operators(data) == ["Shape", "Gather", "Cast", "Gather", "Mul", "Mul"]
    for n in (1, 2, 4):
        (found,) = OnnxBackbone(data).layer_maps(noise(n, 8, 8))
        np.testing.assert_allclose(found, noise(n, 8, 8) * n * 8, rtol=1e-6)
