"""Fenced blocks of the documentation, and the command lines in them."""

from __future__ import annotations

import contextlib
import re
import shlex
import tomllib
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pyimgano.cli import detector_options
from pyimgano.errors import PyimganoError
from tests.conftest import REPO

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").glob("*.md"))]
SHELL = ("sh", "bash", "zsh", "shell", "console")
#: An optional HTML comment of its own line, the fence, the text.
_FENCE = re.compile(r"(?:^<!-- ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``not_run`` is the reason given in ``<!-- not run: reason -->``."""

    page: str
    language: str
    text: str
    not_run: str | None

    @property
    def commands(self) -> list[list[str]]:
        """A shell block's command lines as words: the last command of a pipe stands for all.

        Comments and continued lines are resolved.
        """
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found = [shlex.split(line, comments=True) for line in lines]
        return [words[_after_pipe(words) :] for words in found if words]


def _after_pipe(words: list[str]) -> int:
    return len(words) - words[::-1].index("|") if "|" in words else 0


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    found = []
    for comment, language, text in _FENCE.findall(page.read_text()):
        reason = comment.removeprefix("not run: ") if comment.startswith("not run: ") else None
        found.append(Block(page.name, language, text, reason))
    return found


def shell_blocks() -> list[Block]:
    return [b for page in PAGES for b in blocks_of(page) if b.language in SHELL]


def subcommand(words: list[str]) -> tuple[str, list[str]] | None:
    """Module of ``pyimgano.cli`` and arguments of a command line; None if it is no such command."""
    if words[0] == "pyimgano-benchmark":
        return "benchmark", words[1:]
    return (words[1], words[2:]) if words[0] == "pyimgano" and len(words) > 1 else None


def backbones(words: list[str]) -> list[str]:
    """Backbones that a command runs, by its own parser and defaults; "" for a model's own choice.

    Raises
    ------
    PyimganoError, SystemExit
        The command does not take these words.
    """
    command = subcommand(words)
    if command is None:
        return []
    module = import_module(f"pyimgano.cli.{command[0].replace('-', '_')}")
    parser: ArgumentParser = module.build_parser()
    args = parser.parse_args(command[1])
    if command[0] == "export-backbone":
        return [args.network]
    if "default_backbone" not in args:
        return []
    return [
        spec.parameters.get("backbone", "")
        for spec in detector_options.detector_specs(args)
        if "backbone" in spec.parameters or spec.model.endswith("_anomalib")
    ]


def uses_network(block: Block) -> bool:
    """Whether a block runs a torch network. What is wrong with a command is told elsewhere."""
    with contextlib.suppress(PyimganoError, SystemExit, ImportError):
        return any(name != "embedded" for words in block.commands for name in backbones(words))
    return False


def mistakes(words: list[str]) -> str:
    """What is wrong with a command that is not run, as far as that can be told."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    if words[0] == "make":
        targets = re.findall(r"^([a-z -]+):", (REPO / "Makefile").read_text(), re.M)
        known = {name for line in targets for name in line.split()}
        wrong = [w for w in words[1:] if "=" not in w and w not in known]
        return f"no such target: {wrong}" if wrong else ""
    if words[:2] == ["pip", "install"]:
        extras = re.findall(r"\[([\w,]+)\]", " ".join(words))
        wrong = [e for e in ",".join(extras).split(",") if e and e not in
                 project["optional-dependencies"]]  # fmt: skip
        return f"no such extra: {wrong}" if wrong else ""
    if words[:3] == ["python", "-m", "training"]:
        try:
            import_module("training.__main__").build_parser().parse_args(words[3:])
        except (SystemExit, ImportError) as error:
            return f"is refused: {error}"
        return ""
    if subcommand(words) is None:
        return f"cannot tell what {words[0]!r} is"
    try:
        backbones(words)
    except (PyimganoError, SystemExit, ImportError) as error:
        return f"is refused: {error}"
    return ""
