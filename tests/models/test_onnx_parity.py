"""Scores, maps and labels do not depend on whether torch or an ONNX engine runs the backbone."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import load_dataset
from pyimgano.errors import MissingDependencyError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.models import create_model
from pyimgano.models.patchcore import PatchCore

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

#: Largest relative difference of scores and of maps.
TOLERANCE = 1e-4
_CACHE: dict[str, tuple[PatchCore, bytes, list[str]]] = {}


@pytest.fixture(params=["screw", "leather", "cookie"])
def fitted(
    request: pytest.FixtureRequest, shared_data: Path, resnet18_file: Path
) -> tuple[PatchCore, bytes, list[str]]:
    """A detector fitted with torch on some images, its backbone as ONNX, and images to score."""
    category = request.param
    if category not in _CACHE:
        data = load_dataset("mvtec", shared_data, category)
        detector = create_model("patchcore", backbone="resnet18", weights=resnet18_file)
        detector.fit(data.get_train_paths()[:12])
        paths = data.get_test_paths()[0]
        _CACHE[category] = detector, detector.features_.backbone.to_onnx().onnx_bytes(), paths[::8]
    return _CACHE[category]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_a_detector_fitted_with_torch_scores_the_same_without_it(
    engine: str, fitted: tuple[PatchCore, bytes, list[str]]
) -> None:
    detector, model, paths = fitted
    swapped = copy.copy(detector)
    try:
        swapped.features_ = LayerPatches(OnnxBackbone(model, engine=engine))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    pairs = zip(detector.iter_predict(paths), swapped.iter_predict(paths), strict=True)
    for expected, found in pairs:
        assert found.score == pytest.approx(expected.score, rel=TOLERANCE)
        assert found.label == expected.label
        assert found.anomaly_map is not None
        assert expected.anomaly_map is not None
        difference = np.abs(found.anomaly_map - expected.anomaly_map).max()
        assert difference <= TOLERANCE * expected.anomaly_map.max()
