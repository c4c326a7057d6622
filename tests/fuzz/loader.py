"""Damaged and forged detector files: each is one clear error, or a detector that scores.

Two ways, each with a seed: ``raw`` changes bytes and must be refused unless nothing changed;
``forged`` changes bytes, header entries or tensors and puts the right checksum on the result.

    python -m tests.fuzz.loader --n 100000 --seed 0
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import pyimgano
from pyimgano.errors import PyimganoError
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from pyimgano.persistence.container import checksum
from tests.conftest import texture

#: Where the checksum's digits stand.
START = len(rb'{"__metadata__":{"pyimgano":"{\"checksum\":\"') + 8
IMAGE = texture(7, (24, 20))
#: Seconds that loading and scoring one small image may take before it counts as a hang.
PATIENCE = 60
#: What Python may allocate for a header of the largest size, beside the file's content.
OVERHEAD = 8_000_000
NASTY_NUMBERS = [
    *(0, -1, 1, 2, 7, 8, 255, 256, 1000, 4095, 65536, 10**6, 10**9, 2**31, 2**63, 2**64, 10**30),
    *(-(2**63), 0.5, -0.5, 1e-300, 1e-30, 1e15, 1e30, 1e300, 1.7e308, 0.1, 63.9, 99.9),
]
NASTY = [
    *NASTY_NUMBERS,
    *(None, True, False, "", "x", "inf", "-inf", "nan", "é" * 300, "\x00", "../../etc/passwd"),
    *([], [0], [1e9] * 4, [[]], {}, {"a": 1}, [[0.5] * 3] * 2, [48, 0], [8, 4096], "cuda:0"),
    *("embedded", "resnet18", "a.onnx", "patchcore", "classical", "__class__", "iforest"),
]
NASTY_VALUES = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-45, 0.0, -1.0, 1e15, 1e6]


@dataclass
class Counts:
    """What became of the files."""

    loaded: int = 0
    errors: collections.Counter[str] = field(default_factory=collections.Counter)
    failures: list[str] = field(default_factory=list)
    largest_allocation: float = 0.0
    slowest: float = 0.0


def small_patchcore() -> Detector:
    images = [texture(i, (24, 20)) for i in range(10)]
    return create_model("patchcore", backbone="filterbank", image_size=(24, 20)).fit(images)


def small_classical() -> Detector:
    return create_model("vision_knn").fit([texture(i, (24, 20)) for i in range(10)])


def content(detector: Detector, folder: Path) -> bytes:
    detector.save(folder / "original")
    return (folder / "original").read_bytes()


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(min(len(data), rng.choice((START + 64, 3000, len(data)))))
        data[at] ^= 1 << rng.randrange(8)


def splice(data: bytearray, rng: random.Random) -> None:
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    at = rng.randrange(len(data))
    data[at : at + (b - a) % 500] = data[a : a + (b - a) % 500]


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def remove(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 64)]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.choice((rng.randrange(len(data)), len(data), rng.randrange(3000) % len(data)))
    data[at:at] = rng.randbytes(rng.randrange(1, 64))


def overwrite(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    size = min(rng.choice((1, 4, 8, 64)), len(data) - at)
    data[at : at + size] = rng.choice((b"\xff", b"\x00", b"0", b"9", b'"', b"{")) * size


def header_length(data: bytearray, rng: random.Random) -> None:
    value = rng.choice((0, 1, 2**63, 2**64 - 1, 2**31, len(data), len(data) - 8, 10**6))
    data[:8] = (value + rng.choice((0, 0, 1))).to_bytes(9, "little")[:8]


def header_text(data: bytearray, rng: random.Random) -> None:
    """One character in the JSON text for another that JSON knows."""
    end = min(len(data), 8 + int.from_bytes(data[:8], "little"))
    data[rng.randrange(8, max(9, end))] = rng.choice(b'0123456789-+.eE"\\[]{},:tfn ')


BYTES = [flip, splice, cut, remove, insert, overwrite, header_length, header_text]


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if len(changed) > 16:
            rng.choice(BYTES)(changed, rng)
    return bytes(changed)


def parse(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Container entries, the header inside, the tensors' bytes."""
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    return head, json.loads(head["__metadata__"]["pyimgano"]), data[8 + size :]


def assemble(head: dict[str, Any], header: Any, body: bytes) -> bytes:
    head["__metadata__"]["pyimgano"] = json.dumps(header, separators=(",", ":"))
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON tree with every key in it."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def change_tree(tree: Any, rng: random.Random) -> None:
    where, key = rng.choice([p for p in places(tree) if p[1] not in ("checksum", "__metadata__")])
    how = rng.random()
    old = where[key]
    if how < 0.1:
        del where[key]
    elif how < 0.15 and isinstance(where, dict):
        where[f"{key}_"] = old
    elif how < 0.3 and type(old) in (int, float):
        where[key] = rng.choice((old + 1, old - 1, -old, old * 2, old * 1000, old / 3, float(old)))
    elif how < 0.4 and isinstance(old, list):
        where[key] = old * rng.choice((2, 100))
    elif how < 0.42:
        where[key] = json.loads("[" * 400 + "]" * 400)
    else:
        where[key] = copy.deepcopy(rng.choice(NASTY))


