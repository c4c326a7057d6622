"""``engine=`` of a network of torch: exported and checked once, kept, and run without torch."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import (
    DetectorFileError,
    InvalidInputError,
    MissingDependencyError,
    UnknownNameError,
    WeightsError,
)
from pyimgano.features.backbones import cache
from pyimgano.features.backbones.onnx import cached
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES
from pyimgano.features.build import build_features
from pyimgano.models import PatchCore
from tests.conftest import texture, with_blot

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from pyimgano.features.backbones import torch_network  # noqa: E402
from pyimgano.features.backbones.timm import TimmBackbone  # noqa: E402
from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402

BATCH = np.random.default_rng(0).standard_normal((2, 3, 64, 48)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYIMGANO_CACHE", os.fspath(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each export that is made."""
    made: list[object] = []
    real = cached.export_backbone

    def counting(backbone: object, **given: object) -> object:
        made.append(given)
        return real(backbone, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(cached, "export_backbone", counting)
    return made


def resnet(engine: str | None = "opencv", **given: object) -> TorchvisionBackbone:
    given = {"layers": ["layer1"], "pretrained": False} | given
    return TorchvisionBackbone("resnet18", engine=engine, **given)  # type: ignore[arg-type]


def agree(network: TorchvisionBackbone | TimmBackbone, batch: np.ndarray = BATCH) -> None:
    """An engine gives what torch gives."""
    for a, b in zip(network.maps_by_torch(batch), network.layer_maps(batch), strict=True):
        assert isinstance(b, np.ndarray)
        np.testing.assert_allclose(b, a.numpy(), rtol=0, atol=1e-4 * float(a.abs().max()))


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_scores_are_those_of_torch(engine: str, folder: Path) -> None:
    pytest.importorskip(engine.partition("-")[0].replace("opencv", "cv2"), reason="needs it")
    good = [texture(i) for i in range(8)]
    test = [texture(20), with_blot(texture(21)), texture(22, (80, 64))]
    given = {"backbone": "resnet18", "pretrained": False, "image_size": 64}
    by_torch, by_engine = PatchCore(**given), PatchCore(**given, engine=engine)  # type: ignore[arg-type]
    for a, b in zip(
        by_torch.fit(good).iter_predict(test), by_engine.fit(good).iter_predict(test), strict=True
    ):
        assert b.score == pytest.approx(a.score, rel=1e-4)
        assert b.label == a.label
        np.testing.assert_allclose(b.anomaly_map, a.anomaly_map, rtol=1e-4)
    assert by_engine.threshold_ == pytest.approx(by_torch.threshold_, rel=1e-4)


def test_an_export_is_made_once(folder: Path, exports: list[object]) -> None:
    agree(resnet())
    agree(resnet())
    assert len(exports) == 1
    (file,), (facts,) = folder.glob("*.export"), folder.glob("*.network")
    assert stat.S_ISREG(file.stat().st_mode)
    assert sorted(folder.iterdir()) == sorted([file, facts])


def test_what_changes_the_model_is_an_export_of_its_own(
    folder: Path, exports: list[object], tmp_path: Path
) -> None:
    resnet()
    network = resnet(None)
    state = network.body.state_dict()
    state["conv1.weight"] *= 2
    torch.save(state, tmp_path / "twice.pth")
    for given in (
        {"layers": ["layer2"]},
        {"normalization": ([0.5] * 3, [0.5] * 3)},
        {"weights": tmp_path / "twice.pth", "pretrained": True},
    ):
        agree(resnet(**given))
    assert len(exports) == len(list(folder.glob("*.export"))) == 4


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "folder"])
def test_a_damaged_file_is_made_anew(folder: Path, exports: list[object], damage: str) -> None:
    resnet()
    (file,) = folder.glob("*.export")
    content = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
        with pytest.warns(UserWarning, match="it is a folder: the export is not kept"):
            agree(resnet())
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes({"empty": b"", "cut": content[:5000], "changed": changed}[damage])
        agree(resnet())
        assert file.read_bytes() == content
    assert len(exports) == 2


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, folder: Path) -> None:
    folder.write_bytes(b"a file")
    with pytest.warns(UserWarning, match=r"the export is not kept .*PYIMGANO_CACHE names another"):
        agree(resnet())
    assert [file.name for file in tmp_path.iterdir()] == ["cache"]


