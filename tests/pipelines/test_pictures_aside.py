"""Pictures of a benchmark are drawn beside the scoring, and stand when a category is finished."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pyimgano.errors import OutputError
from pyimgano.pipelines import category_pictures
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.utils import peak_memory


def bench(root: Path, output: Path) -> Any:
    return run_benchmark(
        dataset="mvtec",
        root=root,
        categories="bolt",
        backbone="embedded",
        image_size=(48, 64),
        output=output,
    )


def test_they_are_drawn_by_one_other_thread_in_the_order_of_the_images(
    mvtec_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = category_pictures.Pictures.add, []

    def watched(self: Any, path: str, *rest: Any) -> dict[str, str]:
        seen.append((threading.current_thread(), path))
        return real(self, path, *rest)

    monkeypatch.setattr(category_pictures.Pictures, "add", watched)
    (category,) = bench(mvtec_root, tmp_path / "out").categories
    assert [path for _, path in seen] == [one.path for one in category.images]
    (thread,) = {thread for thread, _ in seen}
    assert thread is not threading.main_thread()
    assert not thread.is_alive()
    for number, one in enumerate(category.images):
        assert Path(one.pictures["image"]).name == f"{number:04d}-image.webp"
        assert all((tmp_path / "out" / name).is_file() for name in one.pictures.values())
    if peak_memory._reset():  # elsewhere a stage may be missing
        assert sorted(category.model_memory_mb) == ["fit", "predict"]


def test_one_that_cannot_be_written_ends_the_run_and_the_category_is_not_kept(
    mvtec_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> dict[str, str]:
        raise OutputError("no space left")

    monkeypatch.setattr(category_pictures.Pictures, "add", full)
    with pytest.raises(OutputError, match="no space left"):
        bench(mvtec_root, tmp_path / "out")
    assert list((tmp_path / "out/categories").iterdir()) == []
