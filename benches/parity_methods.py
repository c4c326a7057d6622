"""Our `padim`, `anomalydino` and `superadd` beside anomalib's models, on a whole category.

    python benches/parity_methods.py --root DATA --category cookie --resnet18 resnet18.pth

Both get the same images, squared beforehand, and the same weights: a ResNet-18 file for padim,
seeded random ones for vision transformers of the shape of DINOv2 ViT-S/14 and DINOv3 ViT-S/16.
Printed are the largest relative differences over all test images: of an image's score, and of a map
relative to the map's own maximum. Where anomalib departs from the paper there are two lines: with
its rule replaced by the paper's, and with its own.
"""

from __future__ import annotations

import argparse
import functools
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import timm
import torch
from anomalib.models.image.anomaly_dino.torch_model import AnomalyDINOModel
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.super_add.torch_model import SuperADDModel

from pyimgano.datasets import load_dataset
from pyimgano.features.normalization import normalised, resolve_normalization
from pyimgano.images.geometry import resize_image
from pyimgano.images.reading import read_image
from pyimgano.models import create_model
from pyimgano.reporting.table import text_table
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.utils.timing import StageTimer

DINOV2, DINOV3 = "vit_small_patch14_dinov2", "vit_small_patch16_dinov3"
#: Level of the foreground: random weights give other units than trained ones, whose level is 10.
LEVEL = 2.0
BATCH = 8
#: Of timm, before anomalib replaces it when its first extractor is made.
VIT = "timm.models.vision_transformer.resample_abs_pos_embed"

Maps = list[np.ndarray]


def squared(paths: list[str], side: int) -> list[np.ndarray]:
    return [resize_image(read_image(path), (side, side)) for path in paths]


def batches(images: list[np.ndarray]) -> Iterator[torch.Tensor]:
    mean_std = resolve_normalization("imagenet")
    for start in range(0, len(images), BATCH):
        pixels = [image.astype(np.float32) / 255 for image in images[start : start + BATCH]]
        yield torch.from_numpy(normalised(pixels, mean_std))


def learn(model: Any, images: list[np.ndarray], finish: Callable[[], None]) -> None:
    model.train()
    for part in model.children():
        part.eval()  # networks stay as they are while the model learns
    with torch.no_grad():
        for batch in batches(images):
            model(batch)
        finish()
    model.eval()


def answers(model: Any, images: list[np.ndarray]) -> tuple[list[float], Maps]:
    scores: list[float] = []
    maps: Maps = []
    with torch.no_grad():
        for batch in batches(images):
            found = model(batch)
            scores += found.pred_score.ravel().tolist()
            maps += list(found.anomaly_map.reshape(len(batch), *batch.shape[-2:]).numpy())
    return scores, maps


def row(title: str, ours: tuple[list[float], Maps], theirs: tuple[list[float], Maps]) -> list[str]:
    scores = max(abs(a - b) / abs(b) for a, b in zip(ours[0], theirs[0], strict=True))
    maps = max(
        np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours[1], theirs[1], strict=True)
    )
    print(f"{title}: scores {scores:.1e}, maps {maps:.1e}", flush=True)
    return [title, f"{scores:.1e}", f"{maps:.1e}"]


def predicted(detector: Any, images: list[np.ndarray]) -> tuple[list[float], Maps]:
    found = list(detector.iter_predict(images))
    return [one.score for one in found], [one.anomaly_map for one in found]


def random_weights(name: str, folder: str) -> tuple[str, dict[str, torch.Tensor]]:
    """A file of seeded weights, and what is in it."""
    torch.manual_seed(0)
    state = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
    for key, value in state.items():  # layer scales of 1e-5 would hide the blocks
        if key.endswith(("gamma", "gamma_1", "gamma_2")):
            value.copy_(0.5 + torch.rand_like(value))
    path = f"{folder}/{name}.pth"
    torch.save(state, path)
    return path, state


@contextmanager
def no_download() -> Iterator[None]:
    make = timm.create_model

    def create(name: str, **given: Any) -> Any:
        return make(name, **{**given, "pretrained": False})

    with mock.patch("timm.create_model", create):
        yield


