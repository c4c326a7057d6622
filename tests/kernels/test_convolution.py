"""Networks of convolutions: against sums by definition and OpenCV, sizes, threads, bad input."""

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels import Convolution, ConvolutionalNetwork
from tests.kernels.support import at_once, in_forked_child, needs_fork, simd_levels
from tests.reference.convolution import convolve

SHAPES = [
    # outputs, inputs, side, stride
    (32, 3, 5, 2),
    (64, 32, 3, 2),
    (32, 64, 3, 1),
    (48, 16, 1, 1),
    (17, 5, 1, 2),
    (5, 33, 3, 1),
    (3, 2, 7, 1),
]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def drawn(outputs, inputs, side, seed=0, **given):
    weights = noise(outputs, inputs, side, side, seed=seed) / (side * inputs**0.5)
    return Convolution(weights, noise(outputs, seed=seed + 1), **given)


def residual_network():
    """As the embedded network begins: a stem, then a block whose input is added to its output."""
    return [
        drawn(32, 3, 5, stride=2),
        drawn(64, 32, 3, stride=2, source=1),
        drawn(32, 64, 3, source=2),
        drawn(64, 32, 3, source=3, residual=2),
    ]


def expected_of(convolutions, images):
    maps = [images]
    for one in convolutions:
        residual = None if one.residual is None else maps[one.residual]
        x = maps[one.source]
        maps.append(convolve(x, one.weights, one.bias, one.stride, residual, one.relu))
    return maps[1:]


def close(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max(initial=0) <= 1e-5 * max(np.abs(expected).max(initial=0), 1)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (7, 19), (33, 50)])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_convolution_is_the_sum_that_defines_it(simd, shape, size):
    outputs, inputs, side, stride = shape
    one = drawn(outputs, inputs, side, stride=stride, relu=False)
    images = noise(2, inputs, *size, seed=5)
    (found,) = ConvolutionalNetwork([one], [0], channels=inputs).run(images)
    close(found, convolve(images, one.weights, one.bias, stride, relu=False))
    # Not the image's, but a map's channels lie together: another loop.
    first = drawn(inputs, inputs, 1)
    second = Convolution(one.weights, one.bias, stride, source=1)
    (found,) = ConvolutionalNetwork([first, second], [1], channels=inputs).run(images)
    close(found, expected_of([first, second], images)[1])


def test_residuals_and_rectifiers(simd):
    convolutions = residual_network()
    network = ConvolutionalNetwork(convolutions, [3, 1])
    for size in ((64, 64), (37, 41), (3, 2)):
        images = noise(3, 3, *size)
        found, expected = network.run(images), expected_of(convolutions, images)
        close(found[0], expected[3])
        close(found[1], expected[1])


def test_opencv_agrees():
    one = drawn(32, 16, 3)
    images = noise(1, 16, 40, 56)
    (found,) = ConvolutionalNetwork([one], [0], channels=16).run(images)
    for k in range(32):
        planes = [
            cv2.filter2D(images[0, c], -1, one.weights[k, c], borderType=cv2.BORDER_CONSTANT)
            for c in range(16)
        ]
        close(found[0, k], np.maximum(np.sum(planes, axis=0) + one.bias[k], 0))


def test_the_same_bits_for_any_threads_images_and_vector_registers(monkeypatch):
    network = ConvolutionalNetwork(residual_network(), [3])
    images = noise(5, 3, 61, 83)
    by_level = {}
    for level in simd_levels():
        monkeypatch.setenv("PYIMGANO_SIMD", level)
        (expected,) = network.run(images, n_threads=1)
        for threads in (1, 2, 3, 4):
            np.testing.assert_array_equal(network.run(images, n_threads=threads)[0], expected)
            network.run(noise(1, 3, 20, 30), n_threads=threads)  # of another size, in between
            for i in (0, 4):
                (alone,) = network.run(images[i : i + 1], n_threads=threads)
                np.testing.assert_array_equal(alone[0], expected[i])
        by_level[level] = expected
    for found in by_level.values():
        close(found, by_level["portable"])
    if "avx512" in by_level:
        np.testing.assert_array_equal(by_level["avx512"], by_level["avx2"])


