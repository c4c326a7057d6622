"""Memory and speed of ``pyimgano predict`` on many images.

Makes links to a few hundred small synthetic images, scores them in a process of its own, and
samples that process's memory:

    python benches/stream.py --count 20000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import pyimgano

_SIDE = 64
_ORIGINALS = 300


def write_originals(folder: Path) -> list[Path]:
    """Small textures, every tenth with a bright square."""
    folder.mkdir()
    paths = []
    for i in range(_ORIGINALS):
        noise = np.random.default_rng(i).normal(size=(_SIDE, _SIDE)).astype(np.float32)
        image = np.clip(128 + 60 * cv2.GaussianBlur(noise, (0, 0), 1.5), 0, 255).astype(np.uint8)
        if i % 10 == 9:
            image[20:32, 20:32] = 255
        paths.append(folder / f"{i:03d}.png")
        paths[-1].write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return paths


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process (Linux); None once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith("VmRSS")]
    return int(found[0].split()[1]) / 1024 if found else None


def watch(command: list[str], interval: float = 0.5) -> tuple[list[tuple[float, float]], int]:
    """Memory over time of a command, (seconds, MB), and its exit code."""
    samples = []
    start = time.perf_counter()
    with subprocess.Popen(command) as child:
        while child.poll() is None:
            memory = resident_mb(child.pid)
            if memory is not None:
                samples.append((time.perf_counter() - start, memory))
            time.sleep(interval)
    return samples, child.returncode


def main() -> int:
    """Run it and print what was measured; 1 if something was lost or memory grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--limit-mb", type=float, default=50.0, help="memory may grow by so much")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        originals = write_originals(root / "originals")
        good = [os.fspath(p) for i, p in enumerate(originals[:60]) if i % 10 != 9]
        detector = pyimgano.create_model("patchcore", backbone="embedded", image_size=_SIDE)
        detector.fit(good).save(root / "part.pyimgano")
        links = root / "links"
        links.mkdir()
        for i in range(args.count):
            (links / f"{i:07d}.png").symlink_to(originals[i % len(originals)])
        started = time.perf_counter()
        samples, code = watch(
            [sys.executable, "-m", "pyimgano", "predict", os.fspath(root / "part.pyimgano"),
             os.fspath(links), "--output", os.fspath(root / "out"), "--regions", "--quiet"]
        )  # fmt: skip
        seconds = time.perf_counter() - started
        with open(root / "out/results.jsonl", encoding="utf-8") as file:
            names = [Path(json.loads(line)["path"]).name for line in file]
        whole = names == [f"{i:07d}.png" for i in range(args.count)]
    # The first tenth is start-up: imports, the detector, the first buffers.
    settled = [memory for at, memory in samples if at > samples[-1][0] / 10]
    begin, end, peak = settled[0], settled[-1], max(settled)
    print(f"{len(names)} of {args.count} records, {'all there in order' if whole else 'NOT WHOLE'}")
    print(f"memory: {begin:.0f} MB at a tenth, {end:.0f} MB at the end, peak {peak:.0f} MB")
    print(f"{seconds:.1f} s, {len(names) / seconds:.1f} images/s, start-up included")
    return 0 if whole and code == 0 and peak - begin <= args.limit_mb else 1


if __name__ == "__main__":
    sys.exit(main())
