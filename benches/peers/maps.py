"""Synthetic anomaly maps for the side-by-side runs: smooth noise, raised where the masks are."""

from __future__ import annotations

import ctypes
from pathlib import Path

import cv2
import numpy as np


def image_set(n: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Masks uint8 and maps float32, (n, size, size): a quarter good, else one to three ellipses."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, size, size), np.uint8)
    maps = np.empty((n, size, size), np.float32)
    for i in range(n):
        noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 4)
        maps[i] = 1 + 0.5 * noise / noise.std()
        if i % 4 == 0:
            continue
        for _ in range(rng.integers(1, 4)):
            centre = [int(c) for c in rng.integers(size // 12, size - size // 12, 2)]
            axes = [int(a) for a in rng.integers(size // 64, size // 9, 2)]
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(masks[i], centre, axes, angle, 0, 360, 1, -1)
        maps[i] += 2 * cv2.GaussianBlur(masks[i].astype(np.float32), (0, 0), size / 42)
    return masks, maps


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"no {name} in /proc/self/status")


def extra_memory_mb(call) -> float:
    """Peak resident memory during a call beyond what was there before, in 10**6 bytes (Linux).

    Free memory that the C library still holds is given back first, or it would hide what is used.
    """
    ctypes.CDLL(None).malloc_trim(0)
    before = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    return _status_mb("VmHWM") - before
