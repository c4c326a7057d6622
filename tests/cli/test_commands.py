from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyimgano.cli import benchmark
from pyimgano.datasets import list_datasets
from tests.cli.support import run
from tests.conftest import texture, with_blot, write_image

SMALL = ["--backbone", "embedded", "--image-size", "96x128", "--quiet"]


def test_benchmark_prints_a_table_and_writes_json_and_pictures(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--output", str(tmp_path / "o")]
    assert benchmark.main([*argv, *SMALL]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^category +I-AUROC +I-AP +I-F1max +P-AUROC +P-AP +AUPRO +fit s", out)
    assert re.search(r"^bolt +1\.0000", out, re.M)
    assert re.search(r"^mean +1\.0000", out, re.M)
    assert "native resolution" in out
    assert json.loads((tmp_path / "o/results.json").read_text())["dataset"] == "mvtec"
    assert len(list((tmp_path / "o/bolt/overlays").iterdir())) >= 4


def test_help_imports_nothing_that_only_work_needs() -> None:
    late = ["features.backbones.onnx.file", "images.headers.detect", "features.patches.filter_bank"]
    late = [f"pyimgano.{name}" for name in (*late, "persistence", "pipelines")]
    program = (
        "import sys; from pyimgano.cli.fit import build_parser; build_parser().format_help();"
        f"print(sorted({{'numpy.random', 'sklearn', 'torch', *{late}}} & set(sys.modules)))"
    )
    words = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_help_names_every_data_set() -> None:
    (line,) = re.findall(r"--dataset DATASET (.*?)--root", " ".join(
        benchmark.build_parser().format_help().split("data:")[1].split()
    ))  # fmt: skip
    assert sorted(re.findall(r"[\w.]+", line.replace(" or ", " "))) == list_datasets()


def test_features_may_go_to_a_folder(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt"]
    options += ["--backbone", "embedded", "--image-size", "96x128", "--spill-dir"]
    folder = tmp_path / "features"
    folder.mkdir()
    assert run(capsys, *options, str(folder))[0] == 0
    assert list(folder.iterdir()) == []
    code, out, err = run(capsys, *options, str(tmp_path / "none"))
    assert code == 2
    assert "spill_dir" in out + err


def test_benchmark_prints_json_on_request(
    mvtec_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), "--json",
        "--category", "cloth", "--metric-size", "32", *SMALL,
    )  # fmt: skip
    assert code == 0
    assert [c["category"] for c in json.loads(out)["categories"]] == ["cloth"]


def test_synth_writes_large_images_with_small_defects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "synth", str(tmp_path), "--large", "--category", "cast", "--train", "1",
        "--good", "0", "--defects", "0", "--image-size", "960x1000",
    )  # fmt: skip
    assert (code, out) == (0, f"cast in {tmp_path}\n")
    (file,) = tmp_path.rglob("*.png")
    assert file == tmp_path / "cast/train/good/000.png"


def test_benchmark_makes_the_synthetic_set_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "synth", str(tmp_path), "--category", "mesh", "--train", "9",
                       "--good", "2", "--defects", "1", "--image-size", "64")  # fmt: skip
    assert code == 0
    assert "mesh in" in out
    code, out, _ = run(capsys, "benchmark", "--dataset", "synthetic", "--root", str(tmp_path),
                       "--category", "mesh", *SMALL)  # fmt: skip
    assert code == 0
    assert "mesh" in out


def test_a_failed_category_gives_exit_code_1_and_keeps_the_rest(
    mvtec_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mvtec_root / "bolt/train/good/000.png").write_bytes(b"")
    code, out, err = run(
        capsys, "benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), *SMALL
    )
    assert code == 1
    assert re.search(r"bolt failed: .*000\.png.*empty", err)
    assert re.search(r"^cloth +1\.0000", out, re.M)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--category", "nut"], "unknown category .*'nut'"),
        (["--coreset-ratio", "0"], "--coreset-ratio must be above 0"),
        (["--coreset-ratio", "2"], "--coreset-ratio must be .* at most 1, got 2"),
        (["--target-fpr", "1.5"], "--target-fpr must be .* got 1.5"),
        (["--model", "patchcor"], "unknown model 'patchcor'; did you mean 'patchcore'"),
        (["--dataset", "mvtek"], "unknown dataset 'mvtek'"),
        (["--root", "/nowhere"], "/nowhere does not exist"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    mvtec_root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(
        capsys, "benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), *SMALL, *arguments
    )
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"pyimgano benchmark: error: .*{message}.*\n", err)