def test_where_exports_are_kept() -> None:
    home = Path.home()
    folder = cache.cache_folder
    assert folder({"PYIMGANO_CACHE": "here", "XDG_CACHE_HOME": "/x"}, "linux") == Path("here")
    assert folder({"XDG_CACHE_HOME": "/x"}, "linux") == Path("/x/pyimgano")
    assert folder({}, "linux") == home / ".cache/pyimgano"
    assert folder({}, "darwin") == home / "Library/Caches/pyimgano"
    assert folder({"LOCALAPPDATA": "local"}, "win32") == Path(PurePosixPath("local/pyimgano"))


def test_what_cannot_be_is_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = resnet(None)
    network.device = "cuda:1"  # which this machine need not have
    with pytest.raises(InvalidInputError, match=r"computes on the CPU: leave out device='cuda:1'"):
        network.run_by("opencv")
    with pytest.raises(UnknownNameError, match="unknown engine 'open-cv'; did you mean 'opencv'"):
        resnet("open-cv")
    with pytest.raises(UnknownNameError, match="unknown engine 'rust'"):
        build_features("resnet18", pretrained=False, engine="rust")
    for missing, engine in (("onnx", "opencv"), ("onnxruntime", "onnxruntime")):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, missing, None)
            with pytest.raises(MissingDependencyError, match=f"^{missing} .*needed for"):
                resnet(engine)
    assert not folder.exists()


def test_a_network_that_cannot_be_exported_says_so(folder: Path) -> None:
    network = TorchvisionBackbone("vit_b_16", pretrained=False, engine="opencv")
    with pytest.raises(WeightsError, match="vit_b_16 cannot be exported .*from timm"):
        network.layer_maps(np.zeros((1, 3, 32, 32), np.float32))


def test_copies_run_the_same_network(folder: Path, exports: list[object]) -> None:
    network = resnet()
    expected = network.layer_maps(BATCH)
    for one in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        for a, b in zip(expected, one.layer_maps(BATCH), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(exports) == 1


def test_a_detector_file_holds_the_engine(
    folder: Path, tmp_path: Path, exports: list[object]
) -> None:
    good = [texture(i) for i in range(6)]
    part = PatchCore(backbone="resnet18", pretrained=False, image_size=64, layers=["layer1"])
    part.fit(good).save(tmp_path / "torch")
    part.set_params(engine="opencv").fit(good).save(tmp_path / "engine")
    loaded = pyimgano.load(tmp_path / "engine")
    assert (loaded.backbone, loaded.engine) == ("resnet18", "opencv")
    assert loaded.features_.describe()["engine"] == "opencv"
    assert loaded.predict_one(good[0]).score == part.predict_one(good[0]).score
    by_torch, changed = (pyimgano.load(tmp_path / "torch", engine=e) for e in (None, "opencv"))
    assert by_torch.engine is None
    assert by_torch.features_.backbone.engine is None
    assert changed.features_.backbone.engine == "opencv"
    assert changed.predict_one(good[0]).score == pytest.approx(
        by_torch.predict_one(good[0]).score, rel=1e-4
    )
    assert len(exports) == 1
    with pytest.raises(DetectorFileError, match="'rust' runs the embedded network, and this"):
        pyimgano.load(tmp_path / "torch", engine="rust")
    part.save(tmp_path / "inside", embed_backbone=True)
    assert pyimgano.load(tmp_path / "inside").features_.backbone.engine == "opencv-classic"


def test_a_transformer_is_exported_for_each_of_a_few_sizes(
    folder: Path, exports: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    monkeypatch.setattr(torch_network, "_MOST_SIZES", 2)
    network = TimmBackbone("test_vit", pretrained=False, engine="opencv")
    assert exports == []
    sides = (64, 32)
    for side in (*sides, *sides):
        agree(network, np.ones((1, 3, side, 32), np.float32))
    assert len(exports) == 2
    with pytest.raises(InvalidInputError, match=r"for 2 sizes .*64 x 32, 32 x 32: set image_size"):
        network.layer_maps(np.ones((1, 3, 96, 32), np.float32))
