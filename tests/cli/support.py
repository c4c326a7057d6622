"""What tests of the commands share."""

from __future__ import annotations

import pytest

from pyimgano.cli import main

#: Options that make ``fit`` quick.
SIZE = ["--image-size", "96x128", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = main.main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err
