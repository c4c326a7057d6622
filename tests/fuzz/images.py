"""Damaged image files: each is scored, or one clean error names it.

``python -m tests.fuzz.images --n 2000 --seed 0`` mutates small valid files (see ``samples``). A
process of its own, whose memory is limited, reads each and scores it with a detector: a crash, a
hang, an allocation that a lying header asked for, and any exception but ``ImageReadError`` are
findings. So is what OpenCV's log lets through at the level that the commands set; what libpng and
libjpeg print past it cannot be turned off for one thread alone, and is let be.
Prints the numbers; exit code 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from tests.fuzz.samples import samples

#: Sizes that headers claim.
SIZES = (0, 1, 2, 23, 41, 255, 9_999, 20_000, 65_535, 2**20, 2**31 - 1, 2**31, 2**32 - 1)
#: Seconds for one file.
PATIENCE = 10
#: How lines begin that the codecs print themselves.
CODECS = ("libpng ", "Corrupt JPEG", "Invalid SOS", "Unsupported marker", "Warning: unknown JFIF")
#: Bytes of address space beyond what the process has at the start.
ROOM = 3 << 30


def mutated(seed: int) -> tuple[str, bytes]:
    """Name and content of the file of a seed."""
    rng = np.random.default_rng([seed, 20_240])
    files = samples()
    name = str(rng.choice(sorted(files)))
    data = bytearray(files[name])
    if rng.random() < 0.02:
        return name, bytes(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        kind = rng.choice(["bits", "cut", "header", "size", "swap", "noise", "repeat", "drop"])
        if len(data) < 8:
            break
        at = int(rng.integers(len(data)))
        if kind == "bits":
            for place in rng.integers(len(data), size=rng.integers(1, 9)):
                data[place] ^= 1 << rng.integers(8)
        elif kind == "cut":
            del data[at:]
        elif kind == "header":
            data[int(rng.integers(min(len(data), 64)))] = int(rng.integers(256))
        elif kind == "size":
            _claim(name, data, rng)
        elif kind == "swap":
            _swap(name, data)
        elif kind == "noise":
            data[at : at + 16] = rng.bytes(len(data[at : at + 16]))
        elif kind == "repeat":
            data[at:at] = data[at : at + int(rng.integers(1, 200))]
        elif kind == "drop":
            del data[at : at + int(rng.integers(1, 50))]
    if name.endswith(".png") and rng.random() < 0.5:
        _repair_checksums(data)
    return name, bytes(data)


def _fields(name: str, data: bytearray) -> list[tuple[int, str]]:
    """Where width and height are, and how they are stored."""
    if name.endswith(".png"):
        return [(16, ">I"), (20, ">I")]
    if name.endswith(".bmp"):
        return [(18, "<I"), (22, "<I")]
    if name.endswith(".jpg"):
        frames = [data.find(bytes([0xFF, marker])) for marker in (0xC0, 0xC2)]
        frame = max(frames)
        return [(frame + 7, ">H"), (frame + 5, ">H")] if frame >= 0 else []
    start = struct.unpack_from("<I", data, 4)[0]
    found = []
    if start + 2 <= len(data):
        for i in range(struct.unpack_from("<H", data, start)[0]):
            at = start + 2 + 12 * i
            if at + 12 <= len(data) and struct.unpack_from("<H", data, at)[0] in (256, 257):
                kind = struct.unpack_from("<H", data, at + 2)[0]
                found.append((at + 8, "<H" if kind == 3 else "<I"))
    return found


def _claim(name: str, data: bytearray, rng: np.random.Generator) -> None:
    for at, kind in _fields(name, data):
        if rng.random() < 0.7 and at + struct.calcsize(kind) <= len(data):
            most = 0xFFFF if kind.endswith("H") else 0xFFFF_FFFF
            struct.pack_into(kind, data, at, min(int(rng.choice(SIZES)), most))


def _swap(name: str, data: bytearray) -> None:
    fields = _fields(name, data)
    if len(fields) == 2 and all(at + struct.calcsize(kind) <= len(data) for at, kind in fields):
        (a, kind), (b, other) = fields
        if kind == other:
            values = struct.unpack_from(kind, data, a) + struct.unpack_from(kind, data, b)
            struct.pack_into(kind, data, a, values[1])
            struct.pack_into(kind, data, b, values[0])


def _repair_checksums(data: bytearray) -> None:
    at = 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if at + 12 + size > len(data):
            return
        checksum = zlib.crc32(data[at + 4 : at + 8 + size])
        struct.pack_into(">I", data, at + 8 + size, checksum)
        at += 12 + size


def work(first: int, stop: int) -> None:
    """Judge the files of some seeds: a line of JSON before and after each."""
    import resource

    from pyimgano.errors import ImageReadError
    from pyimgano.images.preprocess import ImagePreprocessor
    from pyimgano.models import create_model
    from tests.conftest import texture

    detector = create_model("patchcore", backbone="embedded", image_size=(48, 64))
    detector.fit([texture(i) for i in range(9)])
    samples()  # encoders need room too
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    preprocessor = ImagePreprocessor(resize=(32, 32))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, stop):
            print(json.dumps({"seed": seed}), flush=True)
            print(f"seed {seed}", file=sys.stderr, flush=True)
            name, data = mutated(seed)
            path = Path(folder, f"{seed} {name}")
            path.write_bytes(data)
            signal.alarm(PATIENCE)  # not caught: a hang ends the process
            try:
                loaded = preprocessor.load(path)
                (prediction,) = detector.iter_predict([path])
                fine = (
                    loaded.pixels.shape == (32, 32, 3)
                    and bool(np.isfinite(loaded.pixels).all())
                    and bool(np.isfinite(prediction.score))
                    and bool(np.isfinite(prediction.anomaly_map).all())
                    and prediction.anomaly_map.shape == loaded.size
                )
                outcome = "scored" if fine else "not finite"
            except ImageReadError as error:
                text = str(error)
                outcome = "refused" if str(path) in text and "\n" not in text else f"says {text}"
            except BaseException as error:
                outcome = f"{type(error).__name__}: {error}"
            signal.alarm(0)
            path.unlink()
            print(json.dumps({"seed": seed, "outcome": outcome}), flush=True)


def run(n: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """How many files were scored and refused, and what was found wrong."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    first, stop = seed * 1_000_000, seed * 1_000_000 + n
    while first < stop:
        ran = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.images", "--work", str(first), str(stop)],
            env=dict(
                os.environ,
                PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
                PYTHONWARNINGS="ignore",
                OPENCV_LOG_LEVEL="SILENT",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        for line in lines:
            if "outcome" in line:
                good = line["outcome"] in ("scored", "refused")
                counts[line["outcome"] if good else "wrong"] += 1
                if not good:
                    findings.append(f"{line}")
        if not lines:
            raise RuntimeError(ran.stderr)
        said = [line for line in ran.stderr.splitlines() if not line.startswith(CODECS)]
        findings += [
            f"on standard error, {before}: {line}"
            for before, line in pairwise(said)
            if not line.startswith("seed ")
        ]
        if ran.returncode:
            findings.append(f"the process ended with {ran.returncode} at {lines[-1]}")
        first = lines[-1]["seed"] + 1
    return counts, findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=2000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(*args.work)
        return 0
    counts, findings = run(args.n, args.seed)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
