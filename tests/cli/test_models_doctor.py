from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError

import pytest

from pyimgano import _rust
from pyimgano.cli import benchmark, detect, doctor, export_backbone, main, models, synth
from pyimgano.models import list_models, model_info
from pyimgano.utils import optional_deps


def test_models_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models"]) == 0
    out = capsys.readouterr().out
    names = [line for line in out.splitlines() if not line.startswith(" ")]
    assert names == list_models()
    assert model_info("patchcore")["summary"].split()[0] in out
    assert max(map(len, out.splitlines())) <= 80
    assert main.main(["models", "--json", "--tag", "pixel"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "patchcore" in [info["name"] for info in found]
    assert all("pixel" in info["tags"] for info in found)
    assert main.main(["models", "--tag", "no such tag"]) == 0
    assert capsys.readouterr().out == "no model carries all of these tags\n"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An installation made up: numpy is there, and the extra ``deep`` is not."""
    versions = {"pyimgano": _rust.version(), "numpy": "1.2.3"}

    def version(name: str) -> str:
        try:
            return versions[name]
        except KeyError:
            raise PackageNotFoundError(name) from None

    lines = [
        "numpy>=1.26",
        "no_such_net[big]>=2 ; extra == 'deep'",
        "pyimgano[deep] ; extra == 'all'",
    ]
    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(optional_deps, "requires", lambda name: lines)
    return versions


def test_doctor_says_what_is_missing_and_how_to_get_it(
    installed: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYIMGANO_NUM_THREADS", "3")
    monkeypatch.setenv("PYIMGANO_SIMD", "portable")
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"pyimgano   {_rust.version()}\n" in out
    assert "instructions: portable" in out
    assert "threads    3 of " in out
    assert "\n  numpy  1.2.3\n" in out
    assert '\ndeep:  pip install "no_such_net[big]>=2"\n  no_such_net   missing\n' in out
    assert "problems" not in out


def test_doctor_finds_an_extension_of_another_version(
    installed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    installed["pyimgano"] = "9.9.9"
    assert main.main(["doctor", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert f"kernels are version {_rust.version()}, the package is 9.9.9" in problem


def test_doctor_finds_a_broken_package_and_a_bad_setting(
    installed: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed["no_such_net"] = "2.0"
    monkeypatch.setenv("PYIMGANO_SIMD", "sse9")
    assert main.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "no_such_net  2.0 broken" in out
    assert "no_such_net: is installed but fails to import: ModuleNotFoundError" in out
    assert "PYIMGANO_SIMD must be portable, avx2, avx512 or neon" in out


def test_doctor_works_from_a_source_folder(
    installed: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(optional_deps, "requires", nothing)
    found = doctor.examine()
    assert found["core"]["numpy"]["version"] == "1.2.3"
    assert found["extras"] == {}
    assert found["kernels"]["simd"] in ("portable", "avx2", "avx512", "neon")


@pytest.mark.parametrize("command", [benchmark, detect, doctor, export_backbone, models, synth])
def test_help_reads_well_at_80_columns(command: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = command.build_parser().format_help()
    assert max(map(len, text.splitlines())) <= 80
    assert "%(" not in text
