"""``pyimgano models``: what ``--model`` takes."""

import argparse
import json
import textwrap
from collections.abc import Sequence

from pyimgano.cli import options
from pyimgano.utils.optional_deps import install_hint

PROG = "pyimgano models"
_WIDTH = 80


def build_parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = options.Parser(prog=PROG, description="List the detectors.")
    parser.add_argument(
        "--tag", nargs="+", metavar="TAG", help="only those that carry all of these tags"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    from pyimgano.models import list_models, model_info

    found = [model_info(name) for name in list_models(args.tag)]
    if args.json:
        print(json.dumps(found, indent=2))
        return options.OK
    for info in found:
        print(info["name"])
        needs = f"needs {install_hint(info['extra'])}" if info["extra"] else ""
        tags = f"tags: {', '.join(info['tags'])}" if info["tags"] else ""
        for line in (info["summary"], "; ".join(part for part in (tags, needs) if part)):
            if line:
                print(textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    if not found:
        print("no model carries all of these tags")
    return options.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return options.run(PROG, _run, argv)