def change_values(head: dict[str, Any], body: bytes, rng: random.Random) -> bytes:
    """Other numbers in a tensor."""
    name = rng.choice([n for n in head if n != "__metadata__"])
    start, stop = head[name]["data_offsets"]
    dtype = {"F32": np.float32, "F64": np.float64, "F16": np.float16}[head[name]["dtype"]]
    array = np.frombuffer(body[start:stop], dtype=dtype).copy()
    with np.errstate(all="ignore"):
        if rng.random() < 0.5:
            array[rng.randrange(len(array))] = rng.choice(NASTY_VALUES)
        elif rng.random() < 0.5:
            array *= dtype(rng.choice((-1.0, 0.0, 1e-30, 1e3, 1e12, 1e30)))
        else:
            array[:] = rng.choice(NASTY_VALUES)
    return body[:start] + array.tobytes() + body[stop:]


def forge(data: bytes, rng: random.Random) -> bytes:
    """A changed file with the right checksum."""
    how = rng.random()
    if how < 0.15:
        changed = bytearray(mutate_bytes(data, rng))
        changed[8:START] = data[8:START]
    else:
        head, header, body = parse(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            kind = rng.random()
            if kind < 0.55:
                change_tree(header, rng)
            elif kind < 0.7:
                change_tree({k: v for k, v in head.items() if k != "__metadata__"}, rng)
            elif isinstance(head, dict) and how < 0.9:
                try:
                    body = change_values(head, body, rng)
                except (KeyError, ValueError, TypeError, IndexError):
                    continue  # an earlier change left no such tensor
        changed = bytearray(assemble(head, header, body))
    if len(changed) >= START + 64:
        changed[START : START + 64] = checksum(bytes(changed)).encode()
    return bytes(changed)


@contextmanager
def no_hang(what: str) -> Iterator[None]:
    def stop(*args: object) -> None:
        raise TimeoutError(f"{what}: no answer after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judge(
    data: bytes, path: Path, counts: Counts, *, measure: bool = False
) -> tuple[Detector | None, float | None]:
    """Load and score one file; notes everything but one clear error or finite scores."""
    path.write_bytes(data)
    detector, score = None, None
    start = time.perf_counter()
    try:
        with no_hang(path.name):
            if measure:
                tracemalloc.start()
            try:
                detector = pyimgano.load(path)
            finally:
                if measure:
                    peak = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
                    counts.largest_allocation = max(counts.largest_allocation, peak)
                    if peak > 4 * len(data) + OVERHEAD:
                        counts.failures.append(f"{peak} bytes for a file of {len(data)}")
            # A file may say that it has learnt from images of another depth.
            deep = detector.pixel_bits_ == {16}
            prediction = detector.predict_one(IMAGE.astype(np.uint16) * 257 if deep else IMAGE)
            score = prediction.score
            finite = np.isfinite(score)
            if prediction.anomaly_map is not None:
                finite &= np.isfinite(prediction.anomaly_map).all()
            if not finite:
                counts.failures.append(f"score {score}")
            counts.loaded += 1
    except PyimganoError as error:
        if detector is not None:
            counts.failures.append(f"loaded, but: {error!r}")
        if path.name not in str(error):
            counts.failures.append(f"does not name the file: {error!r}")
        counts.errors[f"{type(error).__name__}: {str(error).partition(': ')[2][:24]}"] += 1
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        counts.failures.append(f"{type(error).__name__}: {error}")
    counts.slowest = max(counts.slowest, time.perf_counter() - start)
    return detector, score


def fuzz(
    detector: Detector,
    folder: Path,
    *,
    n: int,
    seed: int,
    forged: bool,
    measure_every: int = 50,
    on_failure: Callable[[int, bytes, str], None] | None = None,
) -> Counts:
    """Judge n changed files of one detector."""
    data = content(detector, folder)
    expected = detector.predict_one(IMAGE).score
    counts = Counts()
    path = folder / "mutant"
    for i in range(n):
        rng = random.Random(f"{seed} {forged} {i}")
        changed = forge(data, rng) if forged else mutate_bytes(data, rng)
        known = len(counts.failures)
        loaded, score = judge(changed, path, counts, measure=i % measure_every == 0)
        if not forged and loaded is not None and (changed != data or score != expected):
            counts.failures.append("a changed file was taken")
        if on_failure is not None and len(counts.failures) > known:
            on_failure(i, changed, counts.failures[-1])
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100_000, help="files per way")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--classical", action="store_true", help="a PyOD detector's file instead")
    parser.add_argument("--address-space", type=float, default=8.0, help="limit in GB")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    options = parser.parse_args()
    limit = int(options.address_space * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")
    detector = small_classical() if options.classical else small_patchcore()
    failed = False

    def report(i: int, data: bytes, what: str) -> None:
        print(f"FAILED {i}: {what}", flush=True)
        if options.keep is not None:
            options.keep.mkdir(exist_ok=True, parents=True)
            (options.keep / f"{options.seed}-{i}").write_bytes(data)

    with tempfile.TemporaryDirectory() as folder:
        for forged in (False, True):
            start = time.perf_counter()
            counts = fuzz(
                detector,
                Path(folder),
                n=options.n,
                seed=options.seed,
                forged=forged,
                on_failure=report,
            )
            failed |= bool(counts.failures)
            print(
                f"{'forged' if forged else 'raw'}: {options.n} files, {counts.loaded} loaded,"
                f" {counts.errors.total()} errors, {len(counts.failures)} failures;"
                f" slowest {counts.slowest:.2f} s, largest allocation at load"
                f" {counts.largest_allocation / 1e3:.0f} kB for files of"
                f" {os.path.getsize(Path(folder) / 'original') / 1e3:.0f} kB;"
                f" {time.perf_counter() - start:.0f} s in all",
                flush=True,
            )
            for kind, count in counts.errors.most_common(25):
                print(f"  {count:7d}  {kind}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
