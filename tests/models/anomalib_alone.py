"""anomalib by itself, for parity: its engine, its reading of images, its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def alone(name: str, train: list[str], test: list[str], weights: Path) -> list[Any]:
    """Fit one of anomalib's models on some images and predict others.

    Parameters
    ----------
    name
        ``"patchcore"`` or ``"padim"``, on ResNet-18.
    train, test
        Image files.
    weights
        State dict of the backbone, by torchvision's names.

    Returns
    -------
    list of ImageItem
        One prediction per test image, in order: raw ``pred_score`` and ``anomaly_map``.
    """
    import torch
    from anomalib.data import ImageBatch, PredictDataset
    from anomalib.engine import Engine
    from anomalib.models import Padim, Patchcore
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    plain = {"post_processor": False, "evaluator": False, "visualizer": False}
    if name == "patchcore":
        module = Patchcore("resnet18", layers=["layer2", "layer3"], pre_trained=False, **plain)
    else:
        module = Padim(
            "resnet18", layers=["layer1", "layer2", "layer3"], pre_trained=False, **plain
        )
    state = torch.load(weights, weights_only=True)
    module.model.feature_extractor.feature_extractor.load_state_dict(state, strict=False)

    def batches(paths: list[str]) -> Any:
        items = [PredictDataset(path)[0] for path in paths]
        return DataLoader(items, batch_size=8, shuffle=False, collate_fn=ImageBatch.collate)

    engine = Engine(logger=False, accelerator="cpu", devices=1)
    engine.fit(module, train_dataloaders=batches(train))
    found = engine.predict(module, dataloaders=batches(test))
    return [item for batch in found for item in batch.items]


def grid_of(anomaly_map: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    """A map that anomalib gave, brought to an image's (height, width) as the wrapper does."""
    grid = anomaly_map.numpy().reshape(anomaly_map.shape[-2:])
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_LINEAR)
