"""Masks from photos to PNG, as a user calls the commands."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import pyimgano
from tests.cli.support import SIZE, run


def test_fit_learns_a_pixel_threshold_and_predict_writes_masks_by_it(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, out = tmp_path / "part.pyimgano", tmp_path / "out"
    code, told, err = run(
        capsys, "fit", work / "good", "-o", part, *SIZE, "--false-pixels", 0.01
    )  # fmt: skip
    assert (code, err) == (0, "")
    value = pyimgano.load(part).pixel_threshold_.value
    assert re.search(
        rf"^pixels +{value:.4f} \(on average at most 1 % of a good image's pixels, an image"
        r" counting as 10 % at most \(12 images\)\)$",
        told,
        re.M,
    )
    argv = ("predict", part, work / "bad", "--output", out, "--masks", "--quiet")
    assert run(capsys, *argv)[0] == 0
    masks = sorted((out / "masks").iterdir())
    assert [path.name for path in masks] == [f"000000{i + 1}_{i}.png" for i in range(3)]
    for i, path in enumerate(masks):
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        expected = pyimgano.load(part).predict_one(work / f"bad/{i}.png").mask
        np.testing.assert_array_equal(found, expected)
        assert found.any()


def test_calibrate_says_what_the_pixel_threshold_keeps(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part, new = work / "part.pyimgano", tmp_path / "new.pyimgano"
    code, told, _ = run(
        capsys, "calibrate", part, "--normal", work / "more", "--false-regions", 0.1, "-o", new
    )
    found = pyimgano.load(new).pixel_threshold_
    assert (code, found.of, found.n) == (0, "regions", 12)
    assert f"pixel threshold {found.value:.4f}: about 0.1 false regions per good image" in told
    code, _, err = run(
        capsys, "calibrate", part, "--normal", work / "more", "--false-regions", 0.01, "-o", new
    )
    assert code == 0
    assert "masks are empty: false_regions=0.01 takes 99 normal images, here are 12" in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("detect --normal {0}/good --test {0}/bad --output out --masks", "masks need a pixel thr"),
        ("fit {0}/good -o x --false-pixels 0.1 --false-regions 1", "not allowed with argument --f"),
        ("calibrate {0}/part.pyimgano --false-regions 0.1 --false-pixels 1 -o x", "not allowed wi"),
        ("calibrate {0}/part.pyimgano --false-pixels 1 -o x", "--false-pixels must be above 0 and"),
        ("fit {0}/good -o x --false-pixels 0.1 --model vision_ecod", "--false-pixels: vision_ecod"),
        ("calibrate {0}/part.pyimgano --threshold 3 --false-pixels 0.1 -o x", "needs normal image"),
        ("fit {0}/good -o x --false-pixels 1", "--false-pixels must be above 0 and below 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_before_any_work(
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code, out, err = run(capsys, *command.format(work).split())
    except SystemExit as stop:  # argparse's own way
        code, (out, err) = stop.code, capsys.readouterr()
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
