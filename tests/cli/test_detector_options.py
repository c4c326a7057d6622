"""Every parameter of PatchCore has an option, and help says the default that it has."""

from __future__ import annotations

import argparse
import inspect
import re

import pytest

from pyimgano.cli import check_good, detect, detector_options, fit
from pyimgano.models import PatchCore

#: Those that commands have in a way of their own (--seed, --on-bad-image, a progress bar on a
#: terminal), and one for tests.
_ELSEWHERE = {"random_state", "on_bad_image", "verbose", "pretrained"}


def options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {action.dest: action for action in parser._actions}


@pytest.mark.parametrize("command", [fit, detect, check_good])
def test_every_parameter_has_an_option(command: object) -> None:
    parameters = set(inspect.signature(PatchCore).parameters) - _ELSEWHERE
    assert parameters <= set(options(command.build_parser()))  # type: ignore[attr-defined]


def test_the_default_that_help_names_is_that_of_the_constructor() -> None:
    given = options(fit.build_parser())
    for name, parameter in inspect.signature(PatchCore).parameters.items():
        if name in _ELSEWHERE | {"backbone"}:  # whose default is the command's own
            continue
        said = re.search(r"\(default: ([\w.]+)", given[name].help or "")
        if said and isinstance(parameter.default, (int, float)) and not said[1].startswith("all"):
            assert float(said[1]) == parameter.default, name


def test_options_reach_the_detector() -> None:
    args = fit.build_parser().parse_args(
        ["x", "-o", "y", "--bit-depth", "12", "--max-pixels", "5000", "--preset", "paper",
         "--gaussian-sigma", "2", "--n-neighbors", "3", "--knn-backend", "sklearn",
         "--image-size", "native"]
    )  # fmt: skip
    (spec,) = detector_options.detector_specs(args)
    assert spec.parameters == {
        "backbone": "embedded",
        "bit_depth": 12,
        "max_pixels": 5000,
        "preset": "paper",
        "gaussian_sigma": 2.0,
        "n_neighbors": 3,
        "knn_backend": "sklearn",
        "image_size": None,
    }
