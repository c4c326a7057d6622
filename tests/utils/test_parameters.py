"""Each kind of parameter: what it takes from Python, from a file and from the command line."""

from __future__ import annotations

import math
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.images.region_files import IGNORE, ROI
from pyimgano.images.tiles import TILES
from pyimgano.utils.parameters import (
    Choice,
    Count,
    Device,
    Either,
    Flag,
    ListOf,
    Normalization,
    Number,
    Opaque,
    Parameter,
    PathLike,
    Size,
    Text,
    Unfit,
    Worded,
)
from pyimgano.utils.params import ParamsMixin, check_declaration

SHARE = Number(0, 1, open_low=True)
BELOW = Number(0, 1, open_high=True)
SCALED = [[0.5, 0.5, 0.5], [0.25, 0.25, 0.25]]

#: A kind, a value that is given, and what the constructor gets.
TAKEN: list[tuple[Parameter, Any, Any]] = [
    (Count(), 1, 1),
    (Count(), np.int64(7), 7),
    (Count(0, 3), 0, 0),
    (Count(0, 3), np.uint8(3), 3),
    (Count(none=True), None, None),
    (SHARE, 1, 1),
    (SHARE, np.float32(0.25), 0.25),
    (BELOW, 0, 0),
    (Number(), -1e300, -1e300),
    (Flag(), True, True),
    (Flag(), np.False_, False),
    (Choice("raise", "skip"), "skip", "skip"),
    (Choice("paper", none=True), None, None),
    (Choice(8, 16), 8, 8),
    (Text(), "resnet18", "resnet18"),
    (Text(4, "[a-z]*"), "", ""),
    (PathLike(), "a/b", "a/b"),
    (PathLike(), PurePath("a", "b"), str(PurePath("a", "b"))),
    (Device(), "cuda:1", "cuda:1"),
    (Size(), 256, 256),
    (Size(), np.array([16, 24]), (16, 24)),
    (Size(), [16, 24], (16, 24)),
    (Size(none="native"), None, None),
    (Normalization(), "imagenet", "imagenet"),
    (Normalization(), (np.full(3, 0.5), [0.25] * 3), SCALED),
    (ListOf(Text()), ("a", "b"), ["a", "b"]),
    (ListOf(Count()), np.array([1, 2]), [1, 2]),
    (Either(Count(), Choice("auto")), "auto", "auto"),
    (Either(Count(), Choice("auto")), 3, 3),
    (Opaque("a function", callable), len, len),
]
#: A kind, a value that it refuses, and what it says of itself.
REFUSED: list[tuple[Parameter, Any, str]] = [
    (Count(), 0, "an integer of at least 1"),
    (Count(), 2**31, "an integer of at least 1"),
    (Count(1, 16), 17, "an integer from 1 to 16"),
    (Count(), True, "an integer"),
    (Count(), 2.0, "an integer"),
    (Count(), None, "an integer of at least 1"),
    (Count(none=True), "1", "an integer of at least 1 or None"),
    (SHARE, 0, "above 0 and at most 1"),
    (SHARE, 1.0001, "above 0 and at most 1"),
    (SHARE, 10**400, "above 0 and at most 1"),
    (BELOW, 1, "at least 0 and below 1"),
    (SHARE, math.nan, "above 0 and at most 1"),
    (SHARE, True, "above 0 and at most 1"),
    (SHARE, "0.5", "above 0 and at most 1"),
    (Number(), math.inf, "a finite number"),
    (Flag(), 1, "True or False"),
    (Choice("raise", "skip"), "keep", '"raise" or "skip"'),
    (Choice("raise", "skip"), None, '"raise" or "skip"'),
    (Choice("paper", none=True), "best", '"paper" or None'),
    (Choice(8, 16), True, "8 or 16"),
    (Text(), "", "a text of at most 255 characters"),
    (Text(), b"x", "a text"),
    (Text(4, "[a-z]*"), "abcde", "at most 4 characters like [a-z]*"),
    (Text(4, "[a-z]*"), "A", "like [a-z]*"),
    (PathLike(), "", "a path"),
    (PathLike("a file"), b"x", "a file"),
    (Device(), 0, 'a device such as "cpu"'),
    (Size(), 0, "an integer from 1 to 32,767, or (height, width)"),
    (Size(), (3, 4, 5), "(height, width)"),
    (Size(), True, "(height, width)"),
    (Size(), None, "(height, width)"),
    (Size(2**14, 2**23), (2**14, 2**14), "of at most 8,388,608 pixels"),
    (Normalization(), "coco", '"imagenet" or (mean, std)'),
    (Normalization(), ([0.5] * 3, [0.0] * 3), "three above 0"),
    (Normalization(), ([0.5] * 2, [0.5] * 2), "(mean, std)"),
    (Normalization(), 5, "(mean, std)"),
    (ListOf(Text(), 1), [], "a list of 1 to 64 values"),
    (ListOf(Text()), [1], "each a text"),
    (ListOf(Text()), "ab", "a list"),
    (Either(Count(), Choice("auto")), "x", 'an integer of at least 1 or "auto"'),
    (Opaque("a function", callable), 5, "a function"),
]


@pytest.mark.parametrize(("kind", "given", "expected"), TAKEN)
def test_what_it_may_be(kind: Parameter, given: Any, expected: Any) -> None:
    found = kind.check("it", given)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("kind", "given", "wanted"), REFUSED)
