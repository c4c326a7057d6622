"""``pyimgano``: one command, with subcommands."""

import sys
from collections.abc import Sequence
from importlib import import_module

from pyimgano.cli.options import OK, USAGE

_COMMANDS = {
    "benchmark": "exact benchmark numbers for one, several or all categories",
    "compare": "whether two benchmark runs differ by more than chance",
    "detect": "learn from one folder of good images, check another",
    "check-good": "find odd ones, duplicates and other light among good photos",
    "sort": "rank an unsorted folder, the most suspicious images first",
    "fit": "learn from good images, write a detector file",
    "predict": "score images with a detector file",
    "monitor": "whether light or scores in predict's records have drifted",
    "calibrate": "set a detector file's threshold by labelled images",
    "models": "list the detectors",
    "doctor": "what is installed, what is missing, what the kernels run on",
    "export-backbone": "write a torchvision network as an ONNX file",
    "export-submission": "write anomaly images for the server of MVTec AD 2",
    "synth": "write the synthetic image set",
}


def _usage() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name.ljust(width)}  {what}" for name, what in _COMMANDS.items()]
    return "\n".join(
        [
            "usage: pyimgano COMMAND [OPTIONS]",
            "",
            "Find defects in images after learning from good parts only.",
            "",
            *lines,
            "",
            "pyimgano COMMAND --help explains a command.",
            "pyimgano --version prints the version.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return OK if arguments else USAGE
    name, rest = arguments[0], arguments[1:]
    if name == "--version":
        import pyimgano

        print(f"pyimgano {pyimgano.__version__}")
        return OK
    if name in _COMMANDS:
        command = import_module(f"pyimgano.cli.{name.replace('-', '_')}")
        if name == "benchmark":
            return int(command.main(rest, prog="pyimgano benchmark"))
        return int(command.main(rest))
    print(
        f"pyimgano: error: unknown command {name!r}: choose from {', '.join(_COMMANDS)}",
        file=sys.stderr,
    )
    return USAGE
