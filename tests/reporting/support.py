"""Runs made up by hand: what a report says can be checked against them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from pyimgano.images.reading import read_image
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.pictures import PictureWriter
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, ImageResult
from tests.conftest import texture, write_image

NASTY = """<script>window.hacked=1</script>"quote's &amp; </script>{{data}}.png"""


def image(name: str, label: int | None, score: float, **pictures: str) -> ImageResult:
    return ImageResult(f"/data/test/{name}", label, score, int(score > 3.0), pictures)


def category(name: str, auroc: float, images: list[ImageResult] | None = None) -> CategoryResult:
    return CategoryResult(
        category=name,
        seed=0,
        n_train=4,
        n_test=6,
        n_defect=3,
        metrics={"auroc": auroc, "average_precision": 0.9, "f1_max": 0.8, "aupro": auroc / 2},
        threshold=3.0,
        threshold_source="4 training images",
        fit_seconds=1.5,
        ms_per_image=20.0,
        pro_curve=[[0.0, 0.0], [0.1, 0.8], [1.0, 1.0]],
        images=images or six_images(),
    )


def six_images() -> list[ImageResult]:
    """At the threshold of 3: two found, one missed, one false alarm, two passed."""
    return [
        image("blot/a.png", 1, 5.0),
        image("blot/b.png", 1, 4.0),
        image("blot/c.png", 1, 2.0),
        image("good/d.png", 0, 3.5),
        image("good/e.png", 0, 1.5),
        image("good/f.png", 0, 1.0),
    ]


def run(*categories: CategoryResult, label: str = "") -> BenchmarkResult:
    return BenchmarkResult(
        dataset="mvtec",
        root="/data",
        model="patchcore",
        detector="PatchCore()",
        parameters={"backbone": "embedded"},
        metric_rule="pixel metrics exact",
        versions={"python": "3.12", "pyimgano": "0"},
        categories=list(categories),
        label=label,
    )


def undefined(name: str = "plain") -> CategoryResult:
    """A category without defects: every metric is NaN, and no threshold could be learned."""
    return CategoryResult(
        category=name,
        seed=0,
        n_train=1,
        n_test=2,
        n_defect=0,
        metrics=dict.fromkeys(("auroc", "average_precision", "f1_max", "aupro"), math.nan),
        threshold=math.inf,
        fit_seconds=1.0,
        ms_per_image=1.0,
        images=[image("good/a.png", 0, 1.0), image("good/b.png", 0, 1.0)],
        notes=["all images are normal: image metrics are undefined"],
    )


def with_pictures(folder: Path) -> CategoryResult:
    """Six images with real pictures, the first with a name that tries to break out."""
    writer = PictureWriter(folder, "bolt-seed0", MapScale(0.0, 0.5))
    images = []
    for i, one in enumerate(six_images()):
        source = write_image(folder / f"source/{i}.png", texture(i))
        heat = np.zeros((48, 64), np.float32)
        mask = np.zeros((48, 64), np.uint8)
        if one.label:
            heat[10:20, 10:20] = 1
            mask[12:18, 12:18] = 1
        name = f"/data/test/blot/{NASTY}" if i == 0 else one.path
        pictures = writer.add(read_image(source), heat, mask)
        images.append(ImageResult(name, one.label, one.score, one.predicted, pictures))
    return category("bolt", 0.75, images)
