"""Times of each kernel at each instruction set of this CPU, on one thread, as a Markdown table.

``python benches/instruction_sets.py`` (needs Rust). A figure is the least of several runs, in
turns, on the input of ``benches/instructions.rs``; `times` is the portable code's / that of the
instruction set.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: How often each kernel runs in one turn: about a tenth of a second.
KERNELS = {
    "coreset": 2,
    "index": 4,
    "query": 8,
    "metrics": 20,
    "labels": 100,
    "filter": 100,
    "network": 4,
}
LEVELS = ("portable", "avx2", "avx512", "neon")
TURNS = 5


def seconds(program: Path, kernel: str, level: str) -> float | None:
    """Seconds of one run, or None where the CPU lacks the level."""
    times = KERNELS[kernel]
    done = subprocess.run(
        [program, kernel, str(times)],
        env=dict(os.environ, PYIMGANO_SIMD=level),
        capture_output=True,
        text=True,
        check=False,
    )
    if "this CPU lacks it" in done.stderr:
        return None
    done.check_returncode()
    return float(done.stdout) / times


def main() -> None:
    build = "cargo build --quiet --release --package pyimgano-core --example instructions"
    subprocess.run(build.split(), cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / "examples" / "instructions"
    levels = [level for level in LEVELS if seconds(program, "index", level) is not None]
    print("| kernel |" + "".join(f" {level}, ms | times |" for level in levels))
    print("| --- |" + " --- | --- |" * len(levels))
    for kernel in KERNELS:
        turns = [[seconds(program, kernel, level) or 0 for level in levels] for _ in range(TURNS)]
        least = [min(times) for times in zip(*turns, strict=True)]
        cells = (f" {1e3 * one:.2f} | {least[0] / one:.2f} |" for one in least)
        print(f"| {kernel} |" + "".join(cells))


if __name__ == "__main__":
    main()
