"""Detector files whose backbone is a network: its weights by name and hash, or an ONNX inside."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors

import pyimgano
from pyimgano.errors import (
    DetectorFileError,
    InvalidInputError,
    MissingDependencyError,
    UnknownNameError,
    WeightsError,
)
from pyimgano.features.backbones.onnx.engines import ENGINES, FLOAT32_ENGINES
from pyimgano.models import PatchCore, create_model
from tests.conftest import texture
from tests.features.onnx_support import tiny

IMAGES = [texture(50), texture(51, (80, 64))]


@pytest.fixture(scope="module")
def normal() -> list[np.ndarray]:
    return [texture(i) for i in range(10)]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "net" / "tiny.onnx"
    path.parent.mkdir()
    path.write_bytes(tiny())
    return path


@pytest.fixture
def with_onnx(onnx_file: Path, normal: list[np.ndarray]) -> PatchCore:
    return PatchCore(backbone=onnx_file, image_size=(48, 64)).fit(normal)


def same(one: PatchCore, other: PatchCore) -> None:
    for a, b in zip(one.iter_predict(IMAGES), other.iter_predict(IMAGES), strict=True):
        assert (a.score, a.label) == (b.score, b.label)
        np.testing.assert_array_equal(a.anomaly_map, b.anomaly_map)


def test_an_onnx_backbone_inside_needs_no_other_file(
    with_onnx: PatchCore, onnx_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere" / "part"
    target.parent.mkdir()
    with_onnx.save(target, embed_backbone=True)
    onnx_file.unlink()
    loaded = pyimgano.load(target)
    same(with_onnx, loaded)
    assert loaded.backbone == "tiny.onnx"
    with safetensors.safe_open(target, "np") as file:
        assert file.get_tensor("backbone_onnx").tobytes() == tiny()
    loaded.save(tmp_path / "again", embed_backbone=True)
    same(with_onnx, pyimgano.load(tmp_path / "again"))


@pytest.mark.parametrize("embed", [True, False])
def test_onnx_can_be_refused(with_onnx: PatchCore, tmp_path: Path, embed: bool) -> None:
    with_onnx.save(tmp_path / "part", embed_backbone=embed)
    with pytest.raises(DetectorFileError, match=r"part: .*ONNX backbone.*allow_onnx=False"):
        pyimgano.load(tmp_path / "part", allow_onnx=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_another_engine_may_run_the_backbone(
    with_onnx: PatchCore, tmp_path: Path, engine: str
) -> None:
    with_onnx.save(tmp_path / "part", embed_backbone=True)
    try:
        loaded = pyimgano.load(tmp_path / "part", engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    except DetectorFileError as error:
        if "needs a CPU with bfloat16" not in str(error):
            raise
        pytest.skip(str(error))
    exact = engine in FLOAT32_ENGINES
    found, expected = loaded.predict_one(IMAGES[0]), with_onnx.predict_one(IMAGES[0])
    assert found.score == pytest.approx(expected.score, rel=1e-5 if exact else 0.05)
    by = "opencv-classic" if engine == "opencv" else engine  # the faster one for convolutions
    assert (loaded.engine, loaded.features_.backbone.engine) == (engine, by)
    loaded.save(tmp_path / "again", embed_backbone=True)
    same(loaded, pyimgano.load(tmp_path / "again"))


def test_an_engine_must_exist_and_have_something_to_run(
    with_onnx: PatchCore, normal: list[np.ndarray], tmp_path: Path
) -> None:
    with_onnx.save(tmp_path / "part")
    with pytest.raises(UnknownNameError, match="'open-cv'; did you mean 'opencv'"):
        pyimgano.load(tmp_path / "part", engine="open-cv")
    with pytest.raises(DetectorFileError, match="part: .*'rust' runs the embedded network, and"):
        pyimgano.load(tmp_path / "part", engine="rust")
    PatchCore(backbone="filterbank", image_size=48).fit(normal).save(tmp_path / "bank")
    with pytest.raises(DetectorFileError, match="bank: .*'opencv'.* neither an ONNX backbone nor"):
        pyimgano.load(tmp_path / "bank", engine="opencv")


def test_files_without_onnx_do_not_mind(normal: list[np.ndarray], tmp_path: Path) -> None:
    PatchCore(backbone="embedded", image_size=48).fit(normal).save(tmp_path / "part")
    assert pyimgano.load(tmp_path / "part", allow_onnx=False).threshold_ > 0
    with pytest.raises(DetectorFileError, match="need none"):
        pyimgano.load(tmp_path / "part", weights="some.pth")


def test_an_onnx_backbone_outside_is_found_where_it_was_beside_the_file_or_as_given(
    with_onnx: PatchCore, onnx_file: Path, tmp_path: Path
) -> None:
    part = tmp_path / "elsewhere" / "part"
    part.parent.mkdir()
    with_onnx.save(part)
    assert part.stat().st_size < with_onnx.memory_bank_.nbytes + 10_300
    same(with_onnx, pyimgano.load(part))
    moved = shutil.move(onnx_file, tmp_path / "moved.onnx")
    digest = hashlib.sha256(tiny()).hexdigest()
    with pytest.raises(WeightsError, match=rf"part: .*tiny.onnx.*{digest}.*weights=FILE"):
        pyimgano.load(part)
    same(with_onnx, pyimgano.load(part, weights=moved))
    shutil.copy(moved, part.parent / "tiny.onnx")
    same(with_onnx, pyimgano.load(part))


def test_another_onnx_is_refused_with_both_hashes(
    with_onnx: PatchCore, onnx_file: Path, tmp_path: Path
) -> None:
    with_onnx.save(tmp_path / "part")
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny() + b"\x18\x01")
    ours, theirs = (hashlib.sha256(x).hexdigest() for x in (tiny(), other.read_bytes()))
    with pytest.raises(WeightsError, match=rf"other.onnx.*{theirs}.*tiny.onnx.*{ours}"):
        pyimgano.load(tmp_path / "part", weights=other)
    with pytest.raises(WeightsError, match=r"part: cannot read weights file .*absent"):
        pyimgano.load(tmp_path / "part", weights=tmp_path / "absent")
    onnx_file.write_bytes(other.read_bytes())
    with pytest.raises(WeightsError, match="not at hand"):
        pyimgano.load(tmp_path / "part")


def resnet(**kwargs: object) -> PatchCore:
    pytest.importorskip("torchvision")
    params = {"backbone": "resnet18", "layers": ["layer1"], "image_size": 48, **kwargs}
    return PatchCore(**params)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.manual_seed(1)
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return path


def test_random_weights_are_made_again(normal: list[np.ndarray], tmp_path: Path) -> None:
    detector = resnet(pretrained=False).fit(normal)
    detector.save(tmp_path / "part")
    loaded = pyimgano.load(tmp_path / "part")
    same(detector, loaded)
    assert loaded.pretrained is False
    with pytest.raises(DetectorFileError, match="random"):
        pyimgano.load(tmp_path / "part", weights="some.pth")


def test_weights_from_a_file_are_known_by_their_hash(
    normal: list[np.ndarray], weights_file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "there" / "mine.pth"
    copy.parent.mkdir()
    shutil.copy(weights_file, copy)
    detector = resnet(weights=copy).fit(normal)
    part = tmp_path / "part"
    detector.save(part)
    same(detector, pyimgano.load(part))
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    copy.unlink()
    with pytest.raises(WeightsError, match=rf"part: .*mine.pth.*{digest}.*weights=FILE"):
        pyimgano.load(part)
    same(detector, pyimgano.load(part, weights=weights_file))
    other = tmp_path / "other.pth"
    other.write_bytes(weights_file.read_bytes() + b"x")
    theirs = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=rf"other.pth.*{theirs}.*mine.pth.*{digest}"):
        pyimgano.load(part, weights=other)


def test_a_network_without_torch_is_a_clean_error(
    normal: list[np.ndarray], weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resnet(weights=weights_file).fit(normal).save(tmp_path / "part")

    def missing(name: str) -> tuple[None, ImportError]:
        return None, ImportError(name)

    monkeypatch.setattr("pyimgano.utils.optional_deps.optional_import", missing)
    monkeypatch.setattr("pyimgano.utils.optional_deps._is_installed", lambda name: False)
    with pytest.raises(ImportError, match=r'part: .*pip install "torch'):
        pyimgano.load(tmp_path / "part")


_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import numpy as np, pyimgano
detector, images = pyimgano.load(sys.argv[1]), np.load(sys.argv[2])
found = [detector.predict_one(image) for image in images]
np.savez(sys.argv[3], scores=[p.score for p in found], labels=[p.label for p in found],
         maps=[p.anomaly_map for p in found])
"""


