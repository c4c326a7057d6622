"""Pixel curves: what is taken, what is refused, what is undefined; threads and processes."""

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError, UndefinedMetricWarning
from pyimgano.kernels import pixel_curves, pixel_metrics, pro_curve
from tests.kernels.curve_sets import F32, F64, image_set
from tests.kernels.support import at_once, in_forked_child, interrupted_after, needs_fork

# Undefined


@pytest.mark.parametrize(("value", "missing"), [(0, "defect"), (1, "normal")])
def test_one_class_only_is_undefined_with_a_warning(value, missing):
    masks, maps = np.full((2, 3, 4), value, np.uint8), np.zeros((2, 3, 4), F32)
    with pytest.warns(UndefinedMetricWarning, match=f"no {missing} pixel"):
        found = pixel_metrics(masks, maps)
    assert np.isnan([found.auroc, found.ap, found.f1_max, found.f1_threshold, found.aupro]).all()
    with pytest.warns(UndefinedMetricWarning, match=f"no {missing} pixel"):
        assert [len(column) for column in pro_curve(masks, maps)] == [0, 0, 0]


def test_bad_scores_are_refused_even_where_nothing_is_defined():
    with pytest.raises(InvalidInputError, match=r"maps\[0\] holds NaN"):
        pixel_metrics(np.zeros((1, 2, 2), bool), np.full((1, 2, 2), np.nan, F32))


# Bad input


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("on_defect", [True, False])
def test_values_that_are_not_finite_are_named(bad, dtype, on_defect):
    masks, maps = image_set(dtype=dtype)
    place = tuple(np.argwhere((masks[3] != 0) == on_defect)[5])
    maps[3][place] = maps[5][0, 0] = bad
    text = rf"maps\[3\] holds .* at row {place[0]}, column {place[1]}$"
    for function in (pixel_curves, pixel_metrics, pro_curve):
        with pytest.raises(InvalidInputError, match=text):
            function(masks, maps)


def test_other_dtypes_are_refused_naming_the_cast():
    masks, maps = image_set(3)
    with pytest.raises(InvalidTypeError, match=r"masks\[1\]\.astype\(bool\)"):
        pixel_metrics([masks[0], masks[1].astype(int), masks[2]], maps)
    for dtype in (np.float16, np.int32, bool):
        with pytest.raises(InvalidTypeError, match=r"maps\[2\]\.astype\(np\.float32\)"):
            pixel_metrics(masks, [*maps[:2], maps[2].astype(dtype)])


def test_shapes_that_do_not_fit_are_refused():
    masks, maps = image_set(3)
    with pytest.raises(InvalidInputError, match="3 masks, but 2 maps"):
        pixel_metrics(masks, maps[:2])
    with pytest.raises(InvalidInputError, match=r"masks\[1\] and maps\[1\] must have one shape"):
        pixel_metrics(masks, [maps[0], maps[1][1:], maps[2]])
    with pytest.raises(InvalidInputError, match=r"masks must have shape \(n, H, W\)"):
        pixel_metrics(masks[0], maps[0])
    with pytest.raises(InvalidInputError, match=r"masks\[0\] must have shape \(H, W\)"):
        pixel_metrics([masks[0][None]], [maps[0][None]])
    with pytest.raises(InvalidInputError, match="no images"):
        pixel_metrics([], [])
    with pytest.raises(InvalidInputError, match="no images"):
        pixel_metrics(np.zeros((0, 4, 4), bool), np.zeros((0, 4, 4), F32))
    for shape in ((0, 5), (5, 0), (0, 0)):
        with pytest.raises(InvalidInputError, match=r"maps\[3\] has no pixels"):
            pixel_metrics([*masks, np.zeros(shape, bool)], [*maps, np.zeros(shape, F32)])


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.0001, np.nan, np.inf])
def test_limits_out_of_range_are_refused(limit):
    with pytest.raises(InvalidInputError, match="integration_limit must be above 0"):
        pixel_metrics(*image_set(3), integration_limit=limit)


# What is taken


def test_arrays_of_any_layout_and_lazy_sequences():
    masks, maps = image_set()
    masks = np.stack([m[:96, :96] for m in masks])
    maps = np.stack([m[:96, :96] for m in maps])
    expected = pixel_metrics(masks, maps)

    class Lazy:
        def __init__(self, images):
            self.images = images

        def __len__(self):
            return len(self.images)

        def __getitem__(self, i):
            return self.images[range(len(self))[i]].copy()

    wide = np.zeros((*maps.shape[:2], 192), F32)
    wide[..., ::2] = maps
    frozen = maps.copy()
    frozen.flags.writeable = False
    assert pixel_metrics(Lazy(masks), Lazy(maps)) == expected
    assert pixel_metrics(masks != 0, wide[..., ::2]) == expected
    assert pixel_metrics(np.asfortranarray(masks), np.asfortranarray(maps)) == expected
    assert pixel_metrics(masks[::-1], frozen[::-1]) == expected
    assert pixel_metrics(list(masks), tuple(maps)) == expected
    assert pixel_metrics(masks // 255, maps.astype(F64)).auroc == expected.auroc


# Threads and processes


@pytest.mark.parametrize("dtype", [F32, F64])
def test_any_number_of_threads_gives_the_same_bits(dtype):
    masks, maps = image_set(9, dtype=dtype)
    expected = pixel_metrics(masks, maps, n_threads=1)
    curve = pro_curve(masks, maps, n_threads=1)
    for n_threads in (2, 3, 8, 33):
        assert pixel_metrics(masks, maps, n_threads=n_threads) == expected
        for a, b in zip(pro_curve(masks, maps, n_threads=n_threads), curve, strict=True):
            np.testing.assert_array_equal(a, b)
    # Nor does the order of the images matter.
    assert pixel_metrics(masks[::-1], maps[::-1]) == expected


def test_thread_numbers_out_of_range_are_refused(monkeypatch):
    with pytest.raises(InvalidInputError, match="n_threads must be at least 1"):
        pixel_metrics(*image_set(3), n_threads=0)
    monkeypatch.setenv("PYIMGANO_NUM_THREADS", "many")
    with pytest.raises(InvalidInputError, match="PYIMGANO_NUM_THREADS"):
        pixel_metrics(*image_set(6))


@needs_fork
def test_works_in_a_forked_child():
    def work():
        return pixel_metrics(*image_set(), n_threads=2)

    assert in_forked_child(work) == work()


def test_two_threads_at_once():
    masks, maps = image_set()
    expected = pixel_metrics(masks, maps)

    def work():
        return all(pixel_metrics(masks, maps, n_threads=2) == expected for _ in range(20))

    assert at_once(work) == [True, True]


@pytest.mark.slow
def test_ctrl_c_stops_it():
    masks, maps = image_set(4, 400)
    assert interrupted_after(lambda: pixel_metrics(masks * 800, maps * 800)) < 0.5
