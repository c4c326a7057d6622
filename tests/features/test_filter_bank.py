"""The filter bank: shapes, invariances, odd inputs, saved state."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features.patches._filters import cells, ramp
from pyimgano.features.patches._lighting import CONTENT_SPREAD, Lighting
from pyimgano.features.patches.filter_bank import FilterBank


def texture(seed, shape=(64, 64), grey=False):
    rng = np.random.default_rng(seed)
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    base = 0.5 + 0.2 * np.sin(x / 3 + seed) * np.cos(y / 5)
    image = base[..., None] + 0.05 * rng.standard_normal((height, width, 1 if grey else 3))
    return np.clip(np.broadcast_to(image, (height, width, 3)), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    return FilterBank(stride=8).fit(texture(i) for i in range(6))


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_shape_and_type(fitted):
    features = fitted.extract(texture(9))
    assert features.shape == (8, 8, fitted.n_features_out)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((64, 128), (8, 16)),
        ((100, 44), (12, 6)),
        ((16, 16), (2, 2)),
        ((8, 8), (1, 1)),
        ((8, 200), (1, 25)),
        ((9, 31), (1, 4)),
    ],
)
def test_grid_follows_the_image(fitted, shape, grid):
    features = fitted.extract(texture(3, shape))
    assert features.shape[:2] == grid
    assert np.isfinite(features).all()


@pytest.mark.parametrize("shape", [(7, 64, 3), (64, 7, 3), (64, 64), (64, 64, 4), (0, 0, 3)])
def test_unusable_shape_is_named(fitted, shape):
    with pytest.raises(InvalidInputError, match=r"at least 8, got \(" + str(shape[0])):
        fitted.extract(np.zeros(shape, dtype=np.float32))


def test_training_features_are_centred_and_decorrelated():
    images = [texture(i) for i in range(6)]
    extractor = FilterBank(stride=8, n_components=1000).fit(images)
    rows = np.concatenate(
        [extractor.extract(i).reshape(-1, extractor.n_features_out) for i in images]
    )
    assert np.abs(rows.mean(axis=0)).max() < 1e-3
    covariance = np.cov(rows.T.astype(np.float64))
    variances = np.diag(covariance)
    assert (np.diff(variances) < 1e-3).all(), "largest axes come first"
    assert np.abs(covariance - np.diag(variances)).max() < 1e-3 * variances[0]


def test_projection_keeps_lengths_and_bounds_distances(fitted):
    everything = FilterBank(stride=8, n_components=10_000).fit(texture(i) for i in range(6))
    whole = everything.extract(texture(8)).reshape(-1, everything.n_features_out)
    short = fitted.extract(texture(8)).reshape(-1, fitted.n_features_out)
    assert short.shape[1] == fitted.n_components + 1 < whole.shape[1]
    np.testing.assert_allclose(
        np.linalg.norm(short, axis=1), np.linalg.norm(whole, axis=1), rtol=1e-4
    )
    exact = np.linalg.norm(whole[:, None] - whole[None], axis=-1)
    bound = np.linalg.norm(short[:, None] - short[None], axis=-1)
    assert (bound <= exact + 1e-2).all()
    np.testing.assert_allclose(
        fitted.axes_.T @ fitted.axes_, np.eye(fitted.n_components), atol=1e-5
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("trained_on", ["texture", "constant"])
def test_constant_images_give_finite_features(trained_on, value):
    constant = np.full((64, 64, 3), value, dtype=np.float32)
    images = [constant, constant] if trained_on == "constant" else [texture(1), texture(2)]
    extractor = FilterBank(stride=8).fit(images)
    for image in (constant, 1 - constant, texture(5)):
        assert np.isfinite(extractor.extract(image)).all()


def test_constant_image_is_the_same_everywhere(fitted):
    features = fitted.extract(np.full((64, 64, 3), 0.3, dtype=np.float32))
    np.testing.assert_allclose(
        features, np.broadcast_to(features[:1, :1], features.shape), atol=2e-3
    )


def test_colour_stands_out_after_grey_training():
    extractor = FilterBank(stride=8).fit(texture(i, grey=True) for i in range(5))
    grey = texture(7, grey=True)
    stained = grey.copy()
    stained[24:40, 24:40, 2] *= 0.7
    change = np.linalg.norm(extractor.extract(stained) - extractor.extract(grey), axis=-1)
    assert np.isfinite(change).all()
    assert np.unravel_index(change.argmax(), change.shape) in [(3, 3), (3, 4), (4, 3), (4, 4)]
    assert change.max() > 1


def test_one_training_image():
    extractor = FilterBank(stride=8).fit([texture(0)])
    assert np.isfinite(extractor.extract(texture(1))).all()


def test_shift_by_a_coarse_step_moves_the_grid():
    # 16 px: two cells, and a whole number of pixels on each of the first levels used below.
    rng = np.random.default_rng(0)
    tile = np.tile(rng.random((32, 32, 3), dtype=np.float32), (5, 5, 1))
    extractor = FilterBank(stride=8, levels=2, neighborhoods=()).fit([tile[:128, :128]])
    here = extractor.extract(tile[:128, :128])
    there = extractor.extract(tile[16:144, 16:144])
    np.testing.assert_allclose(here[6:10, 6:10], there[4:8, 4:8], atol=2e-2)


def test_varying_light_is_learned_away():
    rng = np.random.default_rng(4)

    def lit(image, gain, offset):
        return np.clip(0.5 + (image - 0.5) * gain + offset, 0, 1).astype(np.float32)

    varied = [lit(texture(i), rng.uniform(0.4, 1.3), rng.uniform(-0.15, 0.15)) for i in range(16)]
    steady = [texture(i) for i in range(16)]
    plain, other = texture(30), lit(texture(30), 0.6, -0.1)
    tolerant = FilterBank(stride=8).fit(varied)
    strict = FilterBank(stride=8).fit(steady)
    assert tolerant.lighting_.shrink_[0] > 0.7
    np.testing.assert_array_equal(strict.lighting_.shrink_, 0)
    change = relative(tolerant.extract(other), tolerant.extract(plain))
    assert change < 0.6 * relative(strict.extract(other), strict.extract(plain))


def under_ramp(image, right, down):
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    return (image * (1 + right * x[:, None] + down * y[:, None, None])).astype(np.float32)


def test_slopes_of_brightness_are_measured():
    flat = np.full((96, 128, 3), 0.5, dtype=np.float32)
    light = cells(under_ramp(flat, 0.3, -0.2), stride=8, levels=3, sigma=0.6).light
    np.testing.assert_allclose(light[4:], [0.3, -0.2], atol=0.02)
    expected = under_ramp(np.ones((12, 16, 1)), 0.3 * 15 / 16, -0.2 * 11 / 12)[..., 0]
    np.testing.assert_allclose(ramp((12, 16), light[4:]), expected, atol=0.03)
    assert ramp((4, 4), np.array([2.0, 2.0])).min() > 0


def test_varying_brightness_ramps_are_learned_away():
    rng = np.random.default_rng(5)
    varied = [under_ramp(texture(i), *rng.uniform(-0.3, 0.3, 2)) for i in range(16)]
    plain, other = texture(30), under_ramp(texture(30), 0.3, -0.3)
    tolerant = FilterBank(stride=8).fit(varied)
    strict = FilterBank(stride=8).fit(texture(i) for i in range(16))
    assert tolerant.lighting_.shrink_[4:].min() > 0.5
    change = relative(tolerant.extract(other), tolerant.extract(plain))
    assert change < 0.6 * relative(strict.extract(other), strict.extract(plain))


def test_lighting_shrinks_by_the_excess_variance():
    spread = 3 * CONTENT_SPREAD
    light = np.stack([spread, -spread])
    lighting = Lighting().fit(light)
    np.testing.assert_allclose(lighting.shrink_, 1 - 1 / 9)
    np.testing.assert_allclose(lighting.removable(spread), spread * 8 / 9)
    np.testing.assert_array_equal(lighting.removable(lighting.mean_), 0)
    # Far outside the training images' range everything beyond its edge goes.
    far = lighting.removable(1000 * spread)
    np.testing.assert_allclose(1000 * spread - far, lighting.reach_)


def test_deterministic_and_thread_safe(fitted):
    again = FilterBank(stride=8).fit(texture(i) for i in range(6))
    images = [texture(i) for i in range(20, 28)]
    expected = [fitted.extract(i) for i in images]
    for image, features in zip(images, expected, strict=True):
        np.testing.assert_array_equal(again.extract(image), features)
    with ThreadPoolExecutor(4) as pool:
        for features, wanted in zip(pool.map(fitted.extract, images), expected, strict=True):
            np.testing.assert_array_equal(features, wanted)
    for grid, wanted in zip(fitted.extract_batch(images), expected, strict=True):
        np.testing.assert_array_equal(grid.array, wanted)


def test_more_images_than_the_sample_holds():
    images = [texture(i, (16, 16)) for i in range(80)]
    first = FilterBank(levels=2).fit(iter(images), random_state=1)
    second = FilterBank(levels=2).fit(iter(images), random_state=1)
    np.testing.assert_array_equal(first.axes_, second.axes_)
    other = FilterBank(levels=2).fit(iter(images), random_state=2)
    assert not np.array_equal(first.axes_, other.axes_)
    np.testing.assert_array_equal(first.lighting_.mean_, other.lighting_.mean_)


def test_state_round_trip(fitted):
    restored = FilterBank(stride=8)
    restored.set_state(fitted.get_state())
    image = texture(12)
    np.testing.assert_array_equal(restored.extract(image), fitted.extract(image))
    with pytest.raises(InvalidInputError, match="axes"):
        FilterBank(levels=2).set_state(fitted.get_state())


def test_inputs_are_left_alone(fitted):
    image = texture(2)
    copy = image.copy()
    fitted.extract(image)
    np.testing.assert_array_equal(image, copy)


def test_not_fitted_and_no_images():
    with pytest.raises(NotFittedError):
        FilterBank(stride=8).extract(texture(0))
    with pytest.raises(NotFittedError):
        FilterBank(stride=8).get_state()
    with pytest.raises(InvalidInputError, match="at least one image"):
        FilterBank(stride=8).fit([])


@pytest.mark.parametrize(
    "params",
    [
        {"stride": 0},
        {"levels": 0},
        {"compression": 1.5},
        {"neighborhoods": (0.0,)},
        {"color_weight": -1.0},
        {"finest_weight": -1.0},
        {"finest_weight": float("nan")},
    ],
)
def test_bad_parameters(params):
    with pytest.raises(InvalidInputError, match=next(iter(params))):
        FilterBank(**params).fit([texture(0)])
