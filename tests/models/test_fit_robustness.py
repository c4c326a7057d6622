"""Fitting without enough memory, with features on disk, and interrupted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import (
    NotEnoughMemoryError,
    NotFittedError,
    OutputError,
    ThresholdWarning,
)
from pyimgano.models import PatchCore, patch_detector
from pyimgano.neighbors.rust import RustNeighbors
from pyimgano.scorers import feature_store, fit_memory, memory_bank
from pyimgano.scorers.feature_store import FeatureStore
from tests.conftest import texture
from tests.kernels.support import run_python

SIZE = (48, 64)

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
IMAGES = [texture(i) for i in range(6)]


def detector(**kwargs: object) -> PatchCore:
    return PatchCore(**{"backbone": "embedded", "image_size": SIZE, **kwargs})  # type: ignore[arg-type]


class TestMemory:
    def test_what_does_not_fit_is_refused_with_the_numbers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fit_memory, "available_memory", lambda: 50_000)
        with pytest.raises(NotEnoughMemoryError, match=r"0\.1 MB are available") as caught:
            detector(batch_size=2).fit(IMAGES)
        assert "6 images of " in str(caught.value)
        assert "image_size" in str(caught.value)
        assert isinstance(caught.value, MemoryError)

    def test_it_is_refused_after_the_first_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fit_memory, "available_memory", lambda: 50_000)
        appended: list[object] = []
        monkeypatch.setattr(FeatureStore, "append", lambda self, rows: appended.append(rows))
        with pytest.raises(NotEnoughMemoryError):
            detector(batch_size=2).fit(IMAGES)
        assert not appended

    def test_spilling_is_named_where_it_would_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        grid, n = (28, 28, 1024), 10_000
        monkeypatch.setattr(fit_memory, "available_memory", lambda: 16 * 10**9)
        with pytest.raises(NotEnoughMemoryError, match=r"about 4\d\.\d GB .* spill_dir=FOLDER"):
            fit_memory.check_fit_memory(n, grid, coreset_ratio=0.1, spill_dir=None)
        fit_memory.check_fit_memory(n // 10, grid, coreset_ratio=0.1, spill_dir=None)

    def test_on_disk_only_the_rest_counts(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(fit_memory, "available_memory", lambda: 10**9)
        grid = (28, 28, 100)
        fit_memory.check_fit_memory(2_000, grid, coreset_ratio=0.1, spill_dir=tmp_path)
        with pytest.raises(NotEnoughMemoryError, match="kept on disk"):
            fit_memory.check_fit_memory(5_000, grid, coreset_ratio=0.1, spill_dir=tmp_path)

    def test_unknown_memory_refuses_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fit_memory, "available_memory", lambda: None)
        fit_memory.check_fit_memory(10**9, (28, 28, 1024), coreset_ratio=0.1, spill_dir=None)

    def test_a_disk_without_room_is_an_error_beforehand(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"spill_dir .* free"):
            fit_memory.check_fit_memory(
                10**9, (28, 28, 1024), coreset_ratio=0.1, spill_dir=tmp_path
            )


class TestSpilling:
    def test_features_on_disk_give_the_same_detector(self, tmp_path: Path) -> None:
        in_memory, on_disk = detector().fit(IMAGES), detector(spill_dir=tmp_path).fit(IMAGES)
        np.testing.assert_array_equal(on_disk.memory_bank_, in_memory.memory_bank_)
        np.testing.assert_array_equal(on_disk.decision_scores_, in_memory.decision_scores_)
        assert on_disk.threshold_ == in_memory.threshold_
        assert type(on_disk.memory_bank_) is np.ndarray
        assert on_disk.memory_bank_.flags.owndata

    def test_images_of_differing_sizes(self, tmp_path: Path) -> None:
        images = [texture(0, (48, 64)), texture(1, (96, 40)), texture(2, (64, 64))]
        expected = detector(image_size=None).fit(images)
        found = detector(image_size=None, spill_dir=tmp_path).fit(images)
        np.testing.assert_array_equal(found.memory_bank_, expected.memory_bank_)

    def test_the_file_has_no_name_and_is_gone_afterwards(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[str]] = []
        append = FeatureStore.append

        def watched(self: FeatureStore, rows: np.ndarray) -> None:
            append(self, rows)
            seen.append(os.listdir(tmp_path))

        monkeypatch.setattr(FeatureStore, "append", watched)
        detector(spill_dir=tmp_path).fit(IMAGES)
        if os.name == "posix":
            assert seen == [[]] * len(IMAGES)
        assert os.listdir(tmp_path) == []

    def test_rows_are_a_read_only_view_of_the_file(self, tmp_path: Path) -> None:
        store = FeatureStore(2, tmp_path)
        first, second = np.ones((3, 4), np.float32), np.full((2, 4), 7, np.float32)
        store.append(first)
        np.testing.assert_array_equal(store.rows, first)
        store.append(second)
        np.testing.assert_array_equal(store.rows, np.concatenate([first, second]))
        assert not store.rows.flags.writeable
        assert not store.rows.flags.owndata

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="spill_dir"):
            detector(spill_dir=tmp_path / "none").fit(IMAGES)

    def test_a_disk_that_fills_up_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here, the file that is always full")
        opened = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        monkeypatch.setattr(feature_store, "_open", lambda folder: opened)
        with pytest.raises(OutputError, match="spill_dir"):
            detector(spill_dir=tmp_path).fit(IMAGES)

    @pytest.mark.slow
    def test_anonymous_memory_stays_small_while_kernels_read_a_mapped_file(
        self, tmp_path: Path
    ) -> None:
        # 400 MB of features; of the process's own memory only the kernel's 430 bytes a row grow.
        ran = run_python(f"""
            import numpy as np
            from pathlib import Path
            from pyimgano.kernels import greedy_coreset
            from pyimgano.scorers.feature_store import FeatureStore

            def anonymous():
                for line in Path("/proc/self/status").read_text().splitlines():
                    if line.startswith("RssAnon"):
                        return int(line.split()[1]) * 1024
                raise SystemExit("unknown")

            rng = np.random.default_rng(0)
            store = FeatureStore(50, {str(tmp_path)!r})
            for _ in range(50):
                store.append(rng.normal(size=(2_000, 1_000)).astype(np.float32))
            before, most = anonymous(), [0]
            greedy_coreset(
                store.rows, 20, start=0, progress=lambda *_: most.append(anonymous())
            )
            print(max(most) - before)
        """)
        if "unknown" in ran.stderr:
            pytest.skip("/proc/self/status does not tell RssAnon here")
        assert int(ran.stdout) < 100e6, ran.stderr


STAGES = {
    "collect": patch_detector,
    "select_coreset": memory_bank,
    "score_held_out": memory_bank,
    "fit": RustNeighbors,
}


class TestInterrupts:
    @pytest.mark.parametrize("stage", STAGES)
    def test_a_new_detector_stays_unfitted(
        self, stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.interrupt(stage, monkeypatch)
        stopped = detector(spill_dir=tmp_path)
        before = dict(vars(stopped))
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(IMAGES)
        assert vars(stopped) == before
        assert os.listdir(tmp_path) == []
        with pytest.raises(NotFittedError):
            stopped.predict(IMAGES[:1])

    @pytest.mark.parametrize("stage", STAGES)
    def test_a_fitted_one_stays_as_it_was(
        self, stage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fitted = detector().fit(IMAGES)
        expected = fitted.decision_function(IMAGES)
        before = dict(vars(fitted))
        self.interrupt(stage, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            fitted.fit([texture(i) for i in range(20, 24)])
        assert vars(fitted).keys() == before.keys()
        assert all(vars(fitted)[name] is value for name, value in before.items())
        monkeypatch.undo()
        np.testing.assert_array_equal(fitted.decision_function(IMAGES), expected)

    @staticmethod
    def interrupt(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        original = getattr(STAGES[stage], stage)

        def stopped(*args: object, **kwargs: object) -> None:
            original(*args, **kwargs)
            raise KeyboardInterrupt

        monkeypatch.setattr(STAGES[stage], stage, stopped)


def test_warnings_of_the_threshold_point_at_the_call_of_fit() -> None:
    with pytest.warns(ThresholdWarning) as caught:
        detector().fit(IMAGES)
    assert [warning.filename for warning in caught] == [__file__]
