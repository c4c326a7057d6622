"""The options of every registered model, as its class declares its parameters."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pyimgano import create_model, list_models, register_model
from pyimgano.cli import benchmark, check_good, detect, detector_options, fit
from pyimgano.errors import InvalidInputError
from pyimgano.extend import COMMON, Choice, Count, Flag, ListOf, Parameter, Text
from pyimgano.models import PatchCore
from pyimgano.models.base import Detector
from tests.cli.support import run

COMMANDS = [benchmark, check_good, detect, fit]


class Sieve(Detector):
    """A detector of somebody's own, with names that others have in another way."""

    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        "contamination": COMMON["contamination"],
        "mesh": Count(1, 99, metavar="N", help="holes per row, 100 % open"),
        "wet": Flag(help="under water"),
        "layers": Text(none="all", help="which layer"),
        "n_neighbors": Choice("few", "many", help="how many"),
        "shapes": ListOf(Text(), 1, none="round", help="of the holes"),
        "output": Text(help="a name that commands have"),
        "rim": Text(flags=("rim",), help="an option without dashes"),
    }

    def __init__(
        self,
        *,
        contamination: float = 0.1,
        mesh: int = 12,
        wet: bool = False,
        layers: str | None = None,
        n_neighbors: str = "few",
        shapes: list[str] | None = None,
        output: str = "left",
        rim: str = "plain",
    ) -> None:
        self.contamination = contamination
        self.mesh = mesh
        self.wet = wet
        self.layers = layers
        self.n_neighbors = n_neighbors
        self.shapes = shapes
        self.output = output
        self.rim = rim

    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Any:
        raise NotImplementedError


class Broken(Sieve):
    def __init__(self) -> None:
        raise RuntimeError("it cannot be built")


@pytest.fixture
def sieve(own_registries: None) -> None:
    register_model("sieve", Sieve)
    register_model("broken", Broken)


def help_of(command: Any) -> str:
    return " ".join(command.build_parser().format_help().split())


def parameters(*words: str) -> Any:
    args = fit.build_parser().parse_args(["x", "-o", "y", *words])
    (spec,) = detector_options.detector_specs(args)
    return spec.parameters


@pytest.mark.parametrize("command", COMMANDS)
def test_every_parameter_of_every_model_has_an_option(command: Any) -> None:
    said = help_of(command)
    for name in list_models():
        for parameter, declared in getattr(create_model(name), "PARAMETERS", {}).items():
            if declared.option:
                (flag, *_) = declared.flags or (f"--{parameter.replace('_', '-')}",)
                assert re.search(rf"(\[|\| ){flag}[ \]]", said), (name, parameter)


def test_help_says_what_it_always_said() -> None:
    said = help_of(fit)
    for line in (
        "--layers NAME [NAME ...] layers of the network (ResNets: layer2 layer3)",
        "--normalization M,S imagenet, or mean,std of the network's input (default: imagenet)",
        "--image-size S S, HxW or native (default: 256; 448 for ",
        "--preset {paper} as in the paper",
        "others are compared with (default: 0.1)",
        "--knn-backend NAME what finds the nearest bank rows: rust, sklearn, faiss",
        "in pixels at the image size (default: 4)",
        "--target-fpr P, --contamination P share of good parts",
        "network, opencv for an ONNX backbone, torch for a",
        "--batch-size N images per pass (default: 8; 16 for vision_copod and 13 more)",
        "such as 12 (default: all 16)",
        "decoded (default: 100000000)",
        "(default: embedded; its own for vision_",
        "--standardize, --no-standardize bring each",
    ):
        assert line in said
    order = re.findall(r" --([a-z-]+)", said[said.index(" --model MODEL") :])
    first = ["model", "backbone", "layers", "weights", "normalization", "position-embedding"]
    assert order[: len(first)] == first


