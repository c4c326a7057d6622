from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, UnknownNameError, WeightsError
from pyimgano.features.normalization import resolve_normalization
from tests.conftest import texture

torch = pytest.importorskip("torch", reason="torch is not installed")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")

from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402
from pyimgano.features.patches.layer_maps import LayerPatches  # noqa: E402


def patches_of(name: str, *, batch_size: int = 8, **given: Any) -> LayerPatches:
    """The patches of a torchvision network."""
    return LayerPatches(TorchvisionBackbone(name, **given), batch_size=batch_size)


def unit(seed: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    return texture(seed, size).astype(np.float32) / 255


def saved(tmp_path: Path, network: torch.nn.Module, drop: str = "") -> Path:
    state = {k: v for k, v in network.state_dict().items() if not drop or not k.startswith(drop)}
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    return path


def test_resnet_patches_are_layer2_and_layer3_pooled_and_joined() -> None:
    features = patches_of("resnet18", pretrained=False)
    assert features.layers == ("layer2", "layer3")
    image = unit(0)
    patches = features.extract_batch([image])[0].array
    assert (patches.shape, patches.dtype) == ((8, 12, 128 + 256), np.float32)

    # The same by hand, on an unmodified torchvision network with the same seed.
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    mean, std = (np.array(v, np.float32) for v in resolve_normalization("imagenet"))
    x = torch.from_numpy(((image - mean) / std).transpose(2, 0, 1)[None])
    with torch.inference_mode():
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        two = network.layer2(network.layer1(x))
        three = network.layer3(two)
        pool = torch.nn.AvgPool2d(3, 1, 1)
        up = torch.nn.functional.interpolate(
            pool(three), size=two.shape[-2:], mode="bilinear", align_corners=False
        )
        expected = torch.cat([pool(two), up], 1)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(patches, expected, rtol=1e-4, atol=1e-5)


def test_copies_give_the_same_features() -> None:
    features = patches_of("resnet18", pretrained=False)
    expected = features.extract_batch([unit(0)])[0].array
    for twin in (copy.deepcopy(features), pickle.loads(pickle.dumps(features))):
        np.testing.assert_array_equal(twin.extract_batch([unit(0)])[0].array, expected)


def test_batches_and_mixed_sizes_give_what_single_images_give() -> None:
    features = patches_of("resnet18", pretrained=False, batch_size=2)
    images = [unit(0), unit(1), unit(2), unit(3, (96, 64)), unit(4)]
    together = features.extract_batch(images)
    assert [grid.shape for grid in together] == [(8, 12)] * 3 + [(12, 8), (8, 12)]
    for image, grid in zip(images, together, strict=True):
        alone = features.extract_batch([image])[0].array
        np.testing.assert_allclose(grid.array, alone, rtol=1e-4, atol=1e-5)


def test_random_weights_are_seeded_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = patches_of("resnet18", pretrained=False)
    assert torch.equal(torch.rand(3), expected)
    second = patches_of("resnet18", pretrained=False)
    a, b = (f.extract_batch([unit(0)])[0].array for f in (first, second))
    np.testing.assert_array_equal(a, b)


def test_a_file_needs_only_the_layers_in_use(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = torchvision.models.resnet18(weights=None)
    path = saved(tmp_path, network, drop="layer4")
    features = patches_of("resnet18", weights=path)
    assert features.describe()["weights"] == "weights.pth"
    assert len(features.describe()["weights_sha256"]) == 64
    wrapped = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, wrapped)
    again = patches_of("resnet18", weights=str(wrapped))
    a, b = (f.extract_batch([unit(0)])[0].array for f in (features, again))
    np.testing.assert_array_equal(a, b)


def test_a_file_that_lacks_a_layer_in_use_names_it(tmp_path: Path) -> None:
    path = saved(tmp_path, torchvision.models.resnet18(weights=None), drop="layer3.0.conv2")
    with pytest.raises(WeightsError, match=r"weights\.pth' lack layer 'layer3\.0\.conv2'"):
        TorchvisionBackbone("resnet18", weights=path)
    TorchvisionBackbone("resnet18", weights=path, layers=["layer1", "layer2"])  # not in use here


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, torchvision.models.squeezenet1_1(weights=None))
    with pytest.raises(WeightsError, match="lack layer 'conv1' of resnet18"):
        TorchvisionBackbone("resnet18", weights=path)
    path = saved(tmp_path, torchvision.models.resnet18(weights=None))
    with pytest.raises(WeightsError, match=r"do not fit wide_resnet50_2|lack layer"):
        TorchvisionBackbone("wide_resnet50_2", weights=path)


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="gone.pth' does not exist"):
        TorchvisionBackbone("resnet18", weights=tmp_path / "gone.pth")
    text = tmp_path / "text.pth"
    text.write_text("hello")
    with pytest.raises(WeightsError, match="text.pth' cannot be loaded"):
        TorchvisionBackbone("resnet18", weights=text)
    tensor = tmp_path / "tensor.pth"
    torch.save(torch.zeros(3), tensor)
    with pytest.raises(WeightsError, match="does not hold a state dict"):
        TorchvisionBackbone("resnet18", weights=tensor)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_a_file_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"conv1.weight": _Evil()}, path)
    with pytest.raises(WeightsError, match="evil.pth' cannot be loaded"):
        TorchvisionBackbone("resnet18", weights=path)
    assert "never" not in capsys.readouterr().out


