"""Damaged and forged detector files: each is one clear error, or a detector that scores.

Two ways, each with a seed: ``raw`` changes bytes and must be refused unless nothing changed;
``forged`` changes bytes, header entries or tensors and puts the right checksum on the result.

    python -m tests.fuzz.loader --n 100000 --seed 0
"""

from __future__ import annotations

import argparse
import collections
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

import numpy as np

import pyimgano
from pyimgano.errors import PyimganoError
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from tests.conftest import texture
from tests.fuzz.forgery import forge, mutate_bytes

IMAGE = texture(7, (24, 20))
#: Seconds that loading and scoring one small image may take before it counts as a hang.
PATIENCE = 60
#: What Python may allocate for a header of the largest size, beside the file's content.
OVERHEAD = 8_000_000


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
