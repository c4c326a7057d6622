"""What a fit with tiles will cost, told before it begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.cli.main import main
from pyimgano.errors import ImageReadError, InvalidInputError, NotEnoughMemoryError
from pyimgano.models import PatchCore, create_model
from pyimgano.scorers import SubspaceScorer
from pyimgano.scorers.checked import CheckedScorer
from tests.conftest import texture, write_image

SMALL, LARGE = texture(0, (96, 96)), texture(1, (160, 256))
TILED = {"backbone": "embedded", "image_size": None, "tiles": 96, "tile_overlap": 32}


def test_a_plan_has_the_sizes_of_the_largest_image() -> None:
    detector = PatchCore(**TILED)
    plan = detector.plan([SMALL, LARGE, SMALL])
    assert (plan.n_images, plan.source, plan.seen) == (3, (160, 256), (160, 256))
    # 160: from 0 and 64; 256: from 0, 48 (of 53), 96 (of 106) and 160.
    assert (plan.n_tiles, plan.tile) == (8, 96)
    assert (plan.n_patches, plan.depth) == (20 * 32, 384)
    assert plan.fit_bytes > 3 * 640 * 384 * 4
    assert plan.image_bytes > 640 * 384 * 4 + 3 * 160 * 256
    assert 0 < plan.image_seconds < plan.fit_seconds
    assert "in 8 tiles of at most 96: 640 patches of 384 features" in plan.lines()[0]
    assert not hasattr(detector, "features_")


def test_the_smallest_defect_makes_more_or_fewer_patches_of_an_image() -> None:
    patches = [
        PatchCore(backbone="embedded", smallest_defect=size).plan([LARGE]).n_patches
        for size in (5, 20, 40)
    ]
    assert patches == [20 * 32, 10 * 16, 4 * 8]


def test_patches_outside_a_region_that_was_drawn_are_not_planned_for() -> None:
    left, quarter = np.zeros((2, 160, 256), np.bool_)
    left[:, :128] = True
    quarter[:80, :128] = True
    whole = PatchCore(**TILED).plan([LARGE])
    for drawn, n_patches in (({"roi": left}, 320), ({"roi": left, "ignore": quarter}, 160)):
        plan = PatchCore(**TILED, **drawn).plan([LARGE])
        assert plan.n_patches == n_patches
        assert whole.fit_bytes - plan.fit_bytes > (640 - n_patches) * 384 * 4
        # The network sees all of the image, whatever counts of it.
        assert (plan.seen, plan.n_tiles, plan.image_bytes) == ((160, 256), 8, whole.image_bytes)
    assert PatchCore(**TILED, roi="auto").plan([LARGE]).n_patches == 640


@pytest.mark.parametrize("model", ["padim", "subspacead", "anomalydino", "superadd"])
def test_every_patch_detector_has_one(model: str) -> None:
    detector: Any = create_model(model, **TILED)
    plan = detector.plan([LARGE, SMALL])
    assert plan.n_patches == 640
    assert plan.fit_seconds > 0


@pytest.mark.parametrize(
    "model", ["patchcore", "padim", "subspacead", "anomalydino", "superadd", "mutual"]
)
def test_a_fit_takes_no_more_memory_than_planned(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector: Any = create_model(model, **TILED)
    images = [LARGE, texture(2, (160, 256)), texture(3, (160, 256))]
    planned = detector.plan(images).fit_bytes
    monkeypatch.setattr("pyimgano.scorers.fit_memory.available_memory", lambda: planned)
    detector.fit(images)
    monkeypatch.setattr("pyimgano.scorers.fit_memory.available_memory", lambda: planned // 2)
    with pytest.raises(NotEnoughMemoryError):
        detector.fit(images)


def test_features_on_disk_take_no_memory(tmp_path: Path) -> None:
    for model in ("patchcore", "superadd", "mutual"):
        held, spilt = (
            create_model(model, **TILED, spill_dir=folder).plan([LARGE]).fit_bytes  # type: ignore[attr-defined]
            for folder in (None, str(tmp_path))
        )
        assert held - spilt == 640 * 384 * 4


def test_a_scorer_that_does_not_say_is_taken_to_keep_all_features() -> None:
    class Silent(SubspaceScorer):
        def __getattribute__(self, name: str) -> Any:
            if name == "fit_bytes":
                raise AttributeError(name)
            return super().__getattribute__(name)

    silent = CheckedScorer(Silent())
    assert silent.fit_bytes(3, 640, (128, 256)) == 3 * 640 * 384 * 4
    assert not silent.compares_images


def test_copies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("plan", "plan_growth"):
        monkeypatch.setattr(f"pyimgano.models.{module}.timed", lambda work: (1.0, work()))
    monkeypatch.setattr("pyimgano.models.plan_growth._ENOUGH", 1.0)
    plain = PatchCore(**TILED).plan([LARGE, SMALL])
    turned = PatchCore(**TILED, references="rotations").plan([LARGE, SMALL])
    # The large one is read in a second, the other in less, and 8 tiles and one go through the
    # network; a second is for the 2 * 36 patches of a tile's quarters.
    read, patches = 1 + (96 * 96) / (160 * 256), 20 * 32 + 12 * 12
    added = turned.fit_seconds - plain.fit_seconds
    assert added == pytest.approx(7 * (read + 8 + 1 + patches / 72))
    assert turned.fit_bytes > 7 * patches * 384 * 4
    assert "learning from 2 with 7 copies of each: about" in turned.lines()[1]
    one = PatchCore(**TILED, references="brightness").plan([LARGE])
    assert "learning from 1 with 1 copy of each: about" in one.lines()[1]


def test_smaller_images_are_planned_for_as_what_they_are() -> None:
    large, mixed = (PatchCore(**TILED).plan(images) for images in ([LARGE] * 2, [LARGE, SMALL]))
    assert (large.n_patches, mixed.n_patches) == (640, 640)
    held = (large.fit_bytes - mixed.fit_bytes) / (640 - 144)  # of each patch that is not there
    assert 384 * 4 < held < 4 * 384 * 4


def test_the_image_that_is_scored_may_be_another_than_those_learnt_from() -> None:
    detector = PatchCore(**TILED)
    alone = detector.plan([SMALL])
    plan = detector.plan([SMALL], scored=LARGE)
    assert (plan.source, plan.n_patches) == (alone.source, alone.n_patches) == ((96, 96), 144)
    assert plan.fit_bytes == alone.fit_bytes
    assert plan.image_bytes == detector.plan([LARGE]).image_bytes > alone.image_bytes
    with pytest.raises(ImageReadError, match="none.png"):
        detector.plan([SMALL], scored="none.png")


def test_times_that_grow_faster_than_the_images_are_at_least_so_long() -> None:
    mutual: Any = create_model("mutual", **TILED)
    said = mutual.plan([LARGE, SMALL]).lines()[1]
    assert said.startswith("learning from 2: at least ")
    assert "each image after that: at least " in said


def test_projected_features_are_reckoned_as_they_are_kept() -> None:
    plain, projected = (PatchCore(**TILED, projection=n).plan([LARGE, SMALL]) for n in (None, 16))
    assert (plain.depth, projected.depth) == (384, 16)
    assert projected.fit_bytes < plain.fit_bytes


def test_filters_that_learn_are_timed_as_well() -> None:
    plan = PatchCore(**{**TILED, "backbone": "filterbank"}).plan([LARGE])
    assert plan.n_patches == 26 * 42  # 156 x 252 pixels by 6
    assert plan.depth == 81


def test_what_does_not_fit_is_refused_with_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = PatchCore(**TILED).plan([LARGE])
    monkeypatch.setattr("pyimgano.scorers.fit_memory.available_memory", lambda: 2_000_000)
    with pytest.raises(NotEnoughMemoryError, match=r"1 images of 640 x 384 features, 2.0 MB are"):
        plan.check()


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    good = write_image(tmp_path / "a.png", SMALL)
    (tmp_path / "b.png").write_bytes(b"nothing")
    assert PatchCore(**TILED).plan([good, str(tmp_path / "b.png")]).n_images == 1
    with pytest.raises(InvalidInputError, match="none of the images can be read"):
        PatchCore(**TILED).plan([str(tmp_path / "b.png")])


def test_commands_tell_it_before_they_learn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        write_image(tmp_path / f"good/{i}.png", texture(i, (96, 160)))
    command = ["fit", str(tmp_path / "good"), "-o", str(tmp_path / "d.pyimgano")]
    assert main([*command, "--smallest-defect", "10"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("plan         images of 96 x 160 pixels are seen at 96 x 160, in one")
    assert out.index("learning from 3: about") < out.index("threshold")
    checked = ["check-good", str(tmp_path / "good"), "--smallest-defect", "10", "--json"]
    assert main(checked) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["n_images"] == 3
    assert said.err.startswith("plan         images of 96 x 160 pixels")
    assert main([*command, "--image-size", "48"]) == 0
    assert "plan" not in capsys.readouterr().out
    monkeypatch.setattr("pyimgano.scorers.fit_memory.available_memory", lambda: 2_000_000)
    monkeypatch.setattr(PatchCore, "fit", lambda *given: np.nan)
    assert main([*command, "--smallest-defect", "10"]) == 2
    said = capsys.readouterr()
    assert "plan" in said.out
    assert "are available: use a larger smallest_defect" in said.err
