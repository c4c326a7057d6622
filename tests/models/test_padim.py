from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError
from pyimgano.models.padim import PaDiM
from tests.conftest import texture, with_blot


def part(seed: int) -> np.ndarray:
    """One surface in the same place, and something of its own."""
    own = texture(seed, (32, 40)).astype(float)
    return (0.6 * texture(99, (32, 40)) + 0.4 * own).astype(np.uint8)


TRAIN = [part(i) for i in range(10)]
TEST = [part(30), with_blot(part(31))]


def test_a_defect_stands_out_and_the_threshold_comes_from_held_out_images() -> None:
    detector = PaDiM(backbone="filterbank", image_size=32, n_features=20).fit(TRAIN)
    good, bad = detector.iter_predict(TEST)
    assert bad.score > 1.5 * good.score
    row, column = np.unravel_index(np.argmax(bad.anomaly_map), (32, 40))
    assert 12 <= row < 32
    assert 20 <= column < 40
    assert detector.threshold_ == detector.decision_scores_.max()
    assert "each left out of what was learnt" in detector.threshold_source_
    # A law that has seen an image calls it less odd.
    assert (detector.decision_scores_ > detector.decision_function(TRAIN)).all()


def test_by_default_the_score_is_the_largest_value_of_the_map() -> None:
    detector = PaDiM(backbone="embedded", image_size=(32, 40), n_features=20).fit(TRAIN)
    for found in detector.iter_predict(TEST):
        assert found.anomaly_map is not None
        assert found.score == found.anomaly_map.max()
    without = detector.decision_function(TEST)
    np.testing.assert_array_equal(without, [one.score for one in detector.iter_predict(TEST)])
    assert detector.threshold_ == detector.map_threshold_
    patches = PaDiM(backbone="embedded", image_size=(32, 40), n_features=20, image_score="max").fit(
        TRAIN
    )
    assert (patches.decision_function(TEST) > without).all()


@pytest.mark.parametrize(
    "params", [{}, {"selection": "principal", "image_score": ("map_top", 0.1)}]
)
def test_it_comes_back_from_a_file(tmp_path: Path, params: dict[str, Any]) -> None:
    file = tmp_path / "lid.pyimgano"
    detector = PaDiM(backbone="embedded", image_size=32, n_features=12, **params).fit(TRAIN)
    detector.save(file)
    loaded: Any = pyimgano.load(file)
    assert loaded.get_params() == detector.get_params()
    for one, other in zip(loaded.iter_predict(TEST), detector.iter_predict(TEST), strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)


def test_images_of_different_sizes_are_an_error_that_says_what_to_set() -> None:
    with pytest.raises(InvalidInputError, match="image_size"):
        PaDiM(backbone="embedded", image_size=None).fit([*TRAIN, texture(1, (48, 48))])


def test_a_resnet_gives_three_layers() -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    detector = PaDiM(pretrained=False, image_size=32, n_features=8).fit(TRAIN[:3])
    layers: Any = detector.features_
    assert layers.layers == ("layer1", "layer2", "layer3")
    rows, shape = detector._extract_patch_features(TRAIN[0])
    assert shape == (8, 8)
    grid = rows.reshape(8, 8, -1)
    # A value of layer3 stands for 4 x 4 places.
    assert grid.shape[2] == 64 + 128 + 256
    np.testing.assert_array_equal(grid[:4, :4, 192:] - grid[0, 0, 192:], np.zeros((4, 4, 256)))


def test_it_agrees_with_anomalib_s_on_the_same_network_and_channels() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    padim = pytest.importorskip(
        "anomalib.models.image.padim.torch_model", reason="needs the extra anomalib"
    )
    from pyimgano.features.patches.layer_maps import LayerPatches

    # anomalib adds 0.01 and then 0.00001 to each variance.
    ours = PaDiM(pretrained=False, image_size=64, n_features=16, regularization=0.01001)
    train = [texture(i, (64, 64)) for i in range(6)]
    ours.fit(train)
    patches: Any = ours.features_
    assert isinstance(patches, LayerPatches)
    network: Any = patches.backbone
    theirs = padim.PadimModel(backbone="resnet18", pre_trained=False, n_features=16)
    # The same weights: torchvision's names are timm's.
    theirs.feature_extractor.load_state_dict(
        {f"feature_extractor.{k}": v for k, v in network.body.state_dict().items()}, strict=False
    )
    theirs.idx = torch.from_numpy(np.flatnonzero(ours.scorer_.axes_.any(axis=1)))

    def batch(images: list[np.ndarray]) -> Any:
        from pyimgano.features.normalization import normalised, resolve_normalization

        pixels = [ours._preprocessor.load(image).pixels for image in images]
        return torch.from_numpy(normalised(pixels, resolve_normalization("imagenet")))

    theirs.train()
    theirs.feature_extractor.eval()
    theirs(batch(train))
    theirs.fit()
    theirs.eval()
    test = [texture(30, (64, 64)), with_blot(texture(31, (64, 64)))]
    found = theirs(batch(test))
    maps = np.array(ours.predict_anomaly_map(test))
    np.testing.assert_allclose(maps, found.anomaly_map[:, 0].numpy(), rtol=1e-4)
    np.testing.assert_allclose(
        ours.decision_function(test), found.pred_score.numpy().ravel(), rtol=1e-4
    )
