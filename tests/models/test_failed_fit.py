"""A fit that fails, while its exception is kept."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pyimgano import create_model
from pyimgano.features.patches.projection import Projection
from pyimgano.scorers.memory_bank import MemoryBankScorer
from tests.conftest import texture, write_image


def refuse(*_: Any, **__: Any) -> Any:
    raise ValueError("refused")


def count_threads() -> int:
    """Those of a progress bar, which outlives its fit, left out."""
    return sum("tqdm" not in one.name for one in threading.enumerate())


@pytest.mark.parametrize(
    ("of", "name", "given"),
    [(MemoryBankScorer, "add", {}), (Projection, "fit", {"projection": 5})],
    ids=["patches", "axes"],
)
def test_nothing_goes_on_decoding_where_a_fit_fails(
    of: Any, name: str, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write_image(tmp_path / f"{i}.png", texture(i, (40, 48))) for i in range(12)]
    monkeypatch.setattr(of, name, refuse)
    detector = create_model("patchcore", backbone="embedded", image_size=32, batch_size=2, **given)
    before = count_threads()
    with pytest.raises(ValueError, match="refused") as kept:
        detector.fit(files)
    deadline = time.monotonic() + 5
    while count_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count_threads() <= before
    assert kept.value.__traceback__ is not None
