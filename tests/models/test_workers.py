"""Fit and predict over joblib: what workers do changes no bit, and what they lose is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.errors import ImageReadError, InvalidInputError, InvalidTypeError, WorkerError
from pyimgano.extend import BackboneInfo, LayerInfo
from tests.conftest import texture, write_image

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

SIZE = {"image_size": 32, "batch_size": 2}


CORNER = np.zeros((40, 48), bool)
CORNER[8:, :24] = True


class Cells:
    """Means over cells of 4 x 4 pixels."""

    kind = "cells_of_workers"
    PARAMETERS: ClassVar[dict[str, Any]] = {}
    info = BackboneInfo(
        name="cells", layers=(LayerInfo("cells", 3, 4),), normalization=((0.5,) * 3, (0.25,) * 3)
    )

    def layer_maps(self, batch: np.ndarray) -> list[np.ndarray]:
        n, channels, height, width = batch.shape
        cells = batch.reshape(n, channels, height // 4, 4, width // 4, 4)
        return [cells.mean(axis=(3, 5))]


class Deadly(Cells):
    """Kills the first process that it is in, but for the one it was made in; ``forever`` each."""

    def __init__(self, mark: Path, *, forever: bool) -> None:
        self.mark, self.forever, self.home = mark, forever, os.getpid()

    def layer_maps(self, batch: np.ndarray) -> list[np.ndarray]:
        if os.getpid() != self.home and (self.forever or claimed(self.mark)):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().layer_maps(batch)


def claimed(mark: Path) -> bool:
    """Whether this is the first to make that file."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Locked(Cells):
    """Has what no pickle holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("good")
    return [write_image(folder / f"{i:02}.png", texture(i, (40, 48))) for i in range(10)]


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def assert_same(found: Any, expected: Any) -> None:
    assert found.threshold_ == expected.threshold_
    assert found.map_threshold_ == expected.map_threshold_
    assert found.training_set_ == expected.training_set_
    np.testing.assert_array_equal(found.decision_scores_, expected.decision_scores_)
    state, wanted = found.scorer_.to_state(), expected.scorer_.to_state()
    assert state.keys() == wanted.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, wanted[name])


@pytest.mark.parametrize("model", ["patchcore", "padim", "subspacead", "superadd", "mutual"])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_change_no_bit_of_what_is_learnt(
    model: str, backend: str, files: list[str]
) -> None:
    alone = create_model(model, backbone=Cells(), **SIZE).fit(files)
    with joblib.parallel_config(backend, n_jobs=2):
        found = create_model(model, backbone=Cells(), **SIZE).fit(files)
    assert_same(found, alone)
    assert found.timings_["backbone"] > 0  # of the workers


@pytest.mark.parametrize(
    "params",
    [
        {"references": ("rotations", 3)},
        {"projection": 5, "light": "match"},
        {"roi": CORNER},
        {"foreground": "auto", "image_score": "max"},
        {"image_size": 64, "tiles": 32, "tile_overlap": 8},
    ],
    ids=lambda given: next(iter(given)),
)
def test_nor_do_they_with_copies_axes_light_regions_or_tiles(
    params: dict[str, Any], files: list[str]
) -> None:
    given = {"backbone": "embedded", **SIZE, **params}
    alone = create_model("patchcore", **given).fit(files)
    assert_same(create_model("patchcore", n_jobs=2, **given).fit(files), alone)


def test_predictions_are_the_same_in_the_same_order(files: list[str]) -> None:
    detector = create_model("patchcore", backbone="embedded", **SIZE).fit(files[:6])
    images: list[Any] = [*files, texture(50, (40, 48))]
    alone = list(detector.iter_predict(images))
    detector.set_params(n_jobs=2)
    found = list(detector.iter_predict(image for image in images))
    assert [one.path for one in found] == [one.path for one in alone] == [*files, None]
    assert [one.score for one in found] == [one.score for one in alone]
    assert [one.warnings for one in found] == [one.warnings for one in alone]
    for one, two in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)
        np.testing.assert_array_equal(one.nearest, two.nearest)
    np.testing.assert_array_equal(detector.predict(files), [one.label for one in alone[:-1]])
    assert detector.predict_one(images[-1]).score == alone[-1].score


def test_a_dask_cluster_serves_and_a_worker_that_dies_is_made_up_for(
    dask: Any, files: list[str], tmp_path: Path
) -> None:
    alone = create_model("patchcore", backbone=Cells(), **SIZE).fit(files)
    backbone = Deadly(tmp_path / "died", forever=False)
    with joblib.parallel_config("dask"):
        found = create_model("patchcore", backbone=backbone, **SIZE).fit(files)
        scores = found.decision_function(files)
        dask.wait_for_workers(2, timeout=60)
        blocks = create_model("patchcore", backbone=Deadly(tmp_path / "again", forever=False))
        blocks.set_params(coreset_block=3, **SIZE).fit(files)
    assert (tmp_path / "died").exists()
    assert (tmp_path / "again").exists()
    assert_same(found, alone)
    assert_same(
        blocks, create_model("patchcore", backbone=Cells(), coreset_block=3, **SIZE).fit(files)
    )
    np.testing.assert_array_equal(scores, alone.decision_function(files))


def test_a_dask_worker_that_takes_the_only_copy_of_the_network_along_is_made_up_for(
    dask: Any, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = create_model("patchcore", backbone=Cells(), **SIZE).fit(files)
    dask.wait_for_workers(2, timeout=60)
    pids, scatter, killed = dask.run(os.getpid), dask.scatter, []

    async def scattered(*args: Any, **how: Any) -> Any:
        found = await scatter(*args, **how)
        if not killed:
            (holder,) = (await dask.scheduler.who_has(keys=[found.key]))[found.key]
            killed.append(pids[holder])
            os.kill(pids[holder], signal.SIGKILL)
        return found

    monkeypatch.setattr(dask, "scatter", scattered)
    backbone = Cells()
    backbone.weights = np.zeros(1000)  # type: ignore[attr-defined]  # joblib shares over 1 kB
    with joblib.parallel_config("dask"):
        assert_same(create_model("patchcore", backbone=backbone, **SIZE).fit(files), alone)
    assert len(killed) == 1


def test_a_lost_process_is_an_error_and_the_detector_stays_as_it_was(
    files: list[str], tmp_path: Path
) -> None:
    detector = create_model("patchcore", backbone=Cells(), **SIZE).fit(files)
    before, scores = dict(vars(detector)), detector.decision_function(files)
    detector.set_params(backbone=Deadly(tmp_path / "died", forever=True), n_jobs=2)
    with pytest.raises(WorkerError, match="fit: a worker was lost"):
        detector.fit(files)
    detector.set_params(backbone=before["backbone"], n_jobs=None)
    assert vars(detector).keys() == before.keys()
    assert detector.scorer_ is before["scorer_"]
    np.testing.assert_array_equal(detector.decision_function(files), scores)
    again = create_model("patchcore", backbone=Cells(), n_jobs=2, **SIZE).fit(files)  # a new pool
    assert_same(again, detector)


def test_unreadable_files_are_named_as_ever(files: list[str], tmp_path: Path) -> None:
    bad = [tmp_path / "torn.png", tmp_path / "gone.png"]
    bad[0].write_bytes(Path(files[0]).read_bytes()[:200])
    given = [*files[:5], *bad, *files[5:]]
    told = []
    for n_jobs in (None, 2):
        detector = create_model("patchcore", backbone=Cells(), n_jobs=n_jobs, **SIZE)
        with pytest.raises(ImageReadError) as caught:
            detector.fit(given)
        assert not hasattr(detector, "threshold_")
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert all(path.name in told[1] for path in bad)
    kept = create_model("patchcore", backbone=Cells(), n_jobs=2, on_bad_image="skip", **SIZE)
    assert kept.fit(given).skipped_ == sorted(map(str, bad))
    assert_same(kept, create_model("patchcore", backbone=Cells(), **SIZE).fit(files))
    found = kept.iter_predict(given)
    assert [next(found).path for _ in range(5)] == files[:5]
    with pytest.raises(ImageReadError, match=r"torn\.png"):
        next(found)
    with pytest.raises(InvalidTypeError, match="a path or a NumPy array"):
        kept.predict([*files[:3], 7])


def test_a_backbone_that_cannot_be_sent_is_told_by_name(files: list[str]) -> None:
    detector = create_model("patchcore", backbone=Locked(), n_jobs=2, **SIZE)
    with pytest.raises(InvalidInputError, match=r"Locked cannot be sent .*lock") as caught:
        detector.fit(files)
    assert "\n" not in str(caught.value)
    assert not hasattr(detector, "threshold_")
    with joblib.parallel_config("threading"):
        assert_same(
            detector.fit(files), create_model("patchcore", backbone=Cells(), **SIZE).fit(files)
        )
