"""One image of 100 megapixels: memory beyond its pixels, and both figures of the plan.

    python benches/huge_image.py FOLDER [--category cast] [--side 10000] [--smallest-defect 20]

FOLDER takes the images, which depend on the seed alone and are written if they are not there: some
good ones of 3,000 x 4,000 pixels to learn from, by the generator of ``pyimgano synth --large``, and
a square one to be scored, with a defect in it. The peak is that of resident memory while it is
scored (``VmHWM`` of Linux), without what was resident before.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from pyimgano.datasets.synthetic import LARGE_CATEGORIES, generate_large, large_image
from pyimgano.models import PatchCore


def write_images(folder: Path, category: str, side: int, n: int, seed: int) -> tuple[Path, Path]:
    """The huge image and the mask of its defect, unless they are there, beside the good ones."""
    if not (folder / category).exists():
        counts = {"n_train": n, "n_test_good": 0, "n_test_defect": 0}
        generate_large(folder, categories=[category], sizes=[], seed=seed, **counts)
    image, mask = (folder / f"{category}_{side}{end}.png" for end in ("", "_mask"))
    if not image.exists():
        size = (side, side)
        pixels, marked = large_image(category, "huge", 0, size, seed, side=40, strength=120)
        cv2.imwrite(str(mask), marked)
        cv2.imwrite(str(image), pixels[:, :, ::-1])
    return image, mask


def resident(what: str) -> int:
    """Bytes that this process has (``VmRSS``) or has had at most (``VmHWM``) in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{what}:"))
    return 1024 * int(line.split()[1])


def main() -> None:
    """Learn, plan, score, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--category", choices=LARGE_CATEGORIES, default="cast")
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--smallest-defect", type=int, default=20)
    parser.add_argument("--images", type=int, default=4, help="to learn from")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    huge, mask = write_images(args.folder, args.category, args.side, args.images, args.seed)
    good = sorted((args.folder / args.category / "train/good").iterdir())[: args.images]
    detector = PatchCore(backbone="embedded", smallest_defect=args.smallest_defect)
    plan = detector.plan(good, scored=huge)
    print(*plan.lines(), sep="\n", flush=True)
    start = time.perf_counter()
    detector.fit(good)
    print(f"fit: {plan.fit_seconds:.1f} s planned, {time.perf_counter() - start:.1f} s taken")

    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start = time.perf_counter()
    (found,) = detector.iter_predict([huge])
    seconds = time.perf_counter() - start
    taken, decoded = resident("VmHWM") - before, 3 * args.side**2
    print(f"score: {plan.image_seconds:.1f} s planned, {seconds:.1f} s taken")
    print(
        f"memory: {plan.image_bytes / 1e6:,.0f} MB planned, {taken / 1e6:,.0f} MB taken,"
        f" {(taken - decoded) / 1e6:,.0f} MB beyond the {decoded / 1e6:,.0f} MB of its pixels"
    )
    highest = np.unravel_index(int(found.anomaly_map.argmax()), found.anomaly_map.shape)
    on_defect = bool(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)[highest])
    print(f"{found.verdict}, highest {'on' if on_defect else 'off'} the defect")


if __name__ == "__main__":
    main()