def test_no_image_gives_empty_maps():
    (found,) = ConvolutionalNetwork(residual_network(), [3]).run(np.empty((0, 3, 9, 14), "f4"))
    assert found.shape == (0, 64, 3, 4)


def test_any_memory_order_is_taken_and_maps_have_their_channels_together():
    network = ConvolutionalNetwork(residual_network(), [3])
    images = noise(2, 3, 40, 24)
    expected = network.run(images)[0]
    for other in (np.asfortranarray(images), np.repeat(images, 2, axis=3)[..., ::2]):
        np.testing.assert_array_equal(network.run(other)[0], expected)
    assert expected.transpose(0, 2, 3, 1).flags.c_contiguous


def test_nan_and_infinity_stay_where_they_reach(simd):
    network = ConvolutionalNetwork(residual_network(), [3])
    images = noise(2, 3, 128, 128)
    expected = network.run(images)[0]
    for value in (np.nan, np.inf):
        bad = images.copy()
        bad[0, 1, 8, 8] = value
        found = network.run(bad)[0]
        assert np.isnan(found[0, :, 2, 2]).all()
        # Twelve outputs further the image is as it was.
        np.testing.assert_array_equal(found[0, :, 16:, 16:], expected[0, :, 16:, 16:])
        np.testing.assert_array_equal(found[1], expected[1])


def test_threads_share_a_network():
    network = ConvolutionalNetwork(residual_network(), [3])
    images = noise(3, 3, 48, 48)
    expected = network.run(images)[0]
    found = at_once(lambda: [network.run(images)[0] for _ in range(5)], n_threads=4)
    for one in (each for some in found for each in some):
        np.testing.assert_array_equal(one, expected)


@needs_fork
def test_a_forked_child_runs_it():
    network = ConvolutionalNetwork(residual_network(), [3])
    images = noise(1, 3, 48, 48)
    expected = network.run(images)[0]
    np.testing.assert_array_equal(in_forked_child(lambda: network.run(images)[0]), expected)


@pytest.mark.parametrize(
    ("batch", "error", "match"),
    [
        (np.zeros((1, 3, 8, 8)), InvalidTypeError, r"batch must be float32, got float64"),
        (np.zeros((3, 8, 8), "f4"), InvalidInputError, r"batch must be 4-dimensional"),
        (np.zeros((1, 1, 8, 8), "f4"), InvalidInputError, r"batch must have 3 channels"),
        (np.zeros((1, 3, 0, 8), "f4"), InvalidInputError, r"images of 0 x 8 have no pixels"),
    ],
)
def test_batches_that_do_not_fit_are_refused(batch, error, match):
    with pytest.raises(error, match=match):
        ConvolutionalNetwork(residual_network(), [3]).run(batch)


@pytest.mark.parametrize("n_threads", [0, 1025])
def test_numbers_of_threads_that_there_are_not(n_threads):
    with pytest.raises(InvalidInputError, match="n_threads"):
        ConvolutionalNetwork(residual_network(), [3]).run(noise(1, 3, 8, 8), n_threads=n_threads)


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match="convolution 0 has stride 3"):
        ConvolutionalNetwork([drawn(4, 3, 3, stride=3)], [0])
    with pytest.raises(InvalidInputError, match="convolution 1 takes 5 channels"):
        ConvolutionalNetwork([drawn(4, 3, 3), drawn(4, 5, 3, source=1)], [0])
    with pytest.raises(InvalidInputError, match="convolution 0 has weights of shape"):
        ConvolutionalNetwork([drawn(4, 3, 4)], [0])
    with pytest.raises(InvalidInputError, match="output 1 is none of the 1 convolutions"):
        ConvolutionalNetwork([drawn(4, 3, 3)], [1])
    with pytest.raises(InvalidTypeError, match="weights of convolution 0 must be float32"):
        ConvolutionalNetwork([Convolution(np.zeros((1, 3, 1, 1)), np.zeros(1, "f4"))], [0])
