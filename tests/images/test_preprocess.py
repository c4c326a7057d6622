from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.utils import ImagePreprocessor
from tests.conftest import texture, write_image


def test_output_is_rgb_float_in_unit_range_at_the_size_asked_for() -> None:
    (out,) = ImagePreprocessor(resize=(20, 30))([texture(0)])
    assert out.shape == (20, 30, 3)
    assert out.dtype == np.float32
    assert 0.0 <= out.min() < out.max() <= 1.0


def test_an_int_is_squared_and_none_is_native() -> None:
    image = texture(0)
    assert ImagePreprocessor(resize=32)([image])[0].shape == (32, 32, 3)
    native = ImagePreprocessor(resize=None)([image])[0]
    np.testing.assert_array_equal(native, image.astype(np.float32) / 255)


def test_shrinking_averages_areas_and_growing_interpolates() -> None:
    checker = np.indices((8, 8)).sum(axis=0) % 2 * 255
    (small,) = ImagePreprocessor(resize=4)([checker.astype(np.uint8)])
    np.testing.assert_allclose(small, 0.5, atol=1e-6)  # every 2 x 2 area is half white
    step = np.array([[0, 255]], np.uint8)
    (wide,) = ImagePreprocessor(resize=(1, 4))([step])
    np.testing.assert_allclose(wide[0, :, 0], [0, 0.25, 0.75, 1], atol=1e-6)


def test_grey_becomes_three_equal_channels() -> None:
    (out,) = ImagePreprocessor(resize=None)([texture(1)[..., 0]])
    np.testing.assert_array_equal(out[..., 0], out[..., 2])


def test_sixteen_bits_scale_by_the_bits_in_use() -> None:
    deep = np.array([[0, 4095, 65535]], np.uint16)
    full = ImagePreprocessor(resize=None)([deep])[0][0, :, 0]
    np.testing.assert_allclose(full, [0, 4095 / 65535, 1])
    twelve = ImagePreprocessor(resize=None, bit_depth=12)([deep[:, :2]])[0][0, :, 0]
    np.testing.assert_allclose(twelve, [0, 1])


def test_an_array_with_a_value_beyond_its_bit_depth_is_refused() -> None:
    deep = np.array([[0, 4096]], np.uint16)
    with pytest.raises(InvalidInputError, match=r"4096, above 4095, .* bit_depth=12"):
        ImagePreprocessor(resize=None, bit_depth=12)([deep])


def test_eight_and_sixteen_bit_files_of_the_same_picture_agree(tmp_path: Path) -> None:
    image = texture(2)
    paths = [
        write_image(tmp_path / "8.png", image),
        write_image(tmp_path / "16.png", image.astype(np.uint16) * 257),
    ]
    eight, sixteen = ImagePreprocessor(resize=(24, 32))(paths)
    np.testing.assert_allclose(eight, sixteen, atol=1e-6)


def test_the_crop_is_centred() -> None:
    image = np.zeros((6, 8), np.uint8)
    image[2:4, 3:5] = 255
    (out,) = ImagePreprocessor(resize=None, center_crop=2)([image])
    np.testing.assert_array_equal(out, np.ones((2, 2, 3), np.float32))


@pytest.mark.parametrize("one", ["a.png", texture(0), texture(0)[..., 0]])
def test_one_image_alone_is_a_type_error_that_says_to_pass_a_list(one: object) -> None:
    with pytest.raises(TypeError, match="list of images, got one .*pass \\["):
        ImagePreprocessor()(one)  # type: ignore[arg-type]


def test_a_stack_of_images_is_a_list_of_images() -> None:
    stack = np.stack([texture(0), texture(1)])
    assert len(ImagePreprocessor(resize=16)(stack)) == 2  # type: ignore[arg-type]


def test_wrong_arrays_are_refused_with_the_reason() -> None:
    with pytest.raises(InvalidTypeError, match="float32"):
        ImagePreprocessor()([texture(0).astype(np.float32)])
    with pytest.raises(InvalidInputError, match=r"\(48, 64, 2\)"):
        ImagePreprocessor()([texture(0)[..., :2]])
    with pytest.raises(InvalidInputError, match=r"\(0, 5\)"):
        ImagePreprocessor()([np.zeros((0, 5), np.uint8)])
    with pytest.raises(InvalidTypeError, match="got int"):
        ImagePreprocessor()([3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resize": 0}, "resize must be an integer from 1 to 32,767"),
        ({"resize": (3, 4, 5)}, "resize must be an integer.*or .height, width."),
        ({"resize": 32, "center_crop": 33}, "center_crop .* is larger"),
        ({"bit_depth": 17}, "bit_depth must be an integer from 1 to 16 or None, got 17"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ImagePreprocessor(**arguments)  # type: ignore[arg-type]


def test_tensors_have_channels_first() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    (tensor,) = ImagePreprocessor(resize=(20, 30), output_tensor=True)([texture(0)])
    assert tuple(tensor.shape) == (3, 20, 30)
    assert tensor.dtype == torch.float32
    (array,) = ImagePreprocessor(resize=(20, 30))([texture(0)])
    np.testing.assert_array_equal(tensor.numpy(), array.transpose(2, 0, 1))


def test_resizing_happens_before_rounding() -> None:
    image = texture(3)
    (out,) = ImagePreprocessor(resize=(24, 32))([image])
    exact = cv2.resize(image.astype(np.float64), (32, 24), interpolation=cv2.INTER_AREA) / 255
    np.testing.assert_allclose(out, exact, atol=1e-6)
