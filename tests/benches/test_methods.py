"""``benches/methods.py``: features computed once change no score, rows of a CSV are kept."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.features.build import build_features

FILE = Path(__file__).resolve().parents[2] / "benches/methods.py"
# Thresholds of so few images are not what is measured here.
pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")


@pytest.fixture(scope="module")
def methods() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benches_methods", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", ["patchcore", "padim", "subspacead", "anomalydino", "superadd"])
def test_a_backbone_that_remembers_gives_the_same_scores(methods: ModuleType, model: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(8)]
    backbone = methods.backbone_for("embedded", None, None)
    options = {"image_size": 64, "references": "rotations"}
    plain = create_model(model, backbone="embedded", **options).fit(images[:4])
    for _ in range(2):
        remembered = create_model(model, backbone=backbone, **options).fit(images[:4])
        assert np.array_equal(remembered.decision_scores_, plain.decision_scores_)
        assert remembered.threshold_ == plain.threshold_
        for mine, other in zip(
            remembered.iter_predict(images), plain.iter_predict(images), strict=True
        ):
            assert mine.score == other.score
            assert np.array_equal(mine.anomaly_map, other.anomaly_map)
    assert backbone.n_images == 4 * 8 + 4, "eight of each good image, and the four others, once"


def test_a_batch_is_answered_in_its_order(methods: ModuleType) -> None:
    plain = build_features("embedded").backbone
    backbone = methods.Remembered(plain)
    batch = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    backbone.layer_maps(batch[:1])
    for mine, other in zip(
        backbone.layer_maps(batch[[2, 0, 1, 2]]), plain.layer_maps(batch[[2, 0, 1, 2]]), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_a_run_that_has_a_row_is_not_made_again(
    methods: ModuleType, mvtec_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv, page = tmp_path / "m.csv", tmp_path / "m.md"
    given = ["--root", str(mvtec_root), "--category", "bolt", "--csv", str(csv)]
    given += ["--method", "patchcore", "--shots", "2", "all", "--seeds", "0", "1"]
    monkeypatch.setattr(methods, "SIZE", 64)
    monkeypatch.setattr(sys, "argv", ["methods.py", *given[:-1], "--table", str(page)])
    assert methods.main() == 0
    first = methods.known_rows(csv)
    assert [(row["shots"], row["seed"]) for row in first] == [("2", "0"), ("all", "0")]
    monkeypatch.setattr(sys, "argv", ["methods.py", *given, "--table", str(page)])
    assert methods.main() == 0
    rows = methods.known_rows(csv)
    assert rows[:2] == first
    assert [(row["shots"], row["seed"]) for row in rows[2:]] == [("2", "1"), ("all", "1")]
    two = [float(row["auroc"]) for row in rows if row["shots"] == "2"]
    line = next(one for one in page.read_text().splitlines() if one.startswith("| 2 | patchcore |"))
    assert f"{np.mean(two):.3f}" in line
