"""Every detector on patch features, with several backbones and numbers of good photos.

    python benches/methods.py --root mvtec_ad relit --category leather cookie screw \
        --backbone resnet18 mobilenet_v2 embedded --weights resnet18=FILE mobilenet_v2=FILE \
        --normalization mobilenet_v2=0.5,0.5 --shots 4 1 all --csv out/methods.csv \
        --table docs/methods-measured.md

Images and masks are squared to 256 px beforehand, in 16 bits; each method has the package's
defaults but for that size. With a number of shots each seed draws its own training images; with
all of them it is that of the coreset, and of padim's channels. Maps of an image are computed once
for all detectors, shots and seeds. The CSV gets a line per run, and a run that has one is not made
again; the table is made of all of its lines. Costs are of one thread: set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import create_model, load_dataset
from pyimgano.evaluation import compute_aupro, compute_auroc, resize_mask
from pyimgano.features.backbones.base import Backbone
from pyimgano.features.build import build_features
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.pipelines.shots import draw_shots

SIZE = 256
Maps = list[NDArray[np.float32]]
#: Parameters by what a method is called in the table; turned copies are for few photos alone.
METHODS: dict[str, dict[str, Any]] = {
    "patchcore": {},
    "patchcore, projection=64": {"projection": 64},
    "patchcore, rotations": {"references": "rotations"},
    "padim": {},
    "subspacead": {},
    "anomalydino": {},
    "anomalydino, rotations": {"references": "rotations"},
    "superadd": {},
}
#: Of strides 4, 8 and 16; padim takes all three, the others the last two.
LAYERS = {
    "resnet18": ("layer1", "layer2", "layer3"),
    "mobilenet_v2": ("features.3", "features.6", "features.13"),
    "squeezenet1_1": ("features.4", "features.7", "features.12"),
}
COLUMNS = ("set", "category", "backbone", "weights", "method", "shots", "seed")
FIGURES = ("auroc", "aupro", "fit_cpu_s", "image_cpu_ms", "network_cpu_ms")
Row = dict[str, str]
INTRODUCTION = """# Methods, measured

