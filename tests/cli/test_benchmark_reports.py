from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimgano.cli import benchmark, detect, detector_options
from tests.pipelines.test_comparison import PATCHCORE  # registers test_brightness

SMALL = ["--image-size", "48x64", "--quiet", "--overlays", "0"]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = benchmark.main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_several_models_in_one_command(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PATCHCORE.model == "patchcore"
    out = tmp_path / "out"
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--output", str(out), *SMALL]
    argv += ["--model", "patchcore:embedded", "test_brightness", "--contamination", "0.2"]
    code, text, err = run(capsys, *argv)
    assert (code, err) == (0, "")
    assert re.search(r"^category +model +I-AUROC", text)
    assert re.search(r"^mean +test_brightness +1\.0000", text, re.M)
    assert text.endswith(f"report: {out}/report.html\n")
    data = json.loads((out / "results.json").read_text())
    assert [r["parameters"]["contamination"] for r in data["runs"]] == [0.2, 0.2]
    assert "image_size" not in data["runs"][1]["parameters"]
    for name in ("report.html", "results.csv", "results.md", "images.csv"):
        assert (out / name).stat().st_size > 0
    code, _, err = run(capsys, *argv, "--metric-size", "32")
    assert code == 2
    assert re.fullmatch(r"pyimgano-benchmark: error: .*metric_size was None there, .*\n", err)
    assert run(capsys, *argv, "--metric-size", "32", "--overwrite")[0] == 0


def test_an_option_that_no_model_has_is_a_mistake(
    mvtec_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--model", "test_brightness"]
    code, _, err = run(capsys, *argv, "--coreset-ratio", "0.5")
    assert code == 2
    assert err == "pyimgano-benchmark: error: --coreset-ratio: test_brightness has no such option\n"


def test_more_mistakes_are_one_line(mvtec_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), *SMALL[2:]]
    for more, why in (
        (["--model", "test_brightness:resnet18"], "test_brightness has no backbone to choose"),
        (["--model", "patchcore:"], "'patchcore:' is no model"),
        (["--model", "test_brightness", "test_brightness"], "two models are called"),
        (["--model", "test_brightness", "--jobs", "0"], "n_jobs must be 1 or more"),
    ):
        code, out, err = run(capsys, *argv, *more)
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"pyimgano-benchmark: error: .*{why}.*\n", err)


def test_options_reach_the_models_that_have_them() -> None:
    args = benchmark.build_parser().parse_args(
        ["--dataset", "mvtec", "--root", "x", "--weights", "w.pth", "--image-size", "native",
         "--model", "patchcore:embedded", "patchcore", "test_brightness"]
    )  # fmt: skip
    specs = detector_options.detector_specs(args)
    assert [spec.parameters for spec in specs] == [
        {"backbone": "embedded", "image_size": None},
        {"backbone": "wide_resnet50_2", "image_size": None, "weights": "w.pth"},
        {},
    ]
    assert [spec.title for spec in specs] == ["patchcore:embedded", "patchcore", "test_brightness"]


def test_a_model_that_knows_its_own_backbone_is_not_given_the_commands() -> None:
    parser = detect.build_parser()
    argv = ["--normal", "a", "--test", "b", "--output", "c", "--model", "vision_padim_anomalib"]
    (spec,) = detector_options.detector_specs(parser.parse_args(argv))
    assert spec.parameters == {}
    (spec,) = detector_options.detector_specs(parser.parse_args([*argv, "--backbone", "resnet34"]))
    assert spec.parameters == {"backbone": "resnet34"}
    (spec,) = detector_options.detector_specs(parser.parse_args([*argv[:-1], "patchcore"]))
    assert spec.parameters == {"backbone": "embedded"}


def test_a_full_disk_is_one_line_and_exit_code_2(
    mvtec_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    full_disk: Callable[[str], None],
) -> None:
    full_disk("")
    code, out, err = run(
        capsys, "--dataset", "mvtec", "--root", str(mvtec_root), "--output", str(tmp_path / "o"),
        "--backbone", "embedded", *SMALL,
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"pyimgano-benchmark: error: cannot write .*0000-image\.webp: No space left on device\n",
        err,
    )


def test_an_output_folder_that_cannot_be_written_to_is_one_line_and_exit_code_2(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--backbone", "embedded", *SMALL]
    (tmp_path / "file").write_text("")
    targets = [tmp_path / "file", tmp_path / "file/below"]
    if os.geteuid() != 0:  # the system's administrator may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        targets.append(tmp_path / "locked")
    for target in targets:
        code, out, err = run(capsys, *argv, "--output", str(target))
        assert (code, out) == (2, "")
        assert re.fullmatch(r"pyimgano-benchmark: error: cannot write to output folder .*\n", err)
