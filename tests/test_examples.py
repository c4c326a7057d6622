"""The statements that users are promised, under the import paths that they are promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import texture, with_blot
from tests.datasets.test_visa import write_raw

IMAGES = [texture(i) for i in range(12)]


def a_defect() -> tuple[np.ndarray, np.ndarray]:
    masks = np.zeros((2, 16, 16), np.uint8)
    masks[0, 4:8, 4:8] = 1
    return masks, masks.astype(np.float32)


def test_optional_import_of_a_missing_package() -> None:
    from pyimgano.utils.optional_deps import optional_import

    module, error = optional_import("definitely_not_installed_xyz")
    assert module is None
    assert isinstance(error, ImportError)


def test_a_classical_detector_fits_and_scores_without_an_extractor() -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    from pyimgano.models import create_model

    detector = create_model("vision_ecod", contamination=0.1)
    detector.fit(IMAGES)
    assert len(detector.decision_function(IMAGES[:5])) == 5


def test_quick_benchmark_succeeds() -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    from pyimgano.benchmark import quick_benchmark

    test = [*IMAGES[10:], with_blot(texture(30)), with_blot(texture(31))]
    results = quick_benchmark(IMAGES[:10], test, [0, 0, 1, 1], algorithms=["ECOD", "COPOD"])
    assert results["ECOD"]["success"]
    assert results["COPOD"]["success"]


def test_mvtec_and_visa_give_paths(mvtec_root: Path, tmp_path: Path) -> None:
    from pyimgano.utils.datasets import MVTecDataset, VisADataset

    visa = VisADataset(write_raw(tmp_path / "VisA"), "candle")
    for dataset in (MVTecDataset(mvtec_root, "bolt"), visa):
        assert all(isinstance(path, str) for path in dataset.get_train_paths())
        paths, labels, masks = dataset.get_test_paths()
        assert len(paths) == len(labels) == len(masks) == 6


def test_a_perfect_map_has_a_perfect_pixel_auroc() -> None:
    from pyimgano.evaluation import compute_pixel_auroc

    assert compute_pixel_auroc(*a_defect()) > 0.99


def test_evaluate_detector_has_pixel_metrics_where_pixels_are_given() -> None:
    from pyimgano.evaluation import evaluate_detector

    masks, maps = a_defect()
    result = evaluate_detector([1, 0], [0.9, 0.1], pixel_labels=masks, pixel_scores=maps)
    assert "pixel_metrics" in result


def test_postprocessing_keeps_the_shape() -> None:
    from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess

    assert AnomalyMapPostprocess(gaussian_sigma=1.0)(a_defect()[1][0]).shape == (16, 16)


def test_a_threshold_between_what_can_be_separated() -> None:
    from pyimgano.calibration.fewshot import fit_threshold

    assert 0.3 < fit_threshold([0.1, 0.2, 0.3], [0.9, 0.8]) < 0.8


def test_the_default_detector_is_built() -> None:
    from pyimgano.pipelines.mvtec_visa import build_default_detector

    assert build_default_detector(model="patchcore", device="cpu", pretrained=False) is not None


@pytest.mark.parametrize("name", ["vision_patchcore_anomalib", "vision_efficientad_anomalib"])
def test_anomalibs_models_are_created(name: str) -> None:
    pytest.importorskip("anomalib", reason="needs the extra anomalib")
    from pyimgano.models import create_model

    assert create_model(name, device="cpu") is not None