Image AUROC / AUPRO (exact, up to a false-positive rate of 0.3) of every detector on patch features,
written by `benches/methods.py`: the first lines of that file have the command. Photos and masks are
squared to 256 px beforehand, and all else is each method's default. Layers have strides 8 and 16,
for padim 4 as well. anomalydino, subspacead and superadd were made for DINOv2 and DINOv3: with the
convolutional networks here they cannot show what their papers do. With a number of photos each seed
draws its own. Cells with one seed have no deviation, "-" was not measured. "relit" are copies in
another light (`benches/relit.py`). [Methods](methods.md#which-method-when) says what follows.
"""
COSTS = """Median seconds of a fit / milliseconds of an image, one thread, on a busy machine.
Features are known by then: only learning, thresholds and scoring count."""


class Remembered:
    """A backbone that computes the maps of each image once.

    Attributes
    ----------
    cpu_s, network_cpu_s, n_images
        Seconds of the processor in ``layer_maps``; those of the network alone, and its images.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.info = backbone, backbone.info
        self.known: dict[bytes, Maps] = {}
        self.cpu_s = self.network_cpu_s = 0.0
        self.n_images = 0

    def layer_maps(self, batch: NDArray[np.float32]) -> Maps:
        """As the backbone gives them."""
        start = time.process_time()
        keys = [hashlib.sha256(image.tobytes()).digest() for image in batch]
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            before = time.process_time()
            layers = [np.asarray(m) for m in self.backbone.layer_maps(batch[new])]
            self.network_cpu_s += time.process_time() - before
            self.n_images += len(new)
            for row, i in enumerate(new):
                self.known[keys[i]] = [layer[row] for layer in layers]
        found = [np.stack(maps) for maps in zip(*(self.known[key] for key in keys), strict=True)]
        self.cpu_s += time.process_time() - start
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> Remembered:
        return self


def backbone_for(name: str, weights: str | None, normalization: str | None) -> Remembered:
    """A backbone that remembers; ``normalization`` is mean and standard deviation, ``0.5,0.5``."""
    options: dict[str, Any] = {} if weights is None else {"weights": weights}
    if normalization is not None:
        mean, std = map(float, normalization.split(","))
        options["normalization"] = (mean,) * 3, (std,) * 3
    extractor: Any = build_features(name, layers=LAYERS.get(name), **options)
    return Remembered(extractor.backbone)


@dataclass(frozen=True)
class Images:
    """A category, decoded and squared: what every method is given."""

    train: list[NDArray[np.uint16]]
    test: list[NDArray[np.uint16]]
    labels: NDArray[np.int64]
    masks: list[NDArray[np.uint8]]

    @classmethod
    def of(cls, root: str, category: str) -> Images:
        """The category of a folder in the MVTec AD layout."""
        data = load_dataset("mvtec", root, category)
        split, reader = data.get_test_paths(), ImagePreprocessor(resize=SIZE)
        test, masks = [], []
        for number, path in enumerate(split.paths):
            found = reader.load(path)
            test.append(_stored(found.pixels))
            masks.append(resize_mask(split.masks.read(number, found.geometry.source), SIZE))
        train = [_stored(pixels) for pixels in reader(data.get_train_paths())]
        return cls(train, test, split.labels, masks)


def _stored(pixels: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.rint(pixels * 65535).astype(np.uint16)


def measure(
    method: str, backbone: Remembered, images: Images, shots: int | None, seed: int
) -> dict[str, float]:
    """The figures of one run; ``shots`` is None for all training images."""
    name = method.partition(",")[0]
    layers = [one.name for one in backbone.info.layers if name == "padim" or one.stride > 4]
    detector = create_model(
        name,
        backbone=backbone,
        layers=layers,
        image_size=SIZE,
        random_state=seed,
        **METHODS[method],
    )
    train = images.train if shots is None else draw_shots(images.train, shots, seed)
    start, inside = time.process_time(), backbone.cpu_s
    detector.fit(train)
    fitted, between = time.process_time(), backbone.cpu_s
    found = list(detector.iter_predict(images.test))
    end = time.process_time()
    predicted_s = end - fitted - (backbone.cpu_s - between)
    return {
        "auroc": compute_auroc(images.labels, [one.score for one in found]),
        "aupro": compute_aupro(images.masks, [one.anomaly_map for one in found]),
        "fit_cpu_s": fitted - start - (between - inside),
        "image_cpu_ms": 1000 * predicted_s / len(found),
        "network_cpu_ms": 1000 * backbone.network_cpu_s / max(1, backbone.n_images),
    }


def weights_name(backbone: Backbone) -> str:
    """Twelve digits that tell two sets of weights apart."""
    found = [str(v) for k, v in backbone.info.origin.items() if k.endswith("sha256")]
    return found[0][:12] if found else ""


def wanted(backbone: str, weights: str, place: tuple[str, str], args: Any) -> Iterator[Row]:
    """What is to be measured on a category, as the first columns of the CSV."""
    for shots in args.shots:
        for method in args.method:
            if shots == "all" and "rotations" in method:
                continue
            # Nothing of a subspace is drawn once it has all images.
            drawn = shots != "all" or method != "subspacead"
            for seed in args.seeds if drawn else args.seeds[:1]:
                line = (*place, backbone, weights, method, shots, str(seed))
                yield dict(zip(COLUMNS, line, strict=True))


def known_rows(path: Path) -> list[Row]:
    """The lines of a CSV that may not be there yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(args: argparse.Namespace) -> None:
    """Measure what has no line yet."""
    weights = dict(pair.split("=", 1) for pair in args.weights)
    scales = dict(pair.split("=", 1) for pair in args.normalization)
    done = {tuple(row[name] for name in COLUMNS) for row in known_rows(args.csv)}
    for name in args.backbone:
        for root in args.root:
            for category in args.category:
                backbone = backbone_for(name, weights.get(name), scales.get(name))
                place = Path(root).name, category
                rows = wanted(name, weights_name(backbone), place, args)
                missing = [row for row in rows if tuple(row.values()) not in done]
                images = Images.of(root, category) if missing else None
                for row in missing:
                    shots = None if row["shots"] == "all" else int(row["shots"])
                    if shots is not None and shots > len(images.train):
                        continue
                    found = measure(row["method"], backbone, images, shots, int(row["seed"]))
                    append(args.csv, {**row, **{k: f"{found[k]:.6g}" for k in FIGURES}})


def append(path: Path, row: Row) -> None:
    """Add a line, after the header in a new file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *FIGURES])
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(" ".join(row.values()), flush=True)


