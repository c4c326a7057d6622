"""Counters of what lower bounds spare: they add up, and change nothing."""

import dataclasses

import numpy as np
import pytest

from pyimgano.errors import InvalidTypeError
from pyimgano.kernels import KnnIndex, SearchStats, greedy_coreset
from tests.kernels.support import patches

pytestmark = pytest.mark.usefixtures("simd")

SURFACE = patches(6_000, 256)
GAUSSIAN = np.random.default_rng(0).normal(size=(2_000, 64)).astype(np.float32)


def counted(rows, queries, k=1, groups=None, own=None):
    """The counters of a search, whose answer is that of one that does not count."""
    index, stats = KnnIndex(rows, groups=groups), SearchStats()
    found = index.query(queries, k, groups=own, stats=stats)
    plain = index.query(queries, k, groups=own)
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_array_equal(found[1], plain[1])
    assert stats.candidates == len(rows) * len(queries)
    assert stats.candidates == stats.pruned + stats.refined + stats.excluded
    return stats


@pytest.mark.parametrize("k", [1, 9])
def test_of_rows_near_a_surface_hardly_any_is_refined(k):
    stats = counted(SURFACE[:5_000], SURFACE[5_000:], k)
    assert stats.by_ball > stats.candidates / 2
    assert stats.by_projection > 0
    assert stats.share_pruned > 0.99
    assert 1_000 * k <= stats.refined
    assert 1_000 * k <= stats.probed < stats.candidates / 100
    assert stats.excluded == 0


def test_a_scan_prunes_by_the_rows_alone():
    stats = counted(GAUSSIAN[:1_000], GAUSSIAN[1_000:])  # too small a bank for projections
    assert (stats.by_ball, stats.by_projection, stats.probed) == (0, 0, 0)
    assert 0 < stats.refined < stats.by_row


def test_rows_without_structure_add_up_too():
    counted(np.tile(GAUSSIAN, (2, 1)), GAUSSIAN[:300] + np.float32(0.1), 5)


def test_brute_force_prunes_nothing():
    huge = SURFACE[:2_000] * np.float32(1e30)  # float32 bounds are of no use there
    stats = counted(huge, huge[:70], 3)
    assert (stats.pruned, stats.refined) == (0, 2_000 * 70)
    picks = SearchStats()
    greedy_coreset(huge, 5, start=0, stats=picks)
    assert picks.pruned == 0
    assert picks.candidates == picks.refined == 1_999 + 1_998 + 1_997 + 1_996


def test_rows_of_the_own_group_are_excluded_or_pruned():
    groups = np.arange(3_000) // 500
    stats = counted(SURFACE[:3_000], SURFACE[:3_000:20], 1, groups, groups[::20])
    assert 0 < stats.excluded <= 500 * 150
    alone = counted(SURFACE[:10], SURFACE[:3], 1, [7] * 10, [7, 8, 7])
    assert (alone.excluded, alone.refined + alone.pruned) == (20, 10)


def test_a_coreset_of_one_batch_compares_each_pick_with_all_rows():
    stats = SearchStats()
    picks = greedy_coreset(SURFACE[:3_000], 200, start=0, stats=stats)
    np.testing.assert_array_equal(picks, greedy_coreset(SURFACE[:3_000], 200, start=0))
    assert stats.candidates == 2_999 * 200
    assert stats.candidates == stats.pruned + stats.refined
    assert (stats.excluded, stats.probed) == (0, 0)
    assert stats.share_pruned > 0.9


def test_a_coreset_of_several_batches_prunes_whole_blocks():
    stats = SearchStats()
    picks = greedy_coreset(SURFACE, 1_000, start=0, stats=stats)
    np.testing.assert_array_equal(picks, greedy_coreset(SURFACE, 1_000, start=0))
    assert stats.candidates == stats.pruned + stats.refined > 6_000 * 100
    assert stats.by_ball > 0


def test_calls_are_added_up():
    index, stats = KnnIndex(SURFACE), SearchStats()
    index.query(SURFACE[:64], stats=stats)
    once = dataclasses.replace(stats)
    index.query(SURFACE[:64], stats=stats)
    assert dataclasses.astuple(stats) == tuple(2 * n for n in dataclasses.astuple(once))


def test_no_queries_and_no_picks_count_nothing():
    stats = SearchStats()
    KnnIndex(SURFACE).query(SURFACE[:0], stats=stats)
    greedy_coreset(SURFACE, 1, start=3, stats=stats)
    assert stats == SearchStats()
    assert stats.share_pruned == 0.0


@pytest.mark.parametrize("given", [{}, True, "stats"])
def test_what_is_no_counter_is_named(given):
    with pytest.raises(InvalidTypeError, match="stats must be a SearchStats"):
        KnnIndex(SURFACE).query(SURFACE[:1], stats=given)
    with pytest.raises(InvalidTypeError, match="stats must be a SearchStats"):
        greedy_coreset(SURFACE, 2, start=0, stats=given)