def test_weights_that_do_not_fit_are_one_line_and_exit_code_2(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    argv = ["benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), "--backbone", "resnet18"]
    for name, why in (("other.pth", "lack layer 'conv1'"), ("gone.pth", "does not exist")):
        code, _, err = run(capsys, *argv, "--weights", str(tmp_path / name))
        assert code == 2
        assert re.fullmatch(rf"pyimgano benchmark: error: .*{name}.*{why}.*\n", err)


@pytest.fixture
def parts(tmp_path: Path) -> list[str]:
    """Arguments of ``detect`` for ten good images and two to check."""
    for i in range(10):
        write_image(tmp_path / f"normal/{i}.png", texture(i))
    write_image(tmp_path / "test/bad.png", with_blot(texture(40)))
    write_image(tmp_path / "test/good.png", texture(41))
    return ["detect", "--normal", str(tmp_path / "normal"), "--test", str(tmp_path / "test"),
            "--output", str(tmp_path / "out"), "--quiet"]  # fmt: skip


def test_detect_ranks_files_and_shows_the_verdict(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*parts, *SMALL]
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert re.search(r"bad\.png +\d+\.\d{4} +defect\n.*good\.png", out)
    assert "each left out" in out
    assert f"results.csv, results.json, overlays/ in {tmp_path / 'out'}\n" in out
    (tmp_path / "test/good.png").write_text("not an image")
    code, out, err = run(capsys, *argv)
    assert code == 1
    assert "bad.png" in out
    assert re.search(r"not scored: .*good\.png", err)
    shutil.rmtree(tmp_path / "normal")
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert len(err.splitlines()) == 1


def test_detect_names_unreadable_normal_images_or_leaves_them_out(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "normal/3.png").write_text("not an image")
    code, _, err = run(capsys, *parts, *SMALL)
    assert (code, "3.png" in err) == (2, True)
    assert not (tmp_path / "out/results.csv").exists()
    code, out, err = run(capsys, *parts, *SMALL, "--on-bad-image", "skip")
    assert (code, "9 training images" in out) == (0, True)
    assert re.search(r"good photo left out: .*3\.png\n", err)


def test_detect_with_a_detector_that_has_no_maps_writes_no_overlays_and_says_so(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    code, out, err = run(capsys, *parts, "--model", "vision_ecod")
    assert code == 0
    assert re.search(r"bad\.png +\d+\.\d{4} +defect\n.*good\.png", out)
    assert f"results.csv, results.json in {tmp_path / 'out'}\n" in out
    assert err == "pyimgano detect: vision_ecod gives no anomaly maps: no overlays\n"
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [".pyimgano-output", "results.csv", "results.json"]
    assert run(capsys, *parts, "--model", "vision_ecod", "--no-overlays")[2] == ""


@pytest.mark.slow
def test_detect_with_anomalibs_models_draws_their_maps(
    parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wiring only: the weights are a seeded stand-in."""
    pytest.importorskip("anomalib", reason="needs the extra anomalib")
    import torch
    import torchvision

    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "r18.pth")
    weights = ["--weights", str(tmp_path / "r18.pth"), "--image-size", "64"]
    code, out, err = run(capsys, *parts, "--model", "vision_padim_anomalib", *weights)
    assert (code, err) == (0, "")
    assert "results.csv, results.json, overlays/ in" in out
    assert len(list((tmp_path / "out/overlays").iterdir())) == 2
    # Too few images for DFKDE's 16 components: one line that names the model.
    code, out, err = run(
        capsys, *parts, "--model", "vision_dfkde_anomalib", *weights, "--backbone", "resnet18"
    )
    assert (code, out) == (2, "")
    assert re.fullmatch(r"pyimgano detect: error: .*Dfkde.*\n", err)


def test_help_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(name in out for name in ("benchmark", "detect", "synth"))
    assert max(map(len, out.splitlines())) <= 80
    code, _, err = run(capsys, "detekt")
    assert code == 2
    assert "unknown command 'detekt'" in err
    code, out, _ = run(capsys, "--version")
    assert re.fullmatch(r"pyimgano \d+\.\d+\.\d+(\.dev\d+)?\n", out)


def test_the_installed_commands_run_in_a_process_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyimgano", "benchmark", "--root", "x"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--dataset" in done.stderr
