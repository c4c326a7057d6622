"""The whole benchmark command, its network run by torch and by an engine: seconds, scores, memory.

    python benches/whole_run.py --root DATA --weights resnet18.pth [--category screw] [--repeats 5]

`pyimgano benchmark` with its default output (tables, page, pictures) in processes of their own that
take turns: with a torchvision network as it is, and with `--engine`. One run with the engine comes
first, with a cache of its own that is empty: it exports the network, and is told of by itself. Both
have run once before they are timed, so that the system has the files, and Python the bytecode of
all packages, at hand.

Differences of scores are relative, the largest over all test images.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from pyimgano.features.backbones.onnx.engines import ENGINES
from pyimgano.reporting.table import text_table


@dataclass
class Command:
    """One of the commands, and what its runs gave."""

    title: str
    arguments: list[str]
    environment: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    category: dict[str, Any] = field(default_factory=dict)

    def run(self) -> float:
        """Run it, in an empty folder; seconds from its start to its end."""
        with tempfile.TemporaryDirectory() as folder:
            start = perf_counter()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pyimgano",
                    "benchmark",
                    *self.arguments,
                    "--output",
                    folder,
                ],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            spent = perf_counter() - start
            (self.category,) = json.loads(Path(folder, "results.json").read_text())["categories"]
        return spent

    def row(self) -> list[str]:
        """For the table."""
        one = self.category
        own = one.get("model_memory_mb", {})
        return [
            self.title,
            f"{statistics.median(self.seconds):.1f}",
            f"{min(self.seconds):.1f} to {max(self.seconds):.1f}",
            f"{one['fit_seconds']:.1f}",
            f"{one['ms_per_image']:.0f}",
            f"{one['peak_memory_mb']:.0f}",
            " / ".join(f"{own[key]:.0f}" if key in own else "-" for key in ("fit", "predict")),
        ]


def commands(args: argparse.Namespace, cache: str) -> tuple[Command, Command]:
    """That without an engine, and that with it."""
    given = [
        *("--dataset", "mvtec", "--root", args.root, "--category", args.category, "--quiet"),
        *("--model", "patchcore", "--backbone", args.backbone, "--weights", args.weights),
        *("--image-size", str(args.image_size), "--coreset-ratio", "0.1"),
    ]
    # Without bytecode a process compiles all of torch anew, which takes as long as the rest.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment = kept | {"PYIMGANO_CACHE": cache}
    return (
        Command("torch", given, environment),
        Command(args.engine, [*given, "--engine", args.engine], environment),
    )


def main() -> None:
    """Run both in turn, and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--weights", required=True, help="weights file")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--category", default="screw")
    parser.add_argument("--engine", default="opencv", choices=ENGINES)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        by_torch, by_engine = commands(args, cache)
        by_torch.run()
        print(f"first run by {args.engine}, which exports the network: {by_engine.run():.1f} s")
        for _ in range(args.repeats):
            for one in (by_torch, by_engine):
                one.seconds.append(one.run())
    heads = ["network by", "median s", "s", "fit s", "ms/img", "peak MB", "model MB fit / predict"]
    print(text_table(heads, [by_torch.row(), by_engine.row()]))
    ratio = statistics.median(by_engine.seconds) / statistics.median(by_torch.seconds)
    pairs = zip(by_torch.category["images"], by_engine.category["images"], strict=True)
    off = max(abs(a["score"] - b["score"]) / a["score"] for a, b in pairs)
    print(f"ratio {ratio:.2f}; scores differ by at most {off:.1e}")


if __name__ == "__main__":
    main()
