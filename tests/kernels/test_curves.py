"""Pixel curves: by hand, against the slow reference, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import PixelMetrics, pixel_curves, pixel_metrics, pro_curve
from tests.kernels.curve_sets import F32, F64, check, f1_at, image_set
from tests.reference import curves as reference

# By hand


def test_one_row_by_hand():
    # Regions: A = columns 0 and 1, B = column 4. Normal: columns 2, 3, 5, 6.
    masks = np.array([[[1, 1, 0, 0, 9, 0, 0]]], np.uint8)
    maps = np.array([[[7.0, 5.0, 6.0, 5.0, 4.0, 5.0, 1.0]]], F32)
    # Score  flagged      TP FP  FPR   PRO
    # 7      A1            1  0  0     1/4
    # 6      + normal      1  1  1/4   1/4
    # 5      + A2, 2 norm  2  3  3/4   1/2
    # 4      + B           3  3  3/4   1
    # 1      + normal      3  4  1     1
    full = pixel_metrics(masks, maps, integration_limit=1.0)
    # A1 beats 4 normals, A2 beats 1 and ties with 2, B beats 1: 7 of 12 pairs.
    assert full.auroc == pytest.approx(7 / 12, abs=1e-15)
    # Recall rises by a third at precisions 1/1, 2/5 and 3/6.
    assert full.ap == pytest.approx((1 + 0.4 + 0.5) / 3, abs=1e-15)
    # F1: 2/4 at 7, 4/8 at 5, 6/9 at 4; cut between 4 and 1.
    assert full.f1_max == pytest.approx(6 / 9, abs=1e-15)
    assert full.f1_threshold == 2.5
    # 1/4 up to FPR 1/4, a line to (3/4, 1/2), then 1: 1/16 + 3/16 + 1/4.
    assert full.aupro == pytest.approx(0.5, abs=1e-15)
    # Up to 1/2 the line reaches 3/8: (1/16 + 5/64) / (1/2).
    assert pixel_metrics(masks, maps, integration_limit=0.5).aupro == pytest.approx(9 / 32)
    assert pixel_metrics(masks, maps, integration_limit=0.25).aupro == pytest.approx(0.25)

    fpr, pro, thresholds = pro_curve(masks, maps)
    # (0, 0) is also what `score > 7` flags.
    assert fpr.tolist() == [0, 0, 0.25, 0.75, 0.75, 1]
    assert pro.tolist() == [0, 0.25, 0.25, 0.5, 1, 1]
    assert thresholds[0] == np.inf
    assert thresholds[-1] == -np.inf


def test_good_images_count_in_the_false_positive_rate():
    masks = np.zeros((2, 1, 4), np.uint8)
    masks[0, 0, 0] = 1
    maps = np.array([[[0.5, 0.1, 0.1, 0.9]], [[0.1, 0.1, 0.1, 0.1]]], F32)
    # One normal pixel of 7, not of 3, is above the defect.
    assert pixel_metrics(masks, maps, integration_limit=1.0).aupro == pytest.approx(6 / 7)
    assert pixel_metrics(masks[:1], maps[:1], integration_limit=1.0).aupro == pytest.approx(2 / 3)


def test_regions_weigh_the_same_whatever_their_size():
    # A region of 1 pixel is found at once, one of 8 pixels never (below all normal pixels).
    masks = np.array([[[1, 0, 0, 0, *[1] * 8]]], np.uint8)
    maps = np.array([[[9.0, 5.0, 5.0, 5.0, *[1.0] * 8]]], F32)
    found = pixel_metrics(masks, maps)
    assert found.aupro == pytest.approx(0.5)
    assert found.auroc == pytest.approx(1 / 9)


def test_regions_are_8_connected_and_end_at_the_image():
    diagonal = np.array([[[1, 0], [0, 1]]], np.uint8)
    maps = np.array([[[2.0, 1.0], [1.0, 0.0]]], F32)
    assert pro_curve(diagonal, maps)[1].tolist() == [0, 0.5, 0.5, 1]  # one region, two pixels
    two = np.array([[[0, 1]], [[1, 1]]], np.uint8)  # side by side in memory, not in an image
    maps = np.array([[[0.0, 3.0]], [[2.0, 1.0]]], F32)
    assert pro_curve(two, maps)[1].tolist() == [0, 0.5, 0.75, 1, 1]


def test_the_two_zeros_tie():
    masks = np.array([[[1, 0, 1, 0]]], np.uint8)
    for dtype in (F32, F64):
        maps = np.array([[[0.0, -0.0, -0.0, 0.0]]], dtype)
        found = check(masks, maps)
        assert found.auroc == 0.5
        assert found.f1_threshold < 0


def test_float64_is_not_rounded_to_float32():
    masks = np.array([[[1, 0]]], np.uint8)
    maps = np.array([[[1.0 + 1e-12, 1.0]]])
    assert pixel_metrics(masks, maps).auroc == 1.0
    assert pixel_metrics(masks, maps.astype(F32)).auroc == 0.5
    # One float64 map among float32 ones is not rounded either.
    mixed = [np.array([[1.0]], F32), np.array([[1.0 + 1e-12]])]
    assert pixel_metrics([[[False]], [[True]]], mixed).auroc == 1.0


@pytest.mark.parametrize("dtype", [F32, F64])
def test_the_threshold_never_rounds_up_to_the_score_it_cuts_off(dtype):
    for low in (dtype(1.0), np.nextafter(dtype(1), dtype(2)), dtype(0), dtype(-3)):
        high = np.nextafter(low, dtype(np.inf))
        found = check(np.array([[[1, 0]]], np.uint8), np.array([[[high, low]]], dtype))
        assert found.f1_threshold == low
    limits = np.finfo(dtype)
    found = check(np.array([[[1, 0]]], np.uint8), np.array([[[limits.max, limits.min]]], dtype))
    assert found.f1_threshold == 0


def test_a_threshold_below_the_lowest_score():
    # Flagging everything is best: the threshold is the next number below the lowest score.
    for dtype in (F32, F64):
        maps = np.array([[[0.5, 0.25, 0.25]]], dtype)
        found = check(np.array([[[1, 1, 0]]], np.uint8), maps)
        assert found.f1_threshold == np.nextafter(dtype(0.25), dtype(0))


# Against the reference


@st.composite
def sets(draw):
    """Tiny images of differing sizes with many ties, or with extreme scores."""
    scores = draw(
        st.sampled_from(
            [
                [0.0, 1.0],
                [-0.0, 0.0, 1e-45, -1e-45],
                [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0],
                [3e38, -3e38, 1.0, 1e-38],
                [1.0, 1.0000001, 1.0000002, 0.9999999],
                np.linspace(-1, 1, 50).astype(F32).tolist(),
            ]
        )
    )
    dtype = draw(st.sampled_from([F32, F64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.1, 0.5, 0.9]))
    masks, maps = [], []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
        defect = np.uint8(rng.integers(1, 256))
        masks.append(np.where(rng.random(shape) < share, defect, np.uint8(0)))
        maps.append(rng.choice(scores, shape).astype(dtype))
    return masks, maps


def both_classes(masks):
    defect = np.concatenate([np.asarray(m).ravel() != 0 for m in masks])
    return defect.any() and not defect.all()


@given(images=sets(), limit=st.sampled_from([0.01, 0.3, 0.5, 1.0]))
def test_all_figures_are_the_references(images, limit):
    masks, maps = images
    assume(both_classes(masks))
    check(masks, maps, limit)


@given(images=sets())
def test_the_curve_is_the_references(images):
    masks, maps = images
    assume(both_classes(masks))
    fpr, pro, thresholds = pro_curve(masks, maps)
    c = reference.curve(masks, maps)
    # Every threshold flags what it says,
    defect = np.concatenate([np.asarray(m).ravel() != 0 for m in masks])
    _, _, weights = reference.flatten(masks, maps)
    regions = weights.sum()
    for x, y, threshold in zip(fpr, pro, thresholds, strict=True):
        flagged = np.concatenate([(m > threshold).ravel() for m in maps])
        assert x == pytest.approx(np.sum(flagged & ~defect) / np.sum(~defect), abs=1e-12)
        assert y == pytest.approx(weights[flagged].sum() / regions, abs=1e-12)
    # all points of the full curve lie on the lines between the vertices,
    for x, y in zip(c["fp"] / c["fp"][-1], c["pro"], strict=True):
        at = fpr == x
        assert np.any(np.isclose(pro[at], y)) or y == pytest.approx(np.interp(x, fpr, pro))
    # and it only rises, with no vertex twice.
    steps = np.stack([np.diff(fpr), np.diff(pro)])
    assert (steps >= 0).all()
    assert (steps.max(axis=0) > 0).all()
    assert (np.diff(thresholds) < 0).all()


@pytest.mark.parametrize("dtype", [F32, F64])
def test_a_set_of_differing_sizes(dtype):
    masks, maps = image_set(dtype=dtype)
    found = pixel_metrics(masks, maps)
    flags = np.concatenate([m.ravel() != 0 for m in masks])
    scores = np.concatenate([m.ravel() for m in maps])
    assert found.auroc == pytest.approx(roc_auc_score(flags, scores), abs=1e-12)
    assert found.ap == pytest.approx(average_precision_score(flags, scores), abs=1e-12)
    assert f1_at(masks, maps, found.f1_threshold) == pytest.approx(found.f1_max, abs=1e-15)
    fpr, pro, _ = pro_curve(masks, maps)
    inside = fpr <= 0.3
    x = np.r_[fpr[inside], 0.3]
    y = np.r_[pro[inside], np.interp(0.3, fpr, pro)]
    assert found.aupro == pytest.approx(reference.area(y, x) / 0.3, abs=1e-12)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("decimals", [0, 1, 3, 9])
def test_ties_and_shares_of_all_degrees(share, decimals):
    rng = np.random.default_rng(3)
    masks = (rng.random((3, 120, 130)) < share).astype(np.uint8)
    maps = np.round(rng.normal(size=masks.shape) + masks, decimals)
    for dtype in (F32, F64):
        found = pixel_metrics(masks, maps.astype(dtype))
        scores = maps.astype(dtype).ravel()
        assert found.auroc == pytest.approx(roc_auc_score(masks.ravel(), scores), abs=1e-12)
        ap = average_precision_score(masks.ravel(), scores)
        assert found.ap == pytest.approx(ap, abs=1e-12)


def test_constant_maps():
    masks, maps = image_set()
    found = pixel_metrics(masks, [np.full_like(m, 0.5) for m in maps])
    share = np.mean(np.concatenate([m.ravel() != 0 for m in masks]))
    assert found.auroc == 0.5
    assert found.ap == pytest.approx(share)
    assert found.f1_max == pytest.approx(2 * share / (1 + share))
    assert found.aupro == pytest.approx(0.15)


def test_perfect_maps():
    masks, _ = image_set()
    found = pixel_metrics(masks, [(m != 0).astype(F32) for m in masks])
    assert found == PixelMetrics(1.0, 1.0, 1.0, 0.5, 1.0)


# Plotting


def test_fewer_points_are_a_subset_with_both_ends():
    masks, maps = image_set()
    everything = set(zip(*pro_curve(masks, maps), strict=True))
    for max_points in (2, 3, 50, 10**9):
        few = list(zip(*pro_curve(masks, maps, max_points=max_points), strict=True))
        assert len(few) <= max_points
        assert everything.issuperset(few)
        assert few[0] == (0, 0, np.inf)
        assert few[-1] == (1, 1, -np.inf)
    # Evenly spread: no two neighbours are farther apart than a step and the longest line.
    fpr, pro, _ = pro_curve(masks, maps)
    few_fpr, few_pro, _ = pro_curve(masks, maps, max_points=101)
    longest = (np.diff(fpr) + np.diff(pro)).max()
    assert (np.diff(few_fpr) + np.diff(few_pro)).max() <= 2 / 100 + longest
    with pytest.raises(InvalidInputError, match="max_points must be at least 2"):
        pro_curve(masks, maps, max_points=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_points", [None, 20])
def test_one_sweep_gives_what_the_two_give(dtype: type, max_points: int | None) -> None:
    rng = np.random.default_rng(3)
    masks = rng.random((3, 20, 30)) > 0.8
    maps = rng.integers(0, 50, masks.shape).astype(dtype) + masks  # with ties
    found = pixel_curves(masks, maps, limits=(0.1, 0.3), max_points=max_points)
    assert found.metrics == pixel_metrics(masks, maps, integration_limit=0.1)
    assert found.aupro == {
        at: pixel_metrics(masks, maps, integration_limit=at).aupro for at in (0.1, 0.3)
    }
    for one, expected in zip(
        found.curve, pro_curve(masks, maps, max_points=max_points), strict=True
    ):
        np.testing.assert_array_equal(one, expected)
    assert len(found.curve[0]) <= (max_points or 1000)
