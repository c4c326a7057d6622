"""What one defective photo among the good ones costs: with it, and without it.

    python benches/spoiled_photos.py ROOT [--category gear ...] [--photos 16] [--picture FILE]

ROOT has a set in the MVTec AD layout, such as that of ``pyimgano synth``. For each type of defect a
detector learns from the first good photos, another one from the same with the last of them replaced
by a defective photo of that type. Both score the good test images and the other defective ones of
the type. Printed are means over the types of a category, and how many of the defective photos
``check-good`` names as those to look at, and as standing apart. The picture has the defective photo
of the first type, and the scores of both detectors.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import load_dataset
from pyimgano.errors import ThresholdWarning
from pyimgano.evaluation import compute_auroc
from pyimgano.images.reading import read_image
from pyimgano.models import PatchCore
from pyimgano.models.good_photos import odd_images

WIDTH = 600
FONT = (cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1)
GREEN, RED = (110, 150, 40), (60, 60, 210)
KEY = "scores: good (above), defective (below), threshold (line)"


@dataclass(frozen=True)
class Scores:
    """What a detector says of good and of defective images, and its threshold."""

    good: NDArray[np.float64]
    bad: NDArray[np.float64]
    limit: float

    @classmethod
    def by(cls, detector: PatchCore, good: list[str], bad: list[str]) -> "Scores":
        """Of a fitted detector."""
        scored = [np.asarray(detector.decision_function(images)) for images in (good, bad)]
        return cls(scored[0], scored[1], detector.threshold_)

    def figures(self) -> list[float]:
        """AUROC, share of the defective images found, of the good ones flagged, threshold."""
        labels = np.repeat([0, 1], [len(self.good), len(self.bad)])
        auroc = compute_auroc(labels, np.concatenate([self.good, self.bad]))
        shares = [float(np.mean(one > self.limit)) for one in (self.bad, self.good)]
        return [auroc, *shares, self.limit]


def drawn(photo: str, found: Sequence[Scores]) -> NDArray[np.uint8]:
    """BGR: a photo, and beside it a row of dots for each detector, with its threshold."""
    image = np.atleast_3d(read_image(photo))[..., ::-1]
    image = np.asarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    plot = np.full((image.shape[0], WIDTH, 3), 255, np.uint8)
    values = np.concatenate([part for one in found for part in (one.good, one.bad, [one.limit])])
    low, high = values.min(), values.max()

    def at(value: float) -> int:
        return 20 + int((WIDTH - 40) * (value - low) / (high - low))

    for i, (title, one) in enumerate(
        zip(("good photos alone", "one with a defect"), found, strict=True)
    ):
        y = round(plot.shape[0] * (0.3 + 0.45 * i))
        cv2.putText(plot, title, (12, y - 32), *FONT, cv2.LINE_AA)
        cv2.line(plot, (at(one.limit), y - 24), (at(one.limit), y + 24), (0, 0, 0), 2)
        for scores, colour, up in ((one.good, GREEN, -7), (one.bad, RED, 7)):
            for score in scores:
                cv2.circle(plot, (at(score), y + up), 5, colour, cv2.FILLED, cv2.LINE_AA)
    cv2.putText(plot, KEY, (12, plot.shape[0] - 12), *FONT, cv2.LINE_AA)
    return np.hstack([image, plot])


def measure(
    root: Path, category: str, n: int
) -> tuple[NDArray[np.float64], list[tuple[bool, bool]], NDArray[np.uint8]]:
    """Figures (types, 2, 4) without and with a defective photo, which are named, the picture."""
    dataset = load_dataset("mvtec", str(root), category, load_masks=False)
    train = dataset.get_train_paths()[:n]
    by_type: dict[str, list[str]] = {}
    for path in dataset.get_test_paths().paths:
        by_type.setdefault(Path(path).parent.name, []).append(path)
    good = by_type.pop("good")
    clean = PatchCore(backbone="embedded").fit(train)
    found, named, pictures = [], [], []
    for bad in by_type.values():
        spoiled = PatchCore(backbone="embedded").fit([*train[:-1], bad[0]])
        order, apart = odd_images(spoiled.decision_scores_)
        named.append((n - 1 in order, n - 1 in order[:apart]))
        both = [Scores.by(one, good, bad[1:]) for one in (clean, spoiled)]
        found.append([one.figures() for one in both])
        pictures.append(drawn(bad[0], both))
    return np.array(found), named, pictures[0]


def main() -> None:
    """A line for each category, one for all, and the picture of the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--category", nargs="+")
    parser.add_argument("--photos", type=int, default=16, help="to learn from")
    parser.add_argument("--picture", type=Path, help="PNG to write")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ThresholdWarning)
    categories = args.category or sorted(one.name for one in args.root.iterdir() if one.is_dir())
    everything, everyone = [], []
    for category in categories:
        found, named, picture = measure(args.root, category, args.photos)
        everything.append(found.mean(axis=0))
        everyone += named
        print(line(category, everything[-1], named), flush=True)
        if args.picture and category == categories[0]:
            cv2.imwrite(str(args.picture), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(line("mean", np.mean(everything, axis=0), everyone))


def line(title: str, found: NDArray[np.float64], named: list[tuple[bool, bool]]) -> str:
    """The figures without -> with the defective photo."""
    (auroc, hit, false, limit), spoiled = found
    listed, apart = (sum(one) for one in zip(*named, strict=True))
    return (
        f"{title:>14}  AUROC {auroc:.3f} -> {spoiled[0]:.3f}  found {hit:.0%} -> {spoiled[1]:.0%}"
        f"  good flagged {false:.0%} -> {spoiled[2]:.0%}  threshold {limit:.2f} -> {spoiled[3]:.2f}"
        f"  of {len(named)} named {listed}, apart {apart}"
    )


if __name__ == "__main__":
    main()
