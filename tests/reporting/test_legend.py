from __future__ import annotations

import numpy as np
import pytest

from pyimgano.reporting.lettering import legend
from pyimgano.reporting.overlay import MapScale, heat_overlay

SCALE = MapScale.around(level=1.0, threshold=3.0)
VALUES = [("floor", 2.0), ("regions above", 3.0), ("highest", 5.0)]
#: The colour bar lies in these rows and begins at this column.
BAR, LEFT = slice(8, 22), 8


def ticks(picture: np.ndarray) -> list[int]:
    """Columns in which the rows of the bar are black, the first of each tick."""
    black = (picture[BAR] == 0).all(axis=(0, 2))
    return [i for i in np.flatnonzero(black).tolist() if not black[i - 1]]


def test_the_bar_has_the_colours_of_the_heat_map() -> None:
    picture = legend(416, SCALE, [], {})
    for column, unit in ((100, 0.25), (200, 0.5), (300, 0.75)):
        value = np.full((1, 1), SCALE.value(np.array(unit)), np.float32)
        grey = np.full((1, 1, 3), 140, np.uint8)
        expected = heat_overlay(grey, value, SCALE)[0, 0].astype(int)
        assert abs(picture[15, LEFT + column].astype(int) - expected).max() <= 6


def test_values_are_marked_where_their_colour_is() -> None:
    found = ticks(legend(416, SCALE, VALUES, {}))
    assert found == pytest.approx([LEFT, LEFT + 200, LEFT + 300], abs=1)


def test_each_value_is_written_below_the_bar() -> None:
    written = [legend(416, SCALE, VALUES[:n], {})[27:] for n in range(4)]
    ink = [int((w < 128).all(axis=2).sum()) for w in written]
    assert ink[0] == 0
    assert ink == sorted(set(ink))
    other = legend(416, SCALE, [("floor", 2.5)], {})[27:]
    assert not np.array_equal(written[1], other)


@pytest.mark.parametrize("values", [(2.0, 2.0, 2.0), (1e9, 1e10, 1e30), (-1e30, 0.0, 1e-9)])
def test_values_close_to_each_other_do_not_cover_each_other(
    values: tuple[float, float, float],
) -> None:
    marks = [(name, value) for (name, _), value in zip(VALUES, values, strict=True)]
    ink = [int((legend(416, SCALE, [m], {})[27:] < 128).all(axis=2).sum()) for m in marks]
    together = int((legend(416, SCALE, marks, {})[27:] < 128).all(axis=2).sum())
    assert together == sum(ink)


def test_the_key_has_the_colour_of_each_outline() -> None:
    outlines = {"region": (255, 255, 255), "true defect": (90, 230, 90)}
    plain, keyed = legend(416, SCALE, VALUES, {}), legend(416, SCALE, VALUES, outlines)
    key = keyed[plain.shape[0] - 8 :].reshape(-1, 3).tolist()
    assert [90, 230, 90] in key
    np.testing.assert_array_equal(keyed[: plain.shape[0] - 8], plain[:-8])
