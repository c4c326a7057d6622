"""Networks of the package that were given as objects are stored by the names that make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.embedded.backbone import EmbeddedBackbone
from pyimgano.models import PatchCore
from pyimgano.persistence.detector_file import check_storable
from tests.conftest import texture

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

TRAIN = [texture(i, (48, 48)) for i in range(4)]
TEST = [texture(9, (48, 48))]


def comes_back(backbone: Any, file: Path) -> Any:
    detector = PatchCore(backbone=backbone, image_size=48).fit(TRAIN)
    detector.save(file)
    loaded: Any = pyimgano.load(file)
    np.testing.assert_array_equal(loaded.decision_function(TEST), detector.decision_function(TEST))
    assert detector.backbone is backbone
    assert loaded.features_.backbone.info == detector.features_.backbone.info
    again = type(loaded)(**loaded.get_params()).fit(TRAIN)  # its parameters make the network anew
    np.testing.assert_array_equal(again.decision_function(TEST), detector.decision_function(TEST))
    return loaded


def test_the_embedded_network(tmp_path: Path) -> None:
    loaded = comes_back(EmbeddedBackbone(layers=["layer3"], engine="opencv"), tmp_path / "part")
    assert (loaded.backbone, loaded.layers, loaded.engine) == ("embedded", ["layer3"], "opencv")


def test_a_network_of_torchvision(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    models = pytest.importorskip("torchvision.models", reason="needs the extra torch")
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone

    weights = tmp_path / "mine.pth"
    torch.manual_seed(1)
    torch.save(models.resnet18(weights=None).state_dict(), weights)
    given: dict[str, Any] = {"layers": ["layer1"], "normalization": ((0.5,) * 3, (0.25,) * 3)}
    loaded = comes_back(
        TorchvisionBackbone("resnet18", weights=weights, **given), tmp_path / "part"
    )
    assert (loaded.backbone, loaded.layers) == ("resnet18", ["layer1"])
    assert Path(loaded.weights) == weights
    random = TorchvisionBackbone("resnet18", pretrained=False, layers=["layer1"])
    assert comes_back(random, tmp_path / "random").pretrained is False


def test_a_network_of_timm(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="needs the extra timm")
    from pyimgano.features.backbones.timm import TimmBackbone

    network = TimmBackbone(
        "test_vit", pretrained=False, layers=["blocks.2"], position_embedding="timm"
    )
    loaded = comes_back(network, tmp_path / "part")
    assert loaded.backbone == "timm:test_vit"
    assert loaded.layers == ["blocks.2"]
    assert loaded.position_embedding == "timm"


def test_a_network_that_was_changed_after_it_was_made_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone

    network = TorchvisionBackbone("resnet18", pretrained=False, layers=["layer1"])
    with torch.no_grad():
        network.body.get_parameter("conv1.weight").mul_(2)
    detector = PatchCore(backbone=network, image_size=48).fit(TRAIN)
    told = r"PatchCore cannot be stored: .*'resnet18' were changed after it was made.*weights=FILE"
    with pytest.raises(InvalidInputError, match=told):
        detector.save(tmp_path / "part")
    with pytest.raises(InvalidInputError, match=told):
        check_storable(detector, bank_dtype="float32", embed_backbone=False)
    assert list(tmp_path.iterdir()) == []
    torch.save(network.body.state_dict(), tmp_path / "tuned.pth")
    tuned = TorchvisionBackbone("resnet18", weights=tmp_path / "tuned.pth", layers=["layer1"])
    found = comes_back(tuned, tmp_path / "part").decision_function(TEST)
    np.testing.assert_array_equal(found, detector.decision_function(TEST))


def test_a_network_by_name_that_was_changed_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    detector: Any = PatchCore(
        backbone="resnet18", pretrained=False, layers=["layer1"], image_size=48
    ).fit(TRAIN)
    with torch.no_grad():
        detector.features_.backbone.body.get_parameter("conv1.weight").mul_(2)
    with pytest.raises(InvalidInputError, match="were changed after it was made"):
        detector.save(tmp_path / "part")


def test_what_a_subclass_does_differently_would_be_lost(tmp_path: Path) -> None:
    class Mine(EmbeddedBackbone):
        kind = "mine"

    detector = PatchCore(backbone=Mine(), image_size=48).fit(TRAIN)
    with pytest.raises(InvalidInputError, match="PatchCore cannot be stored"):
        detector.save(tmp_path / "part")