def test_what_it_may_not_be(kind: Parameter, given: Any, wanted: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        kind.check("it", given)
    assert str(caught.value).startswith("it must be ")
    assert wanted in str(caught.value)
    with pytest.raises(Unfit, match=r"is .*, not "):  # what a detector file is told
        kind.accept(given)


@pytest.mark.parametrize(
    ("kind", "word", "expected"),
    [
        (Count(), "12", 12),
        (Number(), "1e-2", 0.01),
        (Flag(), "true", True),
        (Choice("a", "b"), "b", "b"),
        (Text(), "x y", "x y"),
        (PathLike(), "a/b", "a/b"),
        (Size(), "256", 256),
        (Size(), "256x384", (256, 384)),
        (Size(none="native"), "native", None),
        (Normalization(), "imagenet", "imagenet"),
        (Normalization(), "0.5,0.25", tuple(SCALED)),
        (Normalization(), "0.5,0.5,0.5,0.25,0.25,0.25", tuple(SCALED)),
        (ListOf(Count()), "3", 3),  # one word of several
        (Text(none="opencv"), "opencv", "opencv"),
        (Either(Count(), Choice("auto")), "auto", "auto"),
    ],
)
def test_a_word_of_the_command_line(kind: Parameter, word: str, expected: Any) -> None:
    assert kind.parse(word) == expected


@pytest.mark.parametrize(
    ("kind", "word", "wanted"),
    [
        (Count(), "1.5", "a whole number"),
        (Number(), "much", "a number"),
        (Flag(), "yes", "true or false"),
        (Choice("a", "b"), "c", '"a" or "b"'),
        (Size(), "256x", "a size: give 256, 256x384 (height x width)"),
        (Size(none="native"), "0", "(height x width) or native"),
        (Normalization(), "1,2,3", 'imagenet, "mean,std" or "m,m,m,s,s,s"'),
        (Opaque("a function", callable), "len", "a function"),
        (Either(Count(1, 9), Opaque("a function", callable), none=True), "x", "from 1 to 9"),
    ],
)
def test_a_word_that_is_no_value(kind: Parameter, word: str, wanted: str) -> None:
    with pytest.raises(Unfit) as caught:
        kind.parse(word)
    assert wanted in caught.value.wanted


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Count(1, 9, none=True), "an integer from 1 to 9"),
        (Size(1024, none="native"), "an integer from 1 to 1,024, or HEIGHTxWIDTH"),
        (Normalization(), 'imagenet, "mean,std" or "m,m,m,s,s,s", with deviations above 0'),
        (ListOf(Count(1, 9), 1, 3), "1 to 3 values, each an integer from 1 to 9"),
        (Worded("top", Count(1, 9)), "top:VALUE with VALUE an integer from 1 to 9"),
        (Opaque("a function", callable), ""),
        (Either(Text(9), Opaque("an object", callable)), "a text of at most 9 characters"),
        (
            Either(Either(Count(1, 9), Device()), Device()),
            'an integer from 1 to 9 or a device such as "cpu"',
        ),
        (TILES, '"auto", an integer from 16 to 8,192 or SIZE:OVERLAP in pixels'),
        (ROI, 'a picture, a JSON file or "auto"'),
        (IGNORE, "a picture or a JSON file"),
    ],
)
def test_the_command_line_knows_no_words_of_python(kind: Parameter, words: str) -> None:
    assert kind.typed == words


def test_an_array_is_told_by_its_type_and_shape_and_an_empty_text_as_such() -> None:
    with pytest.raises(InvalidInputError, match=r"or None, got an array float64 \(2, 3\)$"):
        ROI.check("roi", np.zeros((2, 3)))
    with pytest.raises(InvalidInputError, match=r"or None, got ''$"):
        ROI.check("roi", "")


def test_a_file_may_have_narrower_bounds_or_hold_none_of_it() -> None:
    assert Count(stored=Count(1, 4)).in_file == Count(1, 4)
    assert Count(1, 9).in_file == Count(1, 9)
    assert Count(stored=False).in_file is None


def test_an_error_is_one_line_of_bearable_length() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Text().check("it", "a\nb" * 10_000)
    assert str(caught.value).count("\n") == 0
    assert len(str(caught.value)) < 200


class Drill(ParamsMixin):
    PARAMETERS = {"depth": Count(1, 9), "out": PathLike(none=True)}  # noqa: RUF012

    def __init__(self, depth: int = 3, *, out: str | Path | None = None) -> None:
        self.depth = depth
        self.out = out


class Deeper(Drill):
    def __init__(self, depth: int = 3, *, out: str | None = None, width: int = 1) -> None:
        super().__init__(depth, out=out)
        self.width = width


class Bare:
    """Without a constructor there is nothing to declare."""


class Blind(ParamsMixin):
    PARAMETERS = {"depth": Count()}  # noqa: RUF012

    def __init__(self) -> None:
        pass


def test_a_class_checks_what_it_declares() -> None:
    Drill(9, out=Path("x")).check_params()
    with pytest.raises(InvalidInputError, match="depth must be an integer from 1 to 9, got 10"):
        Drill(10).check_params()
    with pytest.raises(InvalidInputError, match="out must be a path or None, got 5"):
        Drill(out=5).check_params()  # type: ignore[arg-type]


def test_a_declaration_and_a_constructor_that_differ_are_told_apart() -> None:
    check_declaration(Drill)
    check_declaration(Bare)
    with pytest.raises(InvalidInputError, match="Deeper: its PARAMETERS lack 'width'"):
        check_declaration(Deeper)
    with pytest.raises(InvalidInputError, match="Blind: its constructor lacks 'depth'"):
        check_declaration(Blind)
