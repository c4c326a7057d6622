from __future__ import annotations

import numpy as np
import pytest

from pyimgano.reporting.lettering import LINE_HEIGHT, as_drawn, band, text_width

#: Names in several scripts, which the fonts of the core install hold.
NAMES = [
    "Schafer", "Schäfer", "Søren ß", "Kraków", "Việt", "Ελληνικά", "Кириллица", "日本語", "简体",
    "한국어", "שלום", "عربي", "50 µm ± 1°",
]  # fmt: skip


def dark(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture < 128).all(axis=2))


def test_names_of_several_scripts_are_drawn_and_differ() -> None:
    bands = [band(name, 300) for name in NAMES]
    assert all(b.shape == (LINE_HEIGHT, 300, 3) for b in bands)
    assert all(dark(b).sum() > 40 for b in bands)
    assert len({b.tobytes() for b in bands}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_letter_of_theirs_becomes_a_question_mark(name: str) -> None:
    drawn = as_drawn(name)
    assert sorted(drawn) == sorted(name)
    unknown = band("?" * len(name), 300)
    assert not np.array_equal(band(name, 300), unknown)


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("a😀.png", r"a\U0001f600.png"),
        ("हि", r"\u0939\u093f"),
        ("x\u0303", r"x\u0303"),
        ("a\u200bb\x1b\u2028", r"a\u200bb\x1b\u2028"),
        ("caf\udce9", r"caf\udce9"),
        ("what?", "what?"),
    ],
)
def test_what_cannot_be_drawn_is_escaped_and_a_question_mark_is_one(name: str, drawn: str) -> None:
    assert as_drawn(name) == drawn


def test_letters_that_a_file_system_took_apart_are_put_together() -> None:
    assert as_drawn("Scha\u0308fer") == "Sch\u00e4fer"
    assert as_drawn("a\u00a0b\u3000c") == "a b c"


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("אבג.png", "גבא.png"),
        ("a/אב גד/דה.png", "a/דג בא/הד.png"),
        ("אב 12 גד", "דג 12 בא"),
        ("אב_7.png", "בא_7.png"),
        ("(אב) [גד]", "(בא) [דג]"),
    ],
)
def test_scripts_from_right_to_left_are_turned_and_their_numbers_are_not(
    name: str, drawn: str
) -> None:
    assert as_drawn(name) == drawn


def test_a_long_text_goes_on_in_the_next_lines() -> None:
    text = " ".join(f"word{i}" for i in range(20))
    picture = band(text, 300)
    assert picture.shape[0] in (4 * LINE_HEIGHT, 5 * LINE_HEIGHT)
    for top in range(0, picture.shape[0], LINE_HEIGHT):
        ink = dark(picture[top : top + LINE_HEIGHT])
        assert ink.any()
        assert not ink[:, -2:].any()


def test_a_very_long_name_keeps_its_beginning_and_its_end() -> None:
    one, other = band("a" + 4000 * "_" + "1.png", 300), band("a" + 4000 * "_" + "2.png", 300)
    assert one.shape == (5 * LINE_HEIGHT, 300, 3)
    assert not np.array_equal(one, other)


def test_a_line_is_as_wide_as_told() -> None:
    ink = dark(band("wide enough", 300))
    last = int(np.flatnonzero(ink.any(axis=0))[-1])
    assert last - 8 <= text_width("wide enough") <= last + 4
