"""``benches/intervals.py``, small: 95 % intervals hold what they are about about as often."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "benches/intervals.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benches_intervals", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_intervals_of_image_figures_hold_them(bench: ModuleType) -> None:
    truth, shares = bench.of_scores((50, 100, 1.0), runs=200, resamples=200)
    assert truth["auroc"] == pytest.approx(0.7602, abs=2e-3)  # of two normals: Phi(1 / sqrt(2))
    # Of 200, 95 % are 190; 3 standard deviations are 9.
    for key, share in shares.items():
        assert 0.88 <= share <= 0.995, key
    assert 0.905 <= shares["auroc"] <= 0.995


def test_intervals_of_pixel_figures_hold_them(bench: ModuleType) -> None:
    _, shares = bench.of_maps(images=60, side=10, runs=40, resamples=100)
    # Of 40, 95 % are 38; 3 standard deviations are 4.
    for key, share in shares.items():
        assert share >= 0.85, key


def test_the_bench_says_its_time(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    bench.print_time(images=4, side=16, resamples=100)
    assert "4 images at 16 x 16 px, 100 resamples: summaries 0." in capsys.readouterr().out