def test_a_download_that_fails_names_both_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(WeightsError, match=r"no route.*weights=FILE.*backbone=\"embedded\""):
        TorchvisionBackbone("resnet18")


def test_the_default_weights_are_imagenet_v1(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    enum = torchvision.models.Wide_ResNet50_2_Weights

    def record(self: object, *_: object, **__: object) -> dict[str, object]:
        asked.append(self)
        return {}

    monkeypatch.setattr(enum, "get_state_dict", record)
    for weights in (None, "IMAGENET1K_V2", enum.IMAGENET1K_V2):
        with pytest.raises(WeightsError, match="lack layer 'conv1'"):
            TorchvisionBackbone("wide_resnet50_2", weights=weights)
    assert asked == [enum.IMAGENET1K_V1, enum.IMAGENET1K_V2, enum.IMAGENET1K_V2]


def test_weights_of_another_enum_are_refused() -> None:
    other = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    with pytest.raises(UnknownNameError, match="weights of resnet18"):
        TorchvisionBackbone("resnet18", weights=other)


def test_other_networks_need_layers_and_say_which_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"mobilenet_v2.*layers=\[.*features\.3"):
        TorchvisionBackbone("mobilenet_v2", pretrained=False)
    features = patches_of("mobilenet_v2", pretrained=False, layers=["features.6", "features.3"])
    patches = features.extract_batch([unit(0)])[0].array
    assert patches.shape == (16, 24, 32 + 24)  # on the finer grid, in the order given


@pytest.mark.parametrize(
    ("name", "layers", "depth"),
    [
        ("squeezenet1_1", ["features.7"], 256),
        ("efficientnet_b0", ["features.3"], 40),
        ("densenet121", ["features.denseblock2"], 512),
        ("swin_t", ["features.3"], 192),
        ("googlenet", ["inception3b"], 480),
    ],
)
def test_any_backbone_with_feature_maps_works(name: str, layers: list[str], depth: int) -> None:
    features = patches_of(name, pretrained=False, layers=layers)
    patches = features.extract_batch([unit(0)])[0].array
    assert patches.shape[2] == depth
    assert np.isfinite(patches).all()


def test_unknown_names_list_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="'resnet19'; did you mean 'resnet18'"):
        TorchvisionBackbone("resnet19", pretrained=False)
    with pytest.raises(UnknownNameError, match="'layer33'; did you mean 'layer3'"):
        TorchvisionBackbone("resnet18", pretrained=False, layers=["layer33"])
    with pytest.raises(InvalidInputError, match="layers must be a list"):
        TorchvisionBackbone("resnet18", pretrained=False, layers="layer2")


def test_a_layer_without_a_map_is_refused() -> None:
    features = patches_of("resnet18", pretrained=False, layers=["fc"])
    with pytest.raises(InvalidInputError, match="layer 'fc' .* not a feature map"):
        features.extract_batch([unit(0)])


def test_normalization_is_checked() -> None:
    assert resolve_normalization(([0.5] * 3, [0.5] * 3)) == ([0.5] * 3, [0.5] * 3)
    for wrong in ("caffe", ([0.5], [0.5]), ([0.5] * 3, [0.5, 0.5, 0.0]), 3):
        with pytest.raises(InvalidInputError, match="normalization"):
            resolve_normalization(wrong)  # type: ignore[arg-type]


def test_the_real_file_loads_and_is_identified(resnet18_file: Path) -> None:
    features = patches_of("resnet18", weights=resnet18_file)
    patches = features.extract_batch([unit(0, (256, 256))])[0].array
    assert patches.shape == (32, 32, 384)
    assert np.isfinite(patches).all()
    with pytest.raises(WeightsError, match="lack layer 'layer4"):
        TorchvisionBackbone("resnet18", weights=resnet18_file, layers=["layer4"])
