"""HEIC, which the extra ``heif`` reads."""

from __future__ import annotations

import base64
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import ImageReadError
from pyimgano.images import decoding
from pyimgano.images.reading import image_size, is_image_name, read_image

#: 96 x 64: red above, green below on the left, blue below on the right.
ONE = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAA"
    "AAAAAACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAAHQAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAA"
    "AAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//"
    "wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAH"
    "RAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABgAAAAQAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQA"
    "AAAAAAAABAAEEgQIDBAAAAHxtZGF0AAAAcCgBrw7gNIMBydf7S0///JR3IfyEag2t48f83+n/+//H//rCOGBMf/jA9/+8Xl"
    "if6PL7/yqo7/pUb52KbHR3Q2XB8e42syk6RliRu+Hhe4bjxW+DRba5br2rbzzIvdNcFROaDn0Thwee6tL16BsRQeA="
)
#: The same, and a second picture.
TWO = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAYRtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAA"
    "AAAAAADRpbG9jAAAAAERAAAIAAQAAAAABqAABAAAAAAAAAGcAAgAAAAACDwABAAAAAAAAAE0AAAA4aWluZgAAAAAAAgAAAB"
    "VpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAAA3WlwcnAAAAC3aXBjbwAAA"
    "HhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMA"
    "kAAAAwAAAwAeoDCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXN"
    "wZQAAAAAAAABgAAAAQAAAABBwaXhpAAAAAAMICAgAAAAeaXBtYQAAAAAAAAACAAEEgQIDBAACBIECAwQAAAC8bWRhdAAAAG"
    "MoAa8TgHjVhci///YlR/+3Pnh93YNgURW+sQk/8zOv/1jOXKs7p4V5SSyGqDkdv2/qaz0slyT87HHNz/wMgx9GGP9qUZ1UV"
    "kYc3QUB5iF8Wxbw89hkDcyL48fJbj9LsxDnrEAAAABJKAGvE4B41lNUR9Q1P5v/qQQH/nqyWQqn/7N3PvzkHy+RCIPB6k2B"
    "zdBQHmJODxSE5CS0//1qAqPMWFf7CFAm/+qgPfbJNXkb2A=="
)


def write(tmp_path: Path, data: bytes, name: str = "phone.HEIC") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def test_a_heic_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif", reason="the extra heif is not installed")
    for name in ("phone.HEIC", "phone.jpg"):
        found = read_image(write(tmp_path, ONE, name))
        assert found.shape == (64, 96, 3)
        for (row, column), colour in (
            ((8, 8), (200, 40, 40)),
            ((56, 8), (40, 200, 40)),
            ((56, 88), (40, 40, 200)),
        ):
            assert np.abs(found[row, column].astype(int) - colour).max() < 12


def test_its_size_needs_no_decoder(tmp_path: Path) -> None:
    assert image_size(write(tmp_path, ONE)) == (64, 96)


def test_two_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"phone\.HEIC: it holds 2 pages"):
        read_image(write(tmp_path, TWO))


def test_a_heic_that_is_cut_or_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif", reason="the extra heif is not installed")
    liar = bytearray(ONE)
    struct.pack_into(">II", liar, liar.find(b"ispe") + 8, 8, 8)
    for data in (ONE[:-40], bytes(liar)):
        with pytest.raises(ImageReadError, match=r"phone\.HEIC: damaged"):
            read_image(write(tmp_path, data))


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageReadError, match=r"phone\.HEIC: pi_heif \(needed for HEIC files\)"):
        read_image(write(tmp_path, ONE))


@pytest.mark.parametrize("there", [True, False])
def test_its_suffix_is_that_of_an_image_where_the_extra_is_installed(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding.reads_heic.cache_clear()
    monkeypatch.setattr(decoding, "find_spec", lambda name: object() if there else None)
    try:
        assert is_image_name("IMG_0001.HEIC") is there
    finally:
        decoding.reads_heic.cache_clear()
