"""An extractor of somebody's own that fails or lies is one error that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.errors import BackboneError
from pyimgano.extend import PatchGrid, register_backbone
from tests.conftest import texture

GOOD = PatchGrid(np.zeros((4, 3), np.float32), (2, 2))


class Liar:
    """Extracts what it is told to."""

    needs_fit = False

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.answer = answer

    def check_size(self, height: int, width: int) -> None:
        pass

    def extract_batch(self, images: list[np.ndarray]) -> Any:
        return self.answer(len(images))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda n: 1 / 0, "extractor Liar fails with ZeroDivisionError: division by zero"),
        (lambda n: [GOOD] * (n - 1), "extractor Liar gave 3 grids for 4 images"),
        (lambda n: np.zeros((n, 2, 2, 3)), "extractor Liar gave ndarray grids for 4 images"),
        (lambda n: [GOOD.array] * n, "extractor Liar gave ndarray, not PatchGrid"),
        (
            lambda n: [PatchGrid(GOOD.rows, (2, 3))] * n,
            r"gave rows float32 \(4, 3\) for a grid of \(2, 3\)",
        ),
        (
            lambda n: [PatchGrid(GOOD.rows.astype(np.float64), (2, 2))] * n,
            r"gave rows float64 \(4, 3\) for a grid of \(2, 2\): they must be float32",
        ),
        (lambda n: [PatchGrid(GOOD.rows, (4,))] * n, r"for a grid of \(4,\)"),  # type: ignore[arg-type]
        (lambda n: [PatchGrid(GOOD.rows * np.nan, (2, 2))] * n, "rows that hold NaN or infinity"),
    ],
)
@pytest.mark.usefixtures("own_registries")
def test_it_is_named_with_what_it_gave(answer: Callable[[int], Any], said: str) -> None:
    register_backbone("liar", lambda: Liar(answer))
    detector = create_model("patchcore", backbone="liar", image_size=32)
    with pytest.raises(BackboneError, match=said):
        detector.fit([texture(i, (32, 32)) for i in range(4)])
