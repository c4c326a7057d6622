"""Networks of timm: blocks, files of weights, tables of positions, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.errors import InvalidInputError, UnknownNameError, WeightsError
from pyimgano.extend import LayerInfo, check_backbone
from tests.conftest import texture

torch = pytest.importorskip("torch", reason="needs the extra timm")
timm = pytest.importorskip("timm", reason="needs the extra timm")

from pyimgano.features.backbones.timm import TimmBackbone  # noqa: E402
from tests.features.timm_files import (  # noqa: E402
    DINOV2,
    DINOV2_REG,
    DINOV3,
    GRID,
    State,
    batch_for,
    dinov2_hub,
    dinov3_hub,
    network_of,
    saved,
)
from tests.reference.positions import antialiased, weights_between  # noqa: E402


@pytest.fixture(scope="module")
def states() -> dict[str, State]:
    names = (DINOV2, DINOV2_REG, DINOV3, f"{DINOV3}_qkvb")
    return {name: network_of(name).state_dict() for name in names}


def maps_of(backbone: TimmBackbone, batch: np.ndarray) -> list[np.ndarray]:
    return [one.numpy() for one in backbone.layer_maps(batch)]


@pytest.mark.parametrize(
    ("name", "patch", "to_hub"),
    [
        (DINOV2, 14, dinov2_hub),
        (DINOV2_REG, 14, dinov2_hub),
        (DINOV3, 16, dinov3_hub),
        (f"{DINOV3}_qkvb", 16, dinov3_hub),
        pytest.param("vit_base_patch14_dinov2", 14, dinov2_hub, marks=pytest.mark.slow),
        pytest.param("vit_base_patch16_dinov3", 16, dinov3_hub, marks=pytest.mark.slow),
    ],
)
def test_files_of_the_authors_and_of_timm_give_the_same_features(
    name: str,
    patch: int,
    to_hub: Callable[[State], State],
    states: dict[str, State],
    tmp_path: Path,
) -> None:
    state = states[name] if name in states else network_of(name).state_dict()
    files = [
        saved(state, tmp_path / "timm.safetensors"),
        saved(state, tmp_path / "timm.pth"),
        saved({"model": to_hub(state)}, tmp_path / "hub.pth"),
    ]
    layers = ["blocks.1", "blocks.2+norm"]
    found = [
        maps_of(TimmBackbone(name, weights=file, layers=layers), batch_for(patch)) for file in files
    ]
    assert found[0][0].shape == (2, state["cls_token"].shape[2], *GRID)
    assert float(np.abs(found[0][0]).max()) > 0.1
    for other in found[1:]:
        np.testing.assert_allclose(other[0], found[0][0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(other[1], found[0][1], rtol=1e-4, atol=1e-4)


def by_hand(network: Any, tokens: Any, rope: Any) -> list[Any]:
    """The tokens after each block."""
    found = []
    for block in network.blocks:
        tokens = block(tokens) if rope is None else block(tokens, rope=rope)
        found.append(tokens)
    return found


@pytest.mark.parametrize(("name", "patch", "n_prefix"), [(DINOV2_REG, 14, 5), (DINOV3, 16, 5)])
def test_a_block_gives_what_a_plain_forward_gives_there(
    name: str, patch: int, n_prefix: int, states: dict[str, State], tmp_path: Path
) -> None:
    file = saved(states[name], tmp_path / "weights.pth")
    layers = ["blocks.3", "blocks.0", "blocks.3+norm", "blocks.11", "norm"]
    batch = batch_for(patch)
    found = maps_of(TimmBackbone(name, weights=file, layers=layers), batch)
    network = network_of(name)
    with torch.inference_mode():
        start = network._pos_embed(network.patch_embed(torch.from_numpy(batch)))
        tokens, rope = start if isinstance(start, tuple) else (start, None)
        blocks = by_hand(network, network.norm_pre(tokens), rope)
        wanted = [blocks[3], blocks[0], network.norm(blocks[3]), blocks[11]]
        wanted.append(network.norm(blocks[11]))
    for one, all_tokens in zip(found, wanted, strict=True):
        patches = all_tokens[:, n_prefix:].numpy()  # class token and registers come first
        grid = patches.reshape(2, *GRID, 384).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(one, grid, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        network.forward_features(torch.from_numpy(batch)).detach().numpy(), wanted[-1].numpy()
    )


def test_positions_of_dinov2_are_those_of_its_authors(
    states: dict[str, State], tmp_path: Path
) -> None:
    """Bicubic, without antialiasing, by the factor (n + 0.1) / 37: written out in NumPy."""
    state = states[DINOV2]
    backbone = TimmBackbone(
        DINOV2, weights=saved(state, tmp_path / "weights.pth"), layers=["blocks.0"]
    )
    table = state["pos_embed"][0, 1:].numpy().astype(np.float64).reshape(37, 37, 384)
    for height, width in ((4, 6), (32, 18), (37, 36)):
        down, right = (weights_between(37, n, 0.1) for n in (height, width))
        wanted = np.einsum("ir,jc,rcd->ijd", down, right, table)
        found = backbone.body.network.patch_embed.positions(height, width)[0].numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    own = backbone.body.network.patch_embed.positions(37, 37)[0].numpy()
    np.testing.assert_array_equal(own, table.astype(np.float32))


@pytest.mark.parametrize(("name", "rule"), [(DINOV2_REG, "authors"), (DINOV2, "timm")])
def test_positions_with_registers_and_of_timm_are_antialiased(
    name: str, rule: str, states: dict[str, State], tmp_path: Path
) -> None:
    state = states[name]
    file = saved(state, tmp_path / "weights.pth")
    backbone = TimmBackbone(name, weights=file, layers=["blocks.0"], position_embedding=rule)
    table = state["pos_embed"][0, -1369:].numpy().astype(np.float64).reshape(37, 37, 384)
    down, right = antialiased(37, 32), antialiased(37, 18)
    wanted = np.einsum("ir,jc,rcd->ijd", down, right, table)
    found = backbone.body.network.patch_embed.positions(32, 18)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert backbone.info.origin["position_embedding"] == rule


def test_dinov3_takes_its_periods_from_a_file_of_the_authors(
    states: dict[str, State], tmp_path: Path
) -> None:
    hub = dinov3_hub(states[DINOV3])
    hub["rope_embed.periods"] = hub["rope_embed.periods"].bfloat16().float() * 1.01
    file, batch = saved(hub, tmp_path / "hub.pth"), batch_for(16)
    own, of_timm = (
        TimmBackbone(DINOV3, weights=file, layers=["blocks.0"], position_embedding=rule)
        for rule in ("authors", "timm")
    )
    # The angle of a place is 2 pi x / period, x from -1 to 1 over the middles of the patches.
    rows, columns = ((2 * np.arange(n) + 1) / n - 1 for n in GRID)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    periods = hub["rope_embed.periods"].numpy().astype(np.float64)
    angles = (2 * np.pi * places[:, :, None] / periods).reshape(len(places), -1)
    found = own.body.network.rope.get_embed(shape=GRID).numpy()
    np.testing.assert_allclose(found[:, :32], np.sin(angles), atol=1e-5)
    assert np.abs(maps_of(own, batch)[0] - maps_of(of_timm, batch)[0]).max() > 1e-4


@pytest.mark.parametrize(("name", "patch"), [(DINOV2, 14), (DINOV3, 16)])
def test_the_body_for_one_size_has_its_positions_as_constants(
    name: str, patch: int, states: dict[str, State], tmp_path: Path
) -> None:
    file = saved(states[name], tmp_path / "weights.pth")
    backbone = TimmBackbone(name, weights=file, layers=["blocks.1"])
    batch = batch_for(patch)
    body = backbone.body_at(*batch.shape[2:])
    with torch.inference_mode():
        found = body(torch.from_numpy(batch))["blocks.1"].numpy()
    np.testing.assert_array_equal(found, maps_of(backbone, batch)[0])
    grids = [tuple(one.shape) for key, one in body.named_buffers() if key.endswith(".table")]
    assert grids == [(1, *GRID, 384) if name == DINOV2 else (24, 128)]
    other = batch_for(patch, grid=(5, 5))
    assert maps_of(backbone, other)[0].shape == (2, 384, 5, 5), "the backbone itself stays free"


def test_a_transformer_says_what_it_gives() -> None:
    backbone = TimmBackbone(DINOV2_REG, pretrained=False)
    info = backbone.info
    assert (info.name, info.layers) == (f"timm:{DINOV2_REG}", (LayerInfo("norm", 384, 14),))
    assert (info.size_multiple, info.fixed_size) == (14, (None, None))
    assert info.normalization == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    check_backbone(backbone)


def test_images_are_scaled_as_the_network_was_trained_unless_it_is_said() -> None:
    assert TimmBackbone("test_vit", pretrained=False).info.normalization == ([0.5] * 3, [0.5] * 3)
    given = TimmBackbone("test_vit", pretrained=False, normalization=([0.1] * 3, [0.2] * 3))
    assert given.info.normalization == ([0.1] * 3, [0.2] * 3)


@pytest.mark.parametrize(
    ("name", "layers", "wanted"),
    [
        ("test_vit", None, [(64, 4, 6)]),
        ("test_resnet", None, [(48, 8, 12), (192, 4, 6)]),
        ("test_convnext", ["stages.1"], [(32, 8, 12)]),
        ("test_efficientnet", ["blocks.1", "blocks.2"], [(24, 16, 24), (32, 8, 12)]),
        ("swin_tiny_patch4_window7_224", ["layers.1"], [(192, 8, 12)]),
    ],
)
def test_other_networks_give_their_stages(
    name: str, layers: list[str] | None, wanted: list[tuple[int, int, int]]
) -> None:
    backbone = TimmBackbone(name, pretrained=False, layers=layers)
    assert [one.shape[1:] for one in maps_of(backbone, batch_for(16))] == wanted


def test_random_weights_are_seeded_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = TimmBackbone("test_vit", pretrained=False)
    assert torch.equal(torch.rand(3), expected)
    second = copy.deepcopy(TimmBackbone("test_vit", pretrained=False))
    np.testing.assert_array_equal(*(maps_of(one, batch_for(16))[0] for one in (first, second)))


def test_weights_of_another_network_are_refused_by_the_name_of_a_layer(
    states: dict[str, State], tmp_path: Path
) -> None:
    small = saved(states[DINOV2], tmp_path / "small.pth")
    with pytest.raises(WeightsError, match=r"small.pth' lack layer 'reg_token' of timm:vit_small"):
        TimmBackbone(DINOV2_REG, weights=small)
    with pytest.raises(WeightsError, match=r"do not fit .*patch16_dinov3: patch_embed.proj.weight"):
        TimmBackbone(DINOV3, weights=small)
    with pytest.raises(WeightsError, match=r"cls_token is \(1, 1, 384\), not \(1, 1, 768\)"):
        TimmBackbone("vit_base_patch14_dinov2", weights=small)
    deeper = {**states[DINOV2], "blocks.12.norm1.weight": torch.ones(384)}
    with pytest.raises(WeightsError, match=r"have blocks.12.norm1.weight, which timm:vit_small"):
        TimmBackbone(DINOV2, weights=saved(deeper, tmp_path / "deeper.pth"))
    lacking = {k: v for k, v in states[DINOV2].items() if k != "blocks.2.attn.qkv.weight"}
    file = saved(lacking, tmp_path / "lacking.pth")
    with pytest.raises(WeightsError, match=r"lack layer 'blocks.2.attn.qkv'"):
        TimmBackbone(DINOV2, weights=file)
    TimmBackbone(DINOV2, weights=file, layers=["blocks.1"])  # not in use here


def test_a_table_of_another_grid_is_refused_not_resized(
    states: dict[str, State], tmp_path: Path
) -> None:
    hub = dinov2_hub(states[DINOV2_REG])
    hub["pos_embed"] = hub["pos_embed"][:, : 1 + 16 * 16]
    with pytest.raises(WeightsError, match=r"pos_embed is \(1, 257, 384\), not \(1, 1369, 384\)"):
        TimmBackbone(DINOV2_REG, weights=saved(hub, tmp_path / "other.pth"))


def test_biases_are_not_dropped_without_a_word(states: dict[str, State], tmp_path: Path) -> None:
    file = saved(dinov3_hub(states[f"{DINOV3}_qkvb"]), tmp_path / "hub.pth")
    with pytest.raises(WeightsError, match=r"biases in blocks.0.attn.qkv.bias.*'dinov3_qkvb'"):
        TimmBackbone(DINOV3, weights=file)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_a_file_that_would_run_code_or_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"cls_token": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="evil.pth' cannot be loaded"):
        TimmBackbone(DINOV2, weights=tmp_path / "evil.pth")
    assert "never" not in capsys.readouterr().out
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(WeightsError, match=r"text.safetensors' cannot be loaded"):
        TimmBackbone(DINOV2, weights=tmp_path / "text.safetensors")


def test_without_a_file_timm_downloads_and_never_goes_on_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def offline(name: str, **given: Any) -> None:
        asked.append((name, given["pretrained"]))
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError, match=r"timm:vit_small.*no route.*weights=FILE.*embedded"):
        TimmBackbone(DINOV2)
    assert asked == [(DINOV2, True)]


def test_names_that_do_not_exist_say_what_does() -> None:
    with pytest.raises(UnknownNameError, match=r"'timm:vit_smal.*did you mean 'timm:vit_small_p"):
        create_model("patchcore", backbone="timm:vit_smal_patch14_dinov2").validate()
    with pytest.raises(UnknownNameError, match=r"no layer 'blocks.12': it has blocks.0 to blocks"):
        TimmBackbone(DINOV2, pretrained=False, layers=["blocks.12"])
    with pytest.raises(InvalidInputError, match=r"no default layers.*stages.1 \(32 channels, str"):
        TimmBackbone("test_convnext", pretrained=False)
    with pytest.raises(InvalidInputError, match="position_embedding must be"):
        TimmBackbone(DINOV2, pretrained=False, position_embedding="bicubic")
    with pytest.raises(InvalidInputError, match="exclude each other"):
        TimmBackbone(DINOV2, pretrained=False, weights="a.pth")


def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_those_that_are() -> None:
    given = {"backbone": f"timm:{DINOV2}", "pretrained": False, "layers": ["blocks.0"]}
    wanted = r"256 x 256 pixels .*multiples of 14, such as 252 x 252 or 266 x 266: set image_size"
    with pytest.raises(InvalidInputError, match=wanted):
        create_model("patchcore", **given).validate()


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("patchcore", ["norm"]),
        ("anomalydino", ["norm"]),
        ("superadd", [f"blocks.{i}" for i in (3, 5, 8, 10)]),
        ("subspacead", [f"blocks.{i}" for i in range(4, 11)]),
    ],
)
def test_each_method_takes_its_blocks_and_comes_back_from_a_file(
    model: str, layers: list[str], states: dict[str, State], tmp_path: Path
) -> None:
    file = saved(dinov2_hub(states[DINOV2]), tmp_path / "dinov2.pth")
    images = [texture(i, (56, 56)) for i in range(4)]
    detector = create_model(
        model,
        backbone=f"timm:{DINOV2}",
        weights=file,
        image_size=56,
        position_embedding="timm",
    ).fit(images)
    detector.save(tmp_path / "part")
    loaded = pyimgano.load(tmp_path / "part")
    assert loaded.features_.describe() == detector.features_.describe()
    assert loaded.features_.describe()["layers"] == layers
    assert loaded.features_.describe()["position_embedding"] == "timm"
    for image in images:
        assert loaded.predict_one(image).score == detector.predict_one(image).score
    moved = file.rename(tmp_path / "moved.pth")
    with pytest.raises(WeightsError, match=r"dinov2.pth.*weights=FILE"):
        pyimgano.load(tmp_path / "part")
    assert pyimgano.load(tmp_path / "part", weights=moved).threshold_ == detector.threshold_
