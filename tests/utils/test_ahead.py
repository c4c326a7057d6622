"""Work in a thread: a few items ahead of who asks, and calls that nobody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pyimgano.utils.ahead import Ahead, Aside


def test_results_come_in_order_and_are_worked_out_in_another_thread() -> None:
    threads = set()

    def square(n: int) -> int:
        threads.add(threading.get_ident())
        return n * n

    with Ahead(range(20), square, 3) as found:
        assert list(found) == [n * n for n in range(20)]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("n", [1, 4])
def test_no_more_than_a_few_are_worked_out_ahead(n: int) -> None:
    begun: list[int] = []
    with Ahead(range(100), begun.append, n) as found:
        next(found)
        deadline = time.monotonic() + 10
        while len(begun) < n + 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(begun) == n + 2  # the one that was taken, those that wait, one at work
    assert len(begun) == n + 2


def test_what_is_large_is_worked_out_when_it_is_asked_for() -> None:
    begun: list[int] = []

    def note(n: int) -> int:
        begun.append(n)
        return n

    with Ahead(range(4), note, 3, lambda _: 40 * 2**20) as found:
        for n in range(4):
            assert next(found) == n
            time.sleep(0.05)
            assert len(begun) == min(4, n + 2)  # one waits; two would hold more than 64 MiB
        assert list(found) == []
    begun.clear()
    with Ahead(range(4), note, 3, lambda _: 2**30) as found:
        for n in range(4):
            assert next(found) == n
            time.sleep(0.05)
            assert begun == list(range(n + 1))


def test_an_error_comes_in_its_place_and_is_the_end() -> None:
    def invert(n: int) -> float:
        return 1 / n

    found = Ahead([2, 1, 0, 4], invert, 8)
    assert [next(found), next(found)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert list(found) == []


def test_an_error_of_the_items_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    found = Ahead(items(), abs, 8)
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_calls_are_made_in_order_and_all_of_them_before_the_block_ends() -> None:
    seen: list[int] = []
    gate = threading.Event()

    def note(n: int) -> int:
        if n == 5:
            gate.wait(10)
        seen.append(n)
        return -n

    with Aside(2) as aside:
        results = [aside.call(note, n) for n in range(6)]
        assert 5 not in seen
        gate.set()
    assert seen == list(range(6))
    assert [one.result() for one in results] == [0, -1, -2, -3, -4, -5]


def test_a_caller_waits_where_too_many_calls_do() -> None:
    gate = threading.Event()
    with Aside(2) as aside:
        aside.call(gate.wait, 10)
        aside.call(int)
        third = threading.Thread(target=aside.call, args=(int,))
        third.start()
        third.join(0.1)
        assert third.is_alive()
        gate.set()
        third.join(10)
        assert not third.is_alive()


@pytest.mark.parametrize(("n_bytes", "waits"), [(100 * 2**20, False), (200 * 2**20, True)])
def test_a_caller_waits_where_calls_hold_much(n_bytes: int, waits: bool) -> None:
    gate = threading.Event()
    with Aside(8) as aside:
        aside.call(gate.wait, 10, n_bytes=2**30 if waits else n_bytes)  # one alone may hold more
        second = threading.Thread(target=lambda: aside.call(int, n_bytes=n_bytes))
        second.start()
        second.join(0.1 if waits else 10)
        assert second.is_alive() == waits
        gate.set()
        second.join(10)
        assert not second.is_alive()


def test_an_error_of_a_call_is_raised_at_the_next_one_and_the_rest_is_dropped() -> None:
    seen: list[int] = []

    def fail() -> None:
        raise OSError("disk full")

    def call_twice() -> None:
        with Aside(4) as aside:
            aside.call(fail).exception(10)
            aside.call(seen.append, 1)

    with pytest.raises(OSError, match="disk full"):
        call_twice()
    assert seen == []


def test_an_error_of_the_last_call_is_raised_where_the_block_ends() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Aside(4) as aside:
        aside.call(fail)


def test_an_error_of_the_block_drops_the_calls_that_wait() -> None:
    gate, seen = threading.Event(), []

    def stop() -> None:
        gate.wait(10)

    def leave() -> None:
        with Aside(4) as aside:
            aside.call(stop)
            aside.call(seen.append, 1)
            threading.Timer(0.1, gate.set).start()
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        leave()
    assert seen == []
