"""Fits by blocks of images: the same for any workers, and close to a fit on all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.cli.main import main
from pyimgano.errors import ImageReadError, InvalidInputError, NotEnoughMemoryError
from pyimgano.scorers import MemoryBankScorer, fit_memory
from tests.conftest import texture, write_image
from tests.models.test_workers import CORNER, Cells, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

GIVEN = {"image_size": 32, "batch_size": 2, "coreset_block": 4}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("good")
    return [write_image(folder / f"{i:02}.png", texture(i, (40, 48))) for i in range(10)]


def patchcore(**params: Any) -> Any:
    return create_model("patchcore", **{"backbone": Cells(), **GIVEN, **params})


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"references": ("rotations", 3)},
        {"roi": CORNER},
        {"foreground": "auto", "image_score": "max"},
        {"projection": 5, "light": "match"},
    ],
    ids=lambda given: next(iter(given), "plain"),
)
def test_workers_change_no_bit(params: dict[str, Any], files: list[str]) -> None:
    alone = patchcore(backbone="embedded", **params).fit(files)
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend, n_jobs=2):
            found = patchcore(backbone="embedded", **params).fit(files)
        assert_same(found, alone)
        assert found.scorer_.coverage_ == alone.scorer_.coverage_
        assert found.training_files_ == files


def test_with_every_patch_kept_it_is_the_fit_on_all_at_once(files: list[str]) -> None:
    whole = patchcore(coreset_ratio=1.0, coreset_block=None).fit(files)
    blocks = patchcore(coreset_ratio=1.0).fit(files)
    np.testing.assert_array_equal(blocks.memory_bank_, whole.memory_bank_)
    np.testing.assert_allclose(blocks.decision_scores_, whole.decision_scores_, rtol=1e-5)
    assert blocks.threshold_ == pytest.approx(whole.threshold_, rel=1e-5)
    assert blocks.map_threshold_ == pytest.approx(whole.map_threshold_, rel=1e-5)
    np.testing.assert_array_equal(blocks.decision_function(files), whole.decision_function(files))


def test_an_image_given_twice_in_different_blocks_is_left_out_with_its_copy() -> None:
    images = [texture(i, (40, 48)) for i in range(8)]
    detector = patchcore(coreset_ratio=1.0).fit([*images, images[0].copy()])
    assert detector.twins_.tolist() == [*range(8), 0]
    assert detector.decision_scores_.min() > 0.0


def test_unreadable_images_are_named_or_left_out(files: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "torn.png"
    bad.write_bytes(Path(files[0]).read_bytes()[:200])
    given = [*files[:4], str(bad), *files[4:]]
    detector = patchcore()
    with pytest.raises(ImageReadError, match=r"torn\.png"):
        detector.fit(given)
    assert not hasattr(detector, "threshold_")
    kept = patchcore(on_bad_image="skip").fit(given)
    assert kept.skipped_ == [str(bad)]
    assert len(kept.decision_scores_) == len(files)


def test_an_image_that_vanishes_between_the_passes_ends_the_fit(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Path(write_image(tmp_path / "gone.png", texture(30, (40, 48))))
    detector = patchcore().fit(files)
    before = dict(vars(detector))
    merge = type(detector.scorer_).merge

    def remove(self: Any, *args: Any) -> None:
        gone.unlink()
        merge(self, *args)

    monkeypatch.setattr(type(detector.scorer_), "merge", remove)
    with pytest.raises(ImageReadError, match=r"gone\.png"):
        detector.fit([*files, gone])
    assert vars(detector) == before


def test_a_file_holds_it_and_scores_alike(files: list[str], tmp_path: Path) -> None:
    detector = patchcore(backbone="embedded").fit(files)
    detector.save(tmp_path / "one.pyimgano")
    found = pyimgano.load(tmp_path / "one.pyimgano")
    assert found.get_params()["coreset_block"] == 4
    assert found.scorer_.coverage_ is not None
    assert found.scorer_.coverage_ == detector.scorer_.coverage_
    np.testing.assert_array_equal(found.decision_function(files), detector.decision_function(files))


def test_the_command_line_has_it(files: list[str], tmp_path: Path, capsys: Any) -> None:
    words = ["--coreset-block", "4", "--jobs", "2", "--image-size", "32", "--quiet"]
    assert main(["fit", *files, "-o", str(tmp_path / "one.pyimgano"), *words]) == 0
    expected = patchcore(backbone="embedded", batch_size=8).fit(files)
    assert pyimgano.load(tmp_path / "one.pyimgano").threshold_ == expected.threshold_


def test_a_union_that_will_not_fit_is_told_after_the_first_block(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = patchcore()
    enough = detector.build_scorer().block_bytes(4, 8 * 8, 3)
    monkeypatch.setattr(fit_memory, "available_memory", lambda: enough)
    with pytest.raises(NotEnoughMemoryError, match="local coresets of 10 images"):
        detector.fit(files)
    monkeypatch.setattr(fit_memory, "available_memory", lambda: enough - 1)
    with pytest.raises(NotEnoughMemoryError, match=r"a block of 4 images.*a smaller coreset_block"):
        detector.fit(files)


def test_a_spill_folder_has_no_use_beside_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="leave out one of the two"):
        patchcore(spill_dir=tmp_path).fit([texture(0)])


def test_a_plan_knows_that_not_all_patches_are_kept(files: list[str]) -> None:
    given = {"backbone": "embedded", "coreset_ratio": 0.01}
    whole = patchcore(**given, coreset_block=None).plan(files)
    blocks = patchcore(**given, coreset_block=2).plan(files)
    assert blocks.fit_bytes < 0.9 * whole.fit_bytes


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_block_takes_the_memory_of_its_patches(metric: str) -> None:
    def needed(block: int) -> int:
        scorer = MemoryBankScorer(coreset_ratio=0.01, coreset_block=block, metric=metric)
        return scorer.fit_bytes(1000, 1024, (384,))

    features = 1024 * 384 * 4  # of an image
    copies = 2 if metric == "euclidean" else 3  # as read, as compared, and all in one array
    assert needed(1000) > 1000 * copies * features
    assert needed(2000) == needed(1000)
    assert needed(500) - needed(16) > 484 * copies * features
