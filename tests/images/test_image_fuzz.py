"""Damaged, lying and oddly named image files."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import ImageReadError, ThresholdWarning
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.reading import read_image
from pyimgano.models import PatchCore
from tests.conftest import texture, write_image
from tests.fuzz.images import run
from tests.fuzz.samples import samples

SAMPLES = samples()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits and alarms are POSIX only")
def test_mutated_files_are_scored_or_named_in_one_error() -> None:
    counts, findings = run(300)
    assert not findings
    assert counts["scored"] + counts["refused"] == 300
    assert min(counts["scored"], counts["refused"]) > 50


#: Healthy samples of a kind that is not read, and what the error says.
REFUSED = {
    "float.tif": "it has float32 pixels",
    "animated.png": "it holds 2 pages or frames",
    "pages.tif": "it holds 3 pages or frames",
    "cmyk.tif": "a CMYK TIFF is not supported",
}


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in REFUSED])
def test_the_samples_themselves_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    loaded = ImagePreprocessor(resize=None).load(path)
    expected = (1, 1) if name.startswith("one") else (40, 24) if name == "turned.jpg" else (24, 40)
    assert loaded.size == expected
    assert np.isfinite(loaded.pixels).all()


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_healthy_files_of_other_kinds_are_refused_by_their_reason(
    name: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    with pytest.raises(ImageReadError, match=rf"{name}: {reason}"):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "kind", "width", "height"),
    [
        ("colour.png", ">I", 16, 20),
        ("colour.bmp", "<I", 18, 22),
        ("colour.jpg", ">H", None, None),
    ],
)
def test_a_claim_of_20_000_x_20_000_is_refused_before_decoding(
    name: str, kind: str, width: int | None, height: int | None, tmp_path: Path
) -> None:
    data = bytearray(SAMPLES[name])
    frame = data.find(b"\xff\xc0")
    for at in (frame + 7 if width is None else width, frame + 5 if height is None else height):
        struct.pack_into(kind, data, at, 20_000)
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r"20000 x 20000 pixels, above the limit of 100,000,"):
        read_image(path)


def test_one_pixel_is_scored(tmp_path: Path) -> None:
    detector = PatchCore(backbone="embedded", image_size=(48, 64))
    detector.fit([texture(i) for i in range(10)])
    path = write_image(tmp_path / "one.png", np.full((1, 1), 9, np.uint8))
    (prediction,) = detector.iter_predict([path])
    assert np.isfinite(prediction.score)
    assert prediction.anomaly_map is not None
    assert prediction.anomaly_map.shape == (1, 1)


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
class TestNamesThatAreNotUtf8:
    def test_they_are_fitted_predicted_and_named_in_errors(self, tmp_path: Path) -> None:
        paths = []
        for i in range(4):
            source = write_image(tmp_path / "plain.png", texture(i))
            target = os.fsencode(tmp_path) + b"/caf\xe9 %d.png" % i
            try:
                os.rename(source, target)
            except OSError:
                pytest.skip("this file system takes only UTF-8 names")
            paths.append(os.fsdecode(target))
        detector = PatchCore(backbone="embedded", image_size=(48, 64))
        with pytest.warns(ThresholdWarning):
            detector.fit(paths)
        assert [prediction.path for prediction in detector.iter_predict(paths)] == paths
        Path(paths[2]).write_bytes(b"\x89PNG")
        with pytest.raises(ImageReadError, match=r"caf\\xe9 2\.png") as caught:
            detector.predict(paths)
        str(caught.value).encode("utf-8")
        with pytest.raises(ImageReadError, match=r"caf\\xe9 2\.png"):
            detector.fit(paths)
        assert len(detector.predict(paths[:2])) == 2
