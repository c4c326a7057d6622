"""How many images ``monitor`` takes until it is certain of a change, and where it says it began.

Streams of normal values, shifted by some standard deviations after 200 images, and streams of
warnings of which a share is marked after 200; the limits are those of the eight signals together,
at one false alarm in 10,000 images:

    python benches/monitor_delay.py
"""

from __future__ import annotations

import sys

import numpy as np

from pyimgano.calibration.drift import Change, Place, ShareTest, ValueTest

LIMIT = 10_000 * 8.0
STREAMS, BEFORE, MOST = 20, 200, 2_000


def values(shift: float, seed: int) -> Change | None:
    """The change that is told in one stream of values."""
    rng, test = np.random.default_rng(seed), ValueTest(limit=LIMIT, seed=seed)
    # In the range of brightness, with room for any shift.
    drawn = 0.5 + 0.02 * (
        rng.normal(size=BEFORE + MOST) + shift * (np.arange(BEFORE + MOST) >= BEFORE)
    )
    told = (test.add(value, Place(i + 1, "")) for i, value in enumerate(drawn.tolist()))
    return next(filter(None, told), None)


def marks(share: float, seed: int) -> Change | None:
    """The change that is told in one stream of marked images, of which none was before."""
    rng, test = np.random.default_rng(seed), ShareTest(limit=LIMIT)
    marked = [False] * BEFORE + (rng.random(MOST) < share).tolist()
    told = (test.add(mark, Place(i + 1, "")) for i, mark in enumerate(marked))
    return next(filter(None, told), None)


def main() -> int:
    """Print one row of a table per change."""
    print(
        "| change | told, of 20 | images until certain, mean | begin, images early: median | most |"
    )
    print("| --- | --- | --- | --- | --- |")
    rows = [(f"shift of {s:g} deviations", values, s) for s in (1.0, 2.0, 4.0)]
    rows += [(f"{100 * s:g} % warned", marks, s) for s in (0.2, 0.5, 1.0)]
    for name, stream, size in rows:
        found = [stream(size, seed) for seed in range(STREAMS)]
        told = [one for one in found if one is not None and one.seen.record > BEFORE]
        late = np.mean([one.seen.record - BEFORE for one in told])
        early = [BEFORE + 1 - one.begin.record for one in told]
        print(
            f"| {name} | {len(told)} | {late:.1f} | {np.median(early):g} | {np.abs(early).max()} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
