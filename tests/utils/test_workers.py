"""Work in order over joblib's workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.utils import workers
from pyimgano.utils.workers import in_order, runs_here


@dataclass
class Square:
    """A number, squared, and the process; ``forgets`` what it was sent after each."""

    forgets: bool = False

    def __call__(self, number: int) -> tuple[int, int]:
        if number < 0:
            raise ValueError(f"{number} is below 0")
        if self.forgets:
            workers._KEPT.key = b""
        return number**2, os.getpid()


def squares(work: Any, numbers: Any, n_jobs: int | None) -> list[int]:
    return [one for one, _ in in_order(work, numbers, n_jobs, what="square")]


def test_one_job_is_this_process_whatever_the_backend() -> None:
    assert runs_here(None)
    assert runs_here(1)
    assert not runs_here(2)
    with joblib.parallel_config("threading", n_jobs=2):
        assert not runs_here(None)
        assert runs_here(1)
    assert {pid for _, pid in in_order(Square(), range(3), None, what="x")} == {os.getpid()}
    with pytest.raises(InvalidInputError, match="n_jobs"):
        runs_here(0)


@pytest.mark.parametrize("forgets", [False, True])
def test_results_come_in_order_over_several_rounds_even_from_workers_that_forget(
    forgets: bool,
) -> None:
    numbers = list(range(21))
    found = list(in_order(Square(forgets), numbers, 2, what="square"))
    assert [one for one, _ in found] == [n**2 for n in numbers]
    assert os.getpid() not in {pid for _, pid in found}


def test_a_single_item_stays_here() -> None:
    assert list(in_order(Square(), [3], 2, what="x")) == [(9, os.getpid())]
    assert list(in_order(Square(), [], 2, what="x")) == []


@pytest.mark.parametrize(("how", "n_asked"), [({}, 4), ({"each": 1}, 2)])
def test_items_are_asked_for_as_workers_are_free(how: dict[str, int], n_asked: int) -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(1000):
            asked.append(n)
            yield n

    found = in_order(Square(), numbers(), 2, what="square", **how)
    assert next(found)[0] == 0
    found.close()  # type: ignore[attr-defined]
    assert len(asked) == n_asked


def test_what_the_work_raises_arrives_after_the_results_before_it() -> None:
    found = in_order(Square(), [1, 2, -3, 4], 2, what="square")
    assert [next(found)[0], next(found)[0]] == [1, 4]
    with pytest.raises(ValueError, match="-3 is below 0"):
        next(found)
