"""The network that comes with the package: its file, its maps, sizes, threads, engines."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pyimgano.errors import BackboneError, InvalidInputError, UnknownNameError
from pyimgano.extend import check_backbone
from pyimgano.features import build_features
from pyimgano.features.backbones.base import LayerInfo
from pyimgano.features.backbones.embedded import networks
from pyimgano.features.backbones.embedded.backbone import EmbeddedBackbone
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST, read_network
from pyimgano.features.normalization import IMAGENET, normalised
from tests.conftest import REPO, texture
from tests.kernels.support import simd_levels

ALL = ("layer1", "layer2", "layer3")


def batch(n: int, size: tuple[int, int] = (64, 96), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 3, *size)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> EmbeddedBackbone:
    return EmbeddedBackbone(layers=ALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the released networks, to be damaged."""
    for name in NETWORKS:
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((networks.FOLDER / file).read_bytes())
    monkeypatch.setattr(networks, "FOLDER", tmp_path)
    return tmp_path


def test_every_released_network_is_there_with_its_card_and_they_are_small() -> None:
    files = {path.name: path.stat().st_size for path in networks.FOLDER.iterdir()}
    assert files.keys() == {f"{n}.{end}" for n in NETWORKS for end in ("md", "safetensors")}
    assert sum(files.values()) <= 3_000_000
    for name, sha256 in NETWORKS.items():
        assert sha256 in (networks.FOLDER / f"{name}.md").read_text(), "its card is of another"
        assert all(array.dtype == np.float32 for array in read_network(name).values())


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_damaged_network_is_one_error_that_says_reinstall(damage: str, folder: Path) -> None:
    path = folder / f"{NEWEST}.safetensors"
    content = path.read_bytes()
    if damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    with pytest.raises(BackboneError, match=rf"{NEWEST}\.safetensors, .*: reinstall pyimgano"):
        build_features("embedded")


def test_it_gives_the_maps_of_the_trained_network(network: EmbeddedBackbone) -> None:
    torch = pytest.importorskip("torch")
    from training.network import read_network as in_torch

    student, _ = in_torch(networks.FOLDER / f"{NEWEST}.safetensors")
    for size in ((64, 96), (57, 41), (9, 7), (1, 1)):
        images = batch(2, size)
        with torch.inference_mode():
            one, two, three = student(torch.from_numpy(images))
        layers = halved(one), two, three
        for found, expected in zip(network.layer_maps(images), layers, strict=True):
            expected = expected.numpy()
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def halved(maps: Any) -> Any:
    """Means over 2 x 2 of those over 3 x 3, zeros beyond the border."""
    from torch.nn import functional

    height, width = maps.shape[2:]
    smooth = functional.avg_pool2d(maps, 3, stride=1, padding=1)
    even = functional.pad(smooth, (0, width % 2, 0, height % 2))
    return functional.avg_pool2d(even, 2)