def by_the_authors(table: torch.Tensor, new_size: Any, *_: Any, **given: Any) -> torch.Tensor:
    """DINOv2's own way to bring its table of positions to a grid: factors, a tenth more."""
    prefix = given.get("num_prefix_tokens", 1)
    side = round((table.shape[1] - prefix) ** 0.5)
    grid = table[:, prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    factors = tuple((n + 0.1) / side for n in new_size)
    grown = torch.nn.functional.interpolate(grid, mode="bicubic", scale_factor=factors)
    places = grown.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.cat([table[:, :prefix], places], dim=1)


def padim(train: list[str], test: list[str], weights: Path, _: str) -> Iterator[list[str]]:
    side = 256
    learnt, asked = squared(train, side), squared(test, side)
    # anomalib adds 0.01 and then 0.00001 to each variance.
    common: dict[str, Any] = {"weights": weights, "image_size": side, "n_features": 100}
    ours = create_model("padim", regularization=0.01001, **common).fit(learnt)
    theirs = PadimModel(
        backbone="resnet18",
        layers=["layer1", "layer2", "layer3"],
        pre_trained=False,
        n_features=100,
    )
    state = torch.load(weights, weights_only=True)
    theirs.feature_extractor.feature_extractor.load_state_dict(state, strict=False)
    theirs.idx = torch.from_numpy(np.flatnonzero(ours.scorer_.axes_.any(axis=1)))
    learn(theirs, learnt, theirs.fit)
    found = answers(theirs, asked)
    yield row("padim, variances + 0.01001 as anomalib's", predicted(ours, asked), found)
    paper = create_model("padim", **common).fit(learnt)
    yield row("padim, variances + 0.01 as in the paper", predicted(paper, asked), found)


def anomalydino(train: list[str], test: list[str], _: Path, folder: str) -> Iterator[list[str]]:
    side = 252  # anomalib's
    learnt, asked = squared(train, side), squared(test, side)
    file, state = random_weights(DINOV2, folder)

    def ours(**given: Any) -> Any:
        return create_model(
            "anomalydino",
            backbone=f"timm:{DINOV2}",
            weights=file,
            image_size=side,
            coreset_ratio=1.0,
            **given,
        ).fit(learnt)

    def theirs(*, positions: Any, masking: bool = False, references: bool = False) -> Any:
        with no_download():
            model = AnomalyDINOModel(encoder_name=DINOV2, masking=references)
        model.feature_encoder.feature_extractor.load_state_dict(state, strict=False)
        model.compute_background_masks = functools.partial(
            AnomalyDINOModel.compute_background_masks, threshold=LEVEL
        )
        with mock.patch(VIT, positions) if positions else mock.MagicMock():
            learn(model, learnt, model.fit)
            model.masking = masking
            return answers(model, asked)

    def repeated(detector: Any) -> tuple[list[float], Maps]:
        """With maps as anomalib has them: each distance repeated over its patch."""
        scores, maps = [], []
        for image, found in zip(asked, detector.iter_predict(asked), strict=True):
            grids = detector._extract([detector._preprocessor.load(image)], StageTimer())
            distances = CheckedScorer(detector.scorer_).score(grids)[0].distances
            large = np.kron(distances, np.ones((14, 14), np.float32))
            maps.append(cv2.GaussianBlur(large, (33, 33), 4))
            scores.append(found.score)
        return scores, maps

    plain = ours()
    by_paper = theirs(positions=by_the_authors)
    yield row("anomalydino, positions as the authors', maps repeated", repeated(plain), by_paper)
    yield row("anomalydino, maps interpolated as in the paper", predicted(plain, asked), by_paper)
    own = theirs(positions=None)
    yield row("anomalydino, positions resized by anomalib", repeated(plain), own)
    masked = ours(foreground=LEVEL)
    of_paper = theirs(positions=by_the_authors, masking=True)
    yield row(
        "anomalydino, foreground, references whole as in the paper", repeated(masked), of_paper
    )
    of_both = theirs(positions=by_the_authors, masking=True, references=True)
    yield row("anomalydino, foreground, references masked by anomalib", repeated(masked), of_both)


def superadd(train: list[str], test: list[str], _: Path, folder: str) -> Iterator[list[str]]:
    file, state = random_weights(DINOV3, folder)
    for side, tile, overlap in ((256, 256, 16), (384, 256, 16)):
        learnt, asked = squared(train, side), squared(test, side)
        with no_download():
            theirs = SuperADDModel(
                backbone=DINOV3,
                patch_size=tile,
                patch_overlap=overlap,
                max_database_size=10**9,  # all: its thinning is random, ours greedy
            )
        theirs.backbone.dino.load_state_dict(state)
        learn(theirs, learnt, theirs.subsample_embedding)
        found = answers(theirs, asked)
        tiles: dict[str, Any] = {} if side == tile else {"tiles": (tile, 2 * overlap)}
        ours = create_model(
            "superadd",
            backbone=f"timm:{DINOV3}",
            weights=file,
            image_size=side,
            coreset_ratio=1.0,
            position_embedding="timm",
            **tiles,
        ).fit(learnt)
        what = "whole" if side == tile else f"tiles of {tile} px"
        yield row(f"superadd, {side} px, {what}", predicted(ours, asked), found)


CASES = {"padim": padim, "anomalydino": anomalydino, "superadd": superadd}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", default="cookie")
    parser.add_argument("--resnet18", type=Path, help="weights file, for padim")
    parser.add_argument("--model", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--limit", type=int, help="images of each split, for a quick look")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    data = load_dataset("mvtec", args.root, args.category)
    train, test = data.get_train_paths()[: args.limit], data.get_test_paths().paths[: args.limit]
    rows = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for name in args.model:
            rows += CASES[name](train, test, args.resnet18, folder)
    heads = ["compared", "scores", "maps"]
    print(f"{len(train)} training and {len(test)} test images, {time.perf_counter() - start:.0f} s")
    print(text_table(heads, rows))


if __name__ == "__main__":
    main()