@pytest.mark.usefixtures("sieve")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_registered_detector_of_ones_own_is_in_the_help(command: Any) -> None:
    said = help_of(command)
    assert "detector, only for sieve:" in said
    assert "--mesh N holes per row, 100 % open (default: 12)" in said
    assert "--wet, --no-wet under water (default: no)" in said
    assert "--shapes SHAPES [SHAPES ...] of the holes (default: round)" in said
    assert "(default: 9; few for sieve)" in said


@pytest.mark.usefixtures("sieve")
def test_its_options_reach_it() -> None:
    given = ("--mesh", "7", "--wet", "--layers", "one", "--n-neighbors", "many")
    assert parameters("--model", "sieve", *given, "--shapes", "round", "oval") == {
        "mesh": 7,
        "wet": True,
        "layers": "one",
        "n_neighbors": "many",
        "shapes": ["round", "oval"],
    }
    assert parameters("--model", "sieve", "--no-wet") == {"wet": False}
    with pytest.raises(InvalidInputError, match="--mesh: patchcore has no such option"):
        parameters("--mesh", "7")


@pytest.mark.usefixtures("sieve")
@pytest.mark.parametrize("name", ["output", "rim"])
def test_an_option_of_the_command_keeps_its_name_and_none_is_lost(name: str) -> None:
    assert parameters("--model", "sieve", f"--detector-{name}", "right") == {name: "right"}


@pytest.mark.usefixtures("sieve")
def test_options_of_ours_stay_as_they_are_beside_it() -> None:
    given = parameters("--layers", "layer2", "layer3", "--n-neighbors", "3")
    assert given == {"backbone": "embedded", "layers": ["layer2", "layer3"], "n_neighbors": 3}


@pytest.mark.usefixtures("sieve")
def test_a_model_that_cannot_be_built_is_told_of_when_it_is_asked_for() -> None:
    assert parameters() == {"backbone": "embedded"}
    with pytest.raises(RuntimeError, match="it cannot be built"):
        parameters("--model", "broken")


def test_options_reach_the_detector() -> None:
    given = parameters(
        "--bit-depth", "12", "--max-pixels", "5000", "--preset", "paper", "--gaussian-sigma", "2",
        "--n-neighbors", "3", "--knn-backend", "sklearn", "--image-size", "native",
        "--normalization", "0.5,0.25", "--target-fpr", "0.2",
    )  # fmt: skip
    assert given == {
        "backbone": "embedded",
        "bit_depth": 12,
        "max_pixels": 5000,
        "preset": "paper",
        "gaussian_sigma": 2.0,
        "n_neighbors": 3,
        "knn_backend": "sklearn",
        "image_size": None,
        "normalization": ([0.5] * 3, [0.25] * 3),
        "contamination": 0.2,
    }
    PatchCore(**given).check_params()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--image-size", "big"], "argument --image-size: 'big' is not a size: give 256"),
        (["--coreset-ratio", "x"], "argument --coreset-ratio: 'x' is not a number"),
        (["--batch-size", "1.5"], "argument --batch-size: '1.5' is not a whole number"),
        (["--preset", "best"], "argument --preset: invalid choice: 'best'"),
        (["--target-fpr", "x"], "argument --target-fpr/--contamination: 'x' is not a number"),
    ],
)
def test_a_word_that_is_no_value_is_one_line(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(exit_on_error=True)
    detector_options.add_detector_options(parser, backbone="embedded")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert why in capsys.readouterr().err


def test_no_option_is_told_in_words_of_python() -> None:
    for name in list_models():
        for parameter, declared in getattr(create_model(name), "PARAMETERS", {}).items():
            if declared.option and not isinstance(declared, Flag):
                found = re.search(r"\bNone\b|\bTrue\b|array|object|tuple|\(\w+, ", declared.typed)
                assert (found, bool(declared.typed)) == (None, True), (name, parameter)


def test_an_empty_word_is_told_with_its_quotes(tmp_path: Path, capsys: Any) -> None:
    code, out, err = run(capsys, "fit", tmp_path, "-o", tmp_path / "x", "--roi", "")
    assert (code, out) == (2, "")
    assert err == (
        "pyimgano fit: error: --roi must be a picture, a JSON file or \"auto\", got ''\n"
    )
