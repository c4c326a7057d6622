"""Which JPEGs are taken for whole."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import ImageReadError
from pyimgano.images.reading import image_size, read_image
from tests.conftest import texture
from tests.fuzz.jpeg_damage import DAMAGES, ENCODINGS, damaged, encoded, generated, outcome, run


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ENCODINGS)
def test_damage_is_an_error_that_names_the_file(kind: str, damage: str, tmp_path: Path) -> None:
    rng = np.random.default_rng([7, list(ENCODINGS).index(kind)])
    data = encoded(generated(rng), kind, 85)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    whole = read_image(path)
    for _ in range(4):
        assert outcome(damaged(data, damage, rng), whole, path) != "wrong"


@pytest.mark.slow
def test_of_damaged_photos_hardly_one_in_two_hundred_is_scored_with_other_pixels() -> None:
    counts, wrong = run(400, 0, [])
    assert counts["wrong"] <= 2, wrong


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.parametrize("share", range(5, 100, 10))
def test_a_jpeg_cut_and_closed_with_an_end_marker_is_refused(
    kind: str, share: int, tmp_path: Path
) -> None:
    data = encoded(texture(3, (96, 128)), kind, 90)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: len(data) * share // 100] + b"\xff\xd9")
    with pytest.raises(ImageReadError, match=r"cut\.jpg: (damaged|not an image)"):
        read_image(path)


def test_a_header_of_4000_x_4000_over_256_x_256_pixels_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(texture(1, (256, 256)), "baseline", 90))
    struct.pack_into(">HH", data, data.find(b"\xff\xc0") + 5, 4000, 4000)
    path = tmp_path / "lie.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r"lie\.jpg: damaged or cut short: "):
        read_image(path)


def test_a_second_frame_header_is_refused_whatever_it_says(tmp_path: Path) -> None:
    data = encoded(texture(1), "baseline", 90)
    at = data.find(b"\xff\xc0")
    frame = data[at : at + 19]
    path = tmp_path / "twice.jpg"
    path.write_bytes(data[:at] + frame + data[at:])
    with pytest.raises(ImageReadError, match=r"twice\.jpg: damaged header: .* twice"):
        read_image(path)


def healthy() -> dict[str, bytes]:
    """What cameras and editors write around and between the data."""
    data = encoded(texture(2), "baseline", 90)
    scan = data.find(b"\xff\xda")
    thumbnail = encoded(texture(3, (16, 16)), "baseline", 50)
    app1 = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail
    segment = b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1
    return {
        "preview after the end": data + thumbnail,
        "film after the end": data + b"\0\0\0\x18ftypmp42" + bytes(2000),
        "padded to a sector": data + bytes(-len(data) % 512),
        "thumbnail in a segment": data[:2] + segment + data[2:],
        "a comment": data[:2] + b"\xff\xfe\x00\x06\xff\xd8\xff\xda" + data[2:],
        "fill bytes before segments": data[:scan] + b"\xff\xff\xff" + data[scan:],
        "fill bytes before the end": data[:-2] + b"\xff\xff" + data[-2:],
    }


@pytest.mark.parametrize("name", healthy())
def test_what_cameras_write_around_the_data_is_let_be(name: str, tmp_path: Path) -> None:
    path, plain = tmp_path / "camera.jpg", tmp_path / "plain.jpg"
    path.write_bytes(healthy()[name])
    plain.write_bytes(encoded(texture(2), "baseline", 90))
    np.testing.assert_array_equal(read_image(path), read_image(plain))
    assert image_size(path) == (48, 64)


def test_a_jpeg_without_huffman_tables_means_the_standard_ones(tmp_path: Path) -> None:
    data = encoded(texture(2), "baseline", 90)
    stripped = data
    while (at := stripped.find(b"\xff\xc4")) >= 0:
        (length,) = struct.unpack_from(">H", stripped, at + 2)
        stripped = stripped[:at] + stripped[at + 2 + length :]
    path, plain = tmp_path / "film.jpg", tmp_path / "plain.jpg"
    path.write_bytes(stripped)
    plain.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), read_image(plain))


@pytest.mark.parametrize("quality", [1, 20, 75, 100])
@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (17, 33), (64, 200)])
def test_healthy_files_of_any_size_and_quality_are_read(
    size: tuple[int, int], kind: str, quality: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "a.jpg"
    for image in (rng.integers(0, 256, (*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)):
        path.write_bytes(encoded(image, kind, quality))
        assert read_image(path).shape[:2] == size


@pytest.mark.parametrize("factor", [0x411111, 0x221111, 0x211111, 0x121111, 0x111111])
def test_every_subsampling_is_read(factor: int, tmp_path: Path) -> None:
    settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    for further in ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]):
        done, data = cv2.imencode(".jpg", texture(4, (50, 70)), settings + further)
        assert done
        path = tmp_path / "a.jpg"
        path.write_bytes(data.tobytes())
        assert read_image(path).shape == (50, 70, 3)


def test_a_cmyk_jpeg_without_adobes_marker_is_refused_by_name(tmp_path: Path) -> None:
    data = bytearray(encoded(texture(2), "4:4:4", 90))
    at = data.find(b"\xff\xc0")
    data[at + 2 : at + 4] = struct.pack(">H", 20)
    data[at + 9] = 4
    data[at + 19 : at + 19] = b"\x04\x11\x00"
    path = tmp_path / "print.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r"print\.jpg: a CMYK JPEG"):
        read_image(path)
