"""Files that are no ONNX model of images, or are damaged: each is one clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import WeightsError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.file import load_onnx
from tests.features.onnx_support import convolution, graph, model, tiny, value, varint


def test_files_that_are_no_model_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsError, match=r"gone\.onnx' does not exist or is not a file"):
        OnnxBackbone(tmp_path / "gone.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(WeightsError, match=r"folder\.onnx' does not exist or is not a file"):
        OnnxBackbone(tmp_path / "folder.onnx")
    file = tmp_path / "bad.onnx"
    whole = tiny()
    for content in (
        b"",
        b"hello",
        b"\x89PNG\r\n",
        bytes(1000),
        whole[:-1],
        whole[: len(whole) // 2],
    ):
        file.write_bytes(content)
        with pytest.raises(WeightsError, match=r"'bad\.onnx' is no ONNX file, or is damaged: "):
            OnnxBackbone(file)
    assert capfd.readouterr().err == ""


def test_inputs_that_are_no_images_are_refused() -> None:
    nodes = convolution("image", "fine")
    out = [value("fine", (None, 1, None, None))]
    cases = {
        r"'image' .* must be float32 \(n, 3, height, width\), RGB; it is float32 \(\?x1x\?x\?\)": [
            value("image", (None, 1, None, None))
        ],
        r"it is float32 \(\?x3\)": [value("image", (None, 3))],
        r"it is of ONNX type 2 \(\?x3x8x8\)": [value("image", (None, 3, 8, 8), kind=2)],
        "it has 2: image, mask": [value("image", (1, 3, 8, 8)), value("mask", (1, 1, 8, 8))],
        "it has 0: none": [],
    }
    for message, inputs in cases.items():
        with pytest.raises(WeightsError, match=message):
            OnnxBackbone(model(graph(nodes, inputs, out)))
    with pytest.raises(WeightsError, match="has no outputs"):
        OnnxBackbone(model(graph(nodes, [value("image", (None, 3, None, None))], [])))


def test_weights_in_other_files_are_refused() -> None:
    data = tiny(external="../secret")
    with pytest.raises(WeightsError, match=r"other files \(tensor 'fine_weight'\): save it as one"):
        OnnxBackbone(data)


def test_every_byte_of_a_file_may_be_wrong() -> None:
    """Reading what a file says about itself ends in an answer or in one error."""
    rng = np.random.default_rng(0)
    whole = tiny()
    refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=rng.integers(1, 4)):
            data[at] = rng.integers(256)
        try:
            load_onnx(bytes(data))
        except WeightsError:
            refused += 1
    assert 300 < refused < 3000


def test_lengths_that_lie_are_refused_without_allocating() -> None:
    huge = varint(7 << 3 | 2) + varint(1 << 62)
    with pytest.raises(WeightsError, match="ends too early"):
        load_onnx(huge)
    with pytest.raises(WeightsError, match="more than 64 bits"):
        load_onnx(b"\xff" * 20)