@pytest.mark.parametrize("engine", ["rust", "opencv"])
def test_neither_threads_nor_batches_nor_sizes_in_between_change_a_map(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = EmbeddedBackbone(layers=ALL, engine=engine)
    images, before = batch(5), cv2.getNumThreads()
    expected = network.layer_maps(images)
    try:
        for threads in (1, 2, 4):
            monkeypatch.setenv("PYIMGANO_NUM_THREADS", str(threads))
            cv2.setNumThreads(threads)
            network.layer_maps(batch(1, (33, 40)))
            alone = [network.layer_maps(images[i : i + 1]) for i in range(len(images))]
            for i, maps in enumerate(expected):
                np.testing.assert_array_equal(network.layer_maps(images)[i], maps)
                np.testing.assert_array_equal(np.concatenate([one[i] for one in alone]), maps)
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("level", simd_levels())
def test_every_instruction_set_gives_the_maps_of_the_trained_network(
    level: str, network: EmbeddedBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = batch(2, (256, 256))
    other = EmbeddedBackbone(layers=ALL, engine="opencv")
    monkeypatch.setenv("PYIMGANO_SIMD", level)
    for a, b in zip(network.layer_maps(images), other.layer_maps(images), strict=True):
        assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


@pytest.mark.parametrize("engine", ["opencv", "onnxruntime", "openvino"])
def test_engines_agree(engine: str, network: EmbeddedBackbone) -> None:
    if engine != "opencv":
        pytest.importorskip(engine)
    assert network.info.origin["engine"] == "rust"
    other = EmbeddedBackbone(layers=ALL, engine=engine)
    assert other.info.origin["engine"] == engine
    images = batch(2)
    for a, b in zip(network.layer_maps(images), other.layer_maps(images), strict=True):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(a).max()


def test_a_network_that_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"embedded network 'embedded-9'.*embedded-1"):
        EmbeddedBackbone(network="embedded-9")


def test_layers_are_chosen_by_name_and_in_that_order(network: EmbeddedBackbone) -> None:
    images = batch(1)
    one, two, three = network.layer_maps(images)
    for layers, expected in (
        (["layer1"], [one]),
        (["layer2"], [two]),
        (["layer3"], [three]),
        (["layer3", "layer2"], [three, two]),
        (["layer2", "layer1"], [two, one]),
    ):
        chosen = EmbeddedBackbone(layers=layers)
        assert [layer.name for layer in chosen.info.layers] == layers
        for a, b in zip(chosen.layer_maps(images), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(UnknownNameError, match="layer of embedded.*'layer4'"):
        build_features("embedded", layers=["layer4"])
    with pytest.raises(InvalidInputError, match="layers"):
        EmbeddedBackbone(layers="layer2")


def test_it_is_what_its_info_says(network: EmbeddedBackbone) -> None:
    check_backbone(network)
    assert network.info.layers == (
        LayerInfo("layer1", 64, 8, averaged=True),
        LayerInfo("layer2", 128, 8),
        LayerInfo("layer3", 256, 16),
    )
    assert network.info.origin["network_sha256"] == NETWORKS[NEWEST]
    features = build_features("embedded", layers=ALL, pretrained=False)
    (grid,) = features.extract_batch([texture(0, (50, 70)).astype(np.float32) / 255])
    assert (grid.shape, grid.rows.shape) == ((7, 9), (63, 448))


def test_layer1_is_given_to_those_who_ask_for_it() -> None:
    assert [layer.name for layer in EmbeddedBackbone().info.layers] == ["layer2", "layer3"]
    image = texture(0, (64, 64)).astype(np.float32) / 255
    rows = {
        layers: build_features("embedded", layers=layers).extract_batch([image])[0].rows
        for layers in (None, ALL, ("layer1", "layer3"), ("layer1",))
    }
    np.testing.assert_array_equal(rows[ALL][:, 64:], rows[None])
    np.testing.assert_array_equal(rows[ALL][:, :64], rows["layer1",])
    np.testing.assert_array_equal(rows["layer1", "layer3"][:, :64], rows["layer1",])
    np.testing.assert_array_equal(rows["layer1", "layer3"][:, 64:], rows[None][:, 128:])
    # As the backbone gives it, and not averaged once more.
    (one,) = EmbeddedBackbone(layers=["layer1"]).layer_maps(normalised([image], IMAGENET))
    np.testing.assert_array_equal(rows["layer1",], one[0].reshape(64, -1).T)


def test_copies_hold_no_weights_and_give_the_same(network: EmbeddedBackbone) -> None:
    data = pickle.dumps(network)
    assert len(data) < 1000
    images = batch(1)
    for other in (pickle.loads(data), copy.deepcopy(network)):
        for a, b in zip(network.layer_maps(images), other.layer_maps(images), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_core_install_runs_it() -> None:
    program = """
import sys, numpy as np
for name in ("torch", "torchvision", "onnx", "onnxruntime", "openvino", "timm"):
    sys.modules[name] = None  # importing it fails
import pyimgano
images = [np.random.default_rng(i).integers(0, 255, (40, 40, 3), np.uint8) for i in range(10)]
detector = pyimgano.create_model("patchcore", backbone="embedded", image_size=40).fit(images)
assert detector.memory_bank_.shape[1] == 384
assert len(detector.predict(images)) == 10
"""
    environment = {**os.environ, "PYTHONPATH": os.fspath(REPO / "python")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