def table(rows: Sequence[Row]) -> str:
    """The page: means over the categories of each set, each category, costs."""
    latest = {row["backbone"]: row["weights"] for row in rows}
    rows = [row for row in rows if row["weights"] == latest[row["backbone"]]]
    backbones = list(latest)
    parts = [INTRODUCTION]
    for name in dict.fromkeys(row["set"] for row in rows):
        of_set = [row for row in rows if row["set"] == name]
        categories = list(dict.fromkeys(row["category"] for row in of_set))
        parts += [f"## {name}: mean of {', '.join(categories)}", ""]
        whole = partial(_quality, n_categories=len(categories))
        parts += [*_lines(of_set, backbones, whole), ""]
        for category in categories:
            of_one = [row for row in of_set if row["category"] == category]
            parts += [f"### {name}: {category}", "", *_lines(of_one, backbones, _quality), ""]
    parts += ["## Costs beside the network", "", COSTS, "", *_lines(rows, backbones, _cost)]
    return "\n".join(parts) + "\n"


def _lines(
    rows: Sequence[Row], backbones: Sequence[str], cell: Callable[[Sequence[Row]], str]
) -> list[str]:
    """Markdown lines, one for each method and number of shots."""
    header = ["photos", "method", *backbones]
    lines = [header, ["---"] * len(header)]
    order = sorted({row["shots"] for row in rows}, key=lambda s: (s == "all", s.zfill(4)))
    for shots in order:
        for method in METHODS:
            own = [r for r in rows if r["shots"] == shots and r["method"] == method]
            cells = [cell([r for r in own if r["backbone"] == name]) for name in backbones]
            if own:
                lines.append([shots, method, *cells])
    return ["| " + " | ".join(line) + " |" for line in lines]


def _quality(rows: Sequence[Row], n_categories: int = 1) -> str:
    """Image AUROC / AUPRO, mean over categories, if they are all there, of the mean over seeds."""
    categories = list(dict.fromkeys(row["category"] for row in rows))
    if len(categories) < n_categories:
        return "-"
    parts = []
    for key in ("auroc", "aupro"):
        groups = [[float(r[key]) for r in rows if r["category"] == name] for name in categories]
        mean = f"{np.mean([np.mean(group) for group in groups]):.3f}"
        alone = len(groups) == 1 and len(groups[0]) > 1
        parts.append(f"{mean} ± {np.std(groups[0], ddof=1):.3f}" if alone else mean)
    return " / ".join(parts)


def _cost(rows: Sequence[Row]) -> str:
    """Median seconds of a fit / milliseconds of an image."""
    if not rows:
        return "-"
    fit, image = (np.median([float(r[key]) for r in rows]) for key in FIGURES[2:4])
    return f"{fit:.2f} / {image:.0f}"


def main() -> int:
    """Measure, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", nargs="+", default=[], help="folders in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", default=[])
    parser.add_argument("--backbone", nargs="+", default=["embedded"])
    parser.add_argument("--weights", nargs="*", default=[], help="BACKBONE=FILE")
    parser.add_argument("--normalization", nargs="*", default=[], help="BACKBONE=MEAN,STD")
    parser.add_argument("--method", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--shots", nargs="+", default=["4", "1", "all"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    run(args)
    if args.table is not None:
        args.table.write_text(table(known_rows(args.csv)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