def test_a_torch_backbone_inside_runs_without_torch(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    detector = resnet(pretrained=False).fit(normal)
    detector.save(tmp_path / "part", embed_backbone=True)
    assert detector.backbone == "resnet18", "the one at hand goes on with torch"
    images = np.stack([texture(50), texture(51)])
    np.save(tmp_path / "images.npy", images)
    files = [tmp_path / name for name in ("part", "images.npy", "found.npz")]
    subprocess.run([sys.executable, "-c", _WITHOUT_TORCH, *map(str, files)], check=True)
    found = np.load(files[-1])
    for i, expected in enumerate(detector.iter_predict(list(images))):
        assert found["scores"][i] == pytest.approx(expected.score, rel=1e-4)
        assert found["labels"][i] == expected.label
        scale = float(expected.anomaly_map.max())
        np.testing.assert_allclose(found["maps"][i], expected.anomaly_map, atol=1e-4 * scale)
    loaded = pyimgano.load(tmp_path / "part")
    assert (loaded.backbone, loaded.weights) == ("resnet18.onnx", None)
    assert loaded.engine == "opencv-classic"
    assert loaded.threshold_ == detector.threshold_
    with pytest.raises(DetectorFileError, match="allow_onnx=False"):
        pyimgano.load(tmp_path / "part", allow_onnx=False)


@pytest.mark.parametrize("given", [{"image_size": 48}, {"image_size": (64, 96), "tiles": 40}])
def test_a_transformer_of_timm_inside_runs_without_torch(
    normal: list[np.ndarray], tmp_path: Path, given: dict[str, object]
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    pytest.importorskip("timm", reason="needs the extra timm")
    layers = ["blocks.0", "blocks.1+norm"]
    common = {"backbone": "timm:vit_tiny_patch16_224", "layers": layers, "pretrained": False}
    detector = PatchCore(**common, **given).fit(normal)  # type: ignore[arg-type]
    detector.save(tmp_path / "part", embed_backbone=True)
    images = np.stack([texture(50), texture(51)])
    np.save(tmp_path / "images.npy", images)
    files = [tmp_path / name for name in ("part", "images.npy", "found.npz")]
    subprocess.run([sys.executable, "-c", _WITHOUT_TORCH, *map(str, files)], check=True)
    found = np.load(files[-1])
    for i, expected in enumerate(detector.iter_predict(list(images))):
        assert found["scores"][i] == pytest.approx(expected.score, rel=1e-4)
        assert found["labels"][i] == expected.label
        scale = float(expected.anomaly_map.max())
        np.testing.assert_allclose(found["maps"][i], expected.anomaly_map, atol=1e-4 * scale)
    loaded = pyimgano.load(tmp_path / "part")
    assert (loaded.backbone, loaded.engine) == ("timm-vit_tiny_patch16_224.onnx", "opencv-new")
    detector.image_size, detector.tiles = None, None
    with pytest.raises(InvalidInputError, match="takes images of one size, and here each has its"):
        detector.fit(normal).save(tmp_path / "part", embed_backbone=True)


def test_a_transformer_goes_inside_at_the_size_of_the_preset(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    pytest.importorskip("timm", reason="needs the extra timm")
    detector = create_model(
        "subspacead", backbone="timm:test_vit", pretrained=False, preset="paper"
    ).fit(normal[:2])
    detector.save(tmp_path / "part", embed_backbone=True)
    loaded = pyimgano.load(tmp_path / "part")
    assert loaded.features_.backbone.info.fixed_size == (672, 672)
    found = loaded.decision_function(normal[:1])
    np.testing.assert_allclose(found, detector.decision_function(normal[:1]), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "side"),
    [
        ({"image_size": 96, "tiles": 64}, 48),  # as learnt: images of 40 x 80 become 48 x 96
        ({"image_size": (48, 96), "tiles": 64, "resize_mode": "squash"}, 48),
    ],
)
def test_a_transformer_for_tiles_that_some_images_do_not_fill_is_not_put_inside(
    tmp_path: Path, given: dict[str, object], side: int
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    pytest.importorskip("timm", reason="needs the extra timm")
    images = [texture(i, (40, 80)) for i in range(3)]
    detector = PatchCore(backbone="timm:test_vit", pretrained=False, **given)  # type: ignore[arg-type]
    with pytest.raises(
        InvalidInputError,
        match=rf"takes tiles of 64 x 64 pixels alone, and images have a side of {side} .*: set"
        rf" tiles={side} or fewer",
    ):
        detector.fit(images).save(tmp_path / "part", embed_backbone=True)
    assert os.listdir(tmp_path) == []
    detector.set_params(tiles=side).fit(images).save(tmp_path / "part", embed_backbone=True)
    assert len(pyimgano.load(tmp_path / "part").decision_function(images)) == 3


def test_a_network_that_differs_at_the_size_in_use_is_not_put_inside(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    """Swin computes with the size that it was traced at; that shows on small images only."""
    pytest.importorskip("torchvision", reason="needs the extra torch")
    pytest.importorskip("onnx", reason="needs the extra export")
    detector = PatchCore(
        backbone="swin_v2_t", layers=["features.3"], pretrained=False, image_size=64
    ).fit(normal)
    with pytest.raises(InvalidInputError, match="cannot be stored: the export of swin_v2_t "):
        detector.save(tmp_path / "part", embed_backbone=True)
    assert os.listdir(tmp_path) == []


def test_exporting_into_the_file_needs_the_extra(
    normal: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = resnet(pretrained=False).fit(normal)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'resnet18.*pip install .*"onnx'):
        detector.save(tmp_path / "part", embed_backbone=True)
    assert os.listdir(tmp_path) == []
