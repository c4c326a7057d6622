"""Connected components against flood fill and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels import component_stats, filter_components, label_components
from tests.kernels.support import at_once, in_forked_child, interrupted_after, needs_fork
from tests.reference import components as reference

SHAPES = st.tuples(st.integers(0, 12), st.integers(0, 150))
MASKS = hnp.arrays(np.uint8, SHAPES, elements=st.sampled_from([0, 0, 1, 255]))
MAPS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0]),
)
CONNECTIVITY = st.sampled_from([4, 8])


def noise(shape, seed=0):
    return cv2.GaussianBlur(
        np.random.default_rng(seed).normal(size=shape).astype(np.float32), (0, 0), 2
    )


def same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(a)) == len(np.unique(b))


# Labels


@given(mask=MASKS, connectivity=CONNECTIVITY)
def test_labels_are_those_of_flood_fill(mask, connectivity):
    labels, count = label_components(mask, connectivity)
    expected, expected_count = reference.label(mask, connectivity)
    assert labels.dtype == np.int32
    assert type(count) is int
    assert count == expected_count
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.7, 0.99])
@pytest.mark.parametrize("shape", [(257, 300), (64, 64), (1, 1000), (1000, 1), (333, 129)])
def test_same_partition_as_opencv(shape, share, connectivity):
    mask = (np.random.default_rng(1).random(shape) < share).astype(np.uint8) * 255
    expected_count, expected = cv2.connectedComponents(mask, connectivity=connectivity)
    labels, count = label_components(mask, connectivity)
    assert count == expected_count - 1
    assert same_partition(labels, expected)


def test_a_spiral_is_one_component():
    spiral = np.zeros((41, 41), np.uint8)
    y = x = 0
    dy, dx, spiral[0, 0] = 0, 1, 1
    for side in [40, *np.repeat(np.arange(40, 1, -2), 2)]:
        for _ in range(side):
            y, x = y + dy, x + dx
            spiral[y, x] = 1
        dy, dx = dx, -dy
    for connectivity in (4, 8):
        assert label_components(spiral, connectivity)[1] == 1
        assert label_components(spiral[::-1, ::-1], connectivity)[1] == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (7, 0)])
def test_no_pixels_no_components(shape):
    labels, count = label_components(np.zeros(shape, bool))
    assert labels.shape == shape
    assert count == 0
    assert len(component_stats(labels)) == 0
    kept = filter_components(np.zeros(shape, np.float32), threshold=0.5)
    assert kept.shape == shape


def test_masks_are_taken_in_any_memory_layout():
    mask = np.random.default_rng(0).random((60, 80)) < 0.5
    expected, count = label_components(mask)
    wide = np.zeros((60, 160), bool)
    wide[:, ::2] = mask
    frozen = mask.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(mask), wide[:, ::2], frozen, mask.view(np.uint8) * 7):
        labels, again = label_components(same)
        assert again == count
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.int8, object])
def test_other_masks_are_refused_naming_the_cast(dtype):
    with pytest.raises(InvalidTypeError, match=r"mask\.astype\(bool\)"):
        label_components(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("connectivity", [0, 6, "8", None])
def test_other_connectivities_are_refused(connectivity):
    with pytest.raises(InvalidInputError, match="connectivity must be 4 or 8"):
        label_components(np.zeros((2, 2), bool), connectivity)


def test_other_shapes_are_refused():
    with pytest.raises(InvalidInputError, match=r"mask must have shape \(H, W\)"):
        label_components(np.zeros((2, 2, 2), bool))


# Statistics


def test_statistics_by_hand():
    labels = np.array([[1, 0, 3], [1, 1, 0]], np.int32)
    scores = np.array([[0.5, 9.0, -2.0], [1.5, 1.0, 9.0]], np.float32)
    stats = component_stats(labels, scores)
    assert stats["area"].tolist() == [3, 0, 1]
    assert stats["box"].tolist() == [[0, 0, 2, 2], [0, 0, 0, 0], [2, 0, 1, 1]]
    np.testing.assert_array_equal(stats["max"], [1.5, np.nan, -2.0])
    np.testing.assert_array_equal(stats["mean"], [1.0, np.nan, -2.0])
    np.testing.assert_array_equal(component_stats(labels)["max"], [np.nan] * 3)


@given(scores=MAPS, connectivity=CONNECTIVITY)
def test_statistics_are_opencvs_and_numpys(scores, connectivity):
    mask = (scores > 0.3).astype(np.uint8)
    labels, count = label_components(mask, connectivity)
    stats = component_stats(labels, scores.astype(np.float64))
    _, their_labels, theirs, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    assert len(stats) == count
    for i in range(count):
        inside = labels == i + 1
        their = theirs[their_labels[inside][0]]
        assert stats["box"][i].tolist() == their[:4].tolist()
        assert stats["area"][i] == their[4]
        assert stats["max"][i] == scores[inside].max()
        assert stats["mean"][i] == pytest.approx(scores[inside].mean(dtype=np.float64))


def test_bad_labels_and_maps_are_refused():
    labels = np.ones((2, 2), np.int32)
    with pytest.raises(InvalidTypeError, match=r"labels\.astype\(np\.int32\)"):
        component_stats(labels.astype(np.int64))
    with pytest.raises(InvalidInputError, match="one shape"):
        component_stats(labels, np.zeros((2, 3), np.float32))
    for bad in (-1, 5):
        with pytest.raises(InvalidInputError, match=f"got {bad}"):
            component_stats(np.array([[bad, 0], [0, 0]], np.int32))
    with pytest.raises(InvalidInputError, match="anomaly_map holds NaN at row 1, column 0"):
        component_stats(labels, np.array([[0, 0], [np.nan, 0]], np.float32))


# Filter


@given(
    scores=MAPS,
    threshold=st.sampled_from([-2.0, 0.0, 0.25, 0.5, 1.0]),
    min_area=st.integers(0, 6),
    min_score=st.sampled_from([None, 0.5, 0.75, 1.0]),
    connectivity=CONNECTIVITY,
)
def test_filter_is_the_reference_one(scores, threshold, min_area, min_score, connectivity):
    kept = filter_components(
        scores,
        threshold=threshold,
        min_area=min_area,
        min_score=min_score,
        connectivity=connectivity,
    )
    expected = reference.filter_components(scores, threshold, min_area, min_score, connectivity)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, expected)


def test_nothing_found_gives_a_map_of_zeros():
    scores = np.full((5, 5), 0.25, np.float32)
    assert not filter_components(scores, threshold=0.5).any()
    assert not filter_components(scores, threshold=0.1, min_area=26).any()
    assert not filter_components(scores, threshold=0.1, min_score=0.3).any()
    np.testing.assert_array_equal(filter_components(scores, threshold=0.1, min_area=25), scores)


def test_thresholds_compare_as_numpy_does():
    scores = np.array([[0.1, np.nextafter(np.float32(0.1), np.float32(1))]], np.float32)
    kept = filter_components(scores, threshold=0.1)
    np.testing.assert_array_equal(kept > 0, scores > 0.1)
    # The largest score is exactly min_score: it stays.
    assert filter_components(scores, threshold=0.0, min_score=float(scores.max())).any()


def test_infinite_thresholds_and_huge_scores():
    scores = np.array([[np.finfo(np.float32).max, -1e38, 1e-45, -0.0]], np.float32)
    np.testing.assert_array_equal(filter_components(scores, threshold=-np.inf), scores)
    assert not filter_components(scores, threshold=np.inf).any()
    assert not filter_components(scores, threshold=1e300).any()
    kept = filter_components(scores, threshold=0.0)
    np.testing.assert_array_equal(kept != 0, [[True, False, True, False]])


@pytest.mark.parametrize("n_threads", [1, 2, 3, 16])
def test_a_batch_is_its_maps_one_by_one(n_threads):
    maps = np.stack([noise((200, 230), seed) for seed in range(7)])
    options = {"threshold": 0.1, "min_area": 20, "min_score": 0.2}
    expected = [filter_components(m, **options) for m in maps]
    batch = filter_components(maps, **options, n_threads=n_threads)
    assert isinstance(batch, np.ndarray)
    np.testing.assert_array_equal(batch, expected)
    listed = filter_components([*maps, maps[0][:50]], **options, n_threads=n_threads)
    assert isinstance(listed, list)
    np.testing.assert_array_equal(listed[:-1], expected)
    np.testing.assert_array_equal(listed[-1], filter_components(maps[0][:50], **options))
    assert filter_components([], threshold=0.0) == []
    assert filter_components(maps[:0], threshold=0.0).shape == (0, 200, 230)


def test_the_map_itself_is_left_alone():
    scores = noise((64, 64))
    before = scores.copy()
    kept = filter_components(scores, threshold=0.0)
    assert not np.shares_memory(kept, scores)
    np.testing.assert_array_equal(scores, before)
    fortran = np.asfortranarray(scores)
    np.testing.assert_array_equal(filter_components(fortran, threshold=0.0), kept)
    frozen = scores.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(filter_components(frozen[:, ::-1], threshold=0.0), kept[:, ::-1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(bad):
    maps = np.zeros((3, 40, 70), np.float32)
    maps[1, 30, 65] = maps[2, 0, 0] = bad
    with pytest.raises(InvalidInputError, match=r"maps\[1\] holds .* at row 30, column 65"):
        filter_components(maps, threshold=0.5)
    with pytest.raises(InvalidInputError, match=r"anomaly_map holds .* at row 30, column 65"):
        filter_components(maps[1], threshold=0.5)


def test_bad_arguments_are_refused():
    scores = np.zeros((3, 3), np.float32)
    with pytest.raises(InvalidTypeError, match=r"anomaly_map\.astype\(np\.float32\)"):
        filter_components(scores.astype(np.float64), threshold=0.5)
    with pytest.raises(InvalidTypeError, match=r"maps\[0\]\.astype\(np\.float32\)"):
        filter_components([scores.astype(np.int32)], threshold=0.5)
    with pytest.raises(InvalidInputError, match=r"shape \(3,\)"):
        filter_components(scores[0], threshold=0.5)
    with pytest.raises(InvalidInputError, match="NaN"):
        filter_components(scores, threshold=np.nan)
    with pytest.raises(InvalidInputError, match="NaN"):
        filter_components(scores, threshold=0.5, min_score=np.nan)
    with pytest.raises(InvalidInputError, match="min_area"):
        filter_components(scores, threshold=0.5, min_area=-1)
    with pytest.raises(InvalidInputError, match="connectivity"):
        filter_components(scores, threshold=0.5, connectivity=5)
    with pytest.raises(InvalidInputError, match="n_threads"):
        filter_components(scores, threshold=0.5, n_threads=0)


# Processes and threads


@needs_fork
def test_works_in_a_forked_child():
    def filtered_sum():
        return float(filter_components(noise((300, 300)), threshold=0.1, n_threads=2).sum())

    assert in_forked_child(filtered_sum) == filtered_sum()


def test_two_threads_at_once():
    maps = np.stack([noise((250, 250), seed) for seed in range(4)])
    expected = filter_components(maps, threshold=0.1, min_area=9)

    def work():
        return all(
            np.array_equal(
                filter_components(maps, threshold=0.1, min_area=9, n_threads=2), expected
            )
            for _ in range(10)
        )

    assert at_once(work) == [True, True]


@pytest.mark.slow
def test_ctrl_c_stops_a_batch():
    maps = [noise((500, 500))] * 4_000
    seconds = interrupted_after(lambda: filter_components(maps, threshold=0.0, min_area=10**9))
    assert seconds < 0.5
