"""A level of maps by what of a further good image exceeds it: conformal risk control."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.kernels import label_components
from pyimgano.models.pixel_threshold import GoodMaps, PixelThreshold
from pyimgano.postprocess import AnomalyMapPostprocess


def maps_of(seed: int, n: int, size: tuple[int, int] = (12, 15)) -> list[np.ndarray]:
    """Pixels of one image are alike, images are not: a level and a spread of its own for each."""
    rng = np.random.default_rng(seed)
    levels, spreads = rng.gamma(4, 1, (2, n, 1, 1))
    return list((levels + spreads * rng.normal(size=(n, *size))).astype(np.float32))


def learnt(maps: list[np.ndarray], **target: float) -> PixelThreshold:
    good = GoodMaps(target.get("false_pixels"), target.get("false_regions"), None)
    for one in maps:
        good.add(one)
    return good.threshold()


def share(one: np.ndarray, level: float) -> float:
    return float(np.mean(one > np.float32(level)))


def regions(one: np.ndarray, level: float) -> float:
    return float(label_components(one > np.float32(level))[1])


def by_hand(maps: list[np.ndarray], target: float) -> float:
    """The lowest value of all maps at which the inequality holds, tried one by one."""
    n = len(maps)
    cap = min(1.0, target * max(10.0, (n + 1) / 2))
    for level in np.unique(np.concatenate([one.ravel() for one in maps])):
        counted = sum(min(share(one, level), cap) for one in maps)
        if counted + cap <= target * (n + 1) + 1e-12:
            return float(level)
    return math.inf


@pytest.mark.parametrize("n", [9, 10, 19, 24, 40])
@pytest.mark.parametrize("target", [0.3, 0.1, 0.02])
def test_it_is_the_lowest_level_that_keeps_the_inequality(n: int, target: float) -> None:
    maps = maps_of(n, n, (6, 7))
    found = learnt(maps, false_pixels=target)
    assert found.value == by_hand(maps, target)
    assert (found.of, found.target, found.n) == ("pixels", target, n)


@pytest.mark.parametrize(
    ("asked", "measure", "n"),
    [
        ({"false_pixels": 0.02}, share, 39),
        ({"false_pixels": 0.2}, share, 12),
        ({"false_regions": 0.3}, regions, 25),
    ],
)
def test_the_mean_of_a_further_good_image_stays_below_the_target(
    asked: dict[str, float], measure: object, n: int
) -> None:
    (target,) = asked.values()
    counted, exceeded = [], []
    for seed in range(300):
        *held_out, further = maps_of(1000 + seed, n + 1)
        found = learnt(held_out, **asked)
        lost = measure(further, found.value)
        counted.append(min(lost, found.cap))
        exceeded.append(lost >= found.cap)
    error = np.std(counted) / math.sqrt(len(counted))
    # Kept, and not by flagging nothing.
    assert 0.1 * target < np.mean(counted) <= target + 2 * error
    assert np.mean(exceeded) <= target / found.cap + 0.05


def test_taking_all_pixels_for_one_sample_would_not_keep_the_target_as_well() -> None:
    maps = maps_of(5, 20)
    pooled = np.quantile(np.concatenate([one.ravel() for one in maps]), 1 - 0.02)
    assert pooled < learnt(maps, false_pixels=0.02).value


def test_steps_below_the_highest_values_never_count_less_than_there_is() -> None:
    one = np.random.default_rng(0).normal(size=(150, 200)).astype(np.float32)
    good = GoodMaps(0.1, None, None)
    good.add(one)
    (curve,) = good._curves
    for level in np.quantile(one, [0, 0.2, 0.5, 0.9, 0.99, 0.9999, 1]):
        true = share(one, level)
        assert true <= curve.at(np.float32(level)) <= true * (1 + 1 / 128) + 1e-9
    assert len(curve.levels) < 2500


def test_regions_are_counted_by_peaks_which_never_are_fewer() -> None:
    one = maps_of(3, 1, (40, 40))[0]
    good = GoodMaps(None, 0.5, None)
    good.add(one)
    (curve,) = good._curves
    levels = np.unique(one)
    counts = [regions(one, level) for level in levels]
    peaks = [curve.at(level) for level in levels]
    assert all(c <= p for c, p in zip(counts, peaks, strict=True))
    assert peaks == sorted(peaks, reverse=True)
    assert (counts[-1], peaks[-1], counts[-2], peaks[-2]) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("asked", "needed"),
    [({"false_pixels": 0.001}, 9), ({"false_pixels": 0.5}, 1), ({"false_regions": 0.05}, 19)],
)
def test_too_few_images_give_infinity_and_a_warning(asked: dict[str, float], needed: int) -> None:
    (name,) = asked
    with pytest.warns(ThresholdWarning, match=rf"{name}=.* takes {needed} training images, here"):
        found = learnt(maps_of(0, needed - 1), **asked)
    assert found.value == math.inf
    assert found.n_needed == needed
    assert not found.mask(maps_of(0, 1)[0]).any()
    assert f"takes {needed} good images, here are {needed - 1}" in found.describe()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isfinite(learnt(maps_of(0, needed), **asked).value)


def test_with_the_fewest_images_nothing_of_any_of_them_exceeds_it() -> None:
    maps = maps_of(2, 9)
    assert learnt(maps, false_pixels=0.001).value == max(float(one.max()) for one in maps)


def test_the_cap_rises_with_the_images_up_to_the_whole_one() -> None:
    caps = [PixelThreshold(1.0, "pixels", 0.01, n).cap for n in (9, 19, 39, 199, 999)]
    assert caps == pytest.approx([0.1, 0.1, 0.2, 1.0, 1.0])
    caps = [PixelThreshold(1.0, "regions", 0.1, n).cap for n in (9, 19, 39, 199)]
    assert caps == pytest.approx([1, 1, 2, 10])


def test_copies_count_once_by_the_first_and_only_those_that_are_named_count() -> None:
    maps = maps_of(4, 14)
    good = GoodMaps(0.1, None, None)
    for one in [*maps, maps[0] + 5]:
        good.add(one)
    groups = np.append(np.arange(14), 0)
    assert good.threshold(groups=groups) == learnt(maps, false_pixels=0.1)
    some = np.array([1, 2, 3, 5, 6, 7, 8, 9, 10, 11])
    expected = learnt([maps[i] for i in some], false_pixels=0.1)
    assert good.threshold(groups=groups, used=some) == expected


def test_it_is_one_of_maps_after_post_processing() -> None:
    maps, steps = maps_of(6, 12), AnomalyMapPostprocess(morph_close_ksize=3)
    good = GoodMaps(0.1, None, steps)
    for one in maps:
        good.add(one)
    assert good.threshold() == learnt([steps(one) for one in maps], false_pixels=0.1)
    assert good.threshold().value > learnt(maps, false_pixels=0.1).value


def test_flat_maps_are_exceeded_nowhere() -> None:
    found = learnt([np.full((4, 5), 2.0, np.float32)] * 12, false_pixels=0.1)
    assert found.value == 2.0
    assert not found.mask(np.full((4, 5), 2.0, np.float32)).any()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((None, None), "one of false_pixels and false_regions"),
        ((0.1, 0.1), "one of false_pixels and false_regions"),
        ((0.0, None), "false_pixels must be .*above 0 and below 1"),
        ((1.0, None), "false_pixels must be .*above 0 and below 1"),
        ((None, -1), "false_regions must be .*above 0 and below 1"),
        ((math.nan, None), "false_pixels must be .*above 0 and below 1"),
    ],
)
def test_a_target_out_of_its_range_is_refused(
    asked: tuple[float | None, float | None], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        GoodMaps(*asked, None)
