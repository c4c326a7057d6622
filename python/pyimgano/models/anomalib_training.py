"""Building and training a model of anomalib: quiet, seeded, without files or downloads."""

import contextlib
import inspect
import io
import logging
import os
import random
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError, PyimganoError, WeightsError
from pyimgano.features.backbones.weights import fill, read_state
from pyimgano.features.device import check_device
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.models.anomalib_catalogue import AnomalibModel
from pyimgano.types import ImageInput
from pyimgano.utils.optional_deps import require

_OWN = ("pre_processor", "post_processor", "evaluator", "visualizer", "pre_trained")


def find_class(spec: AnomalibModel, params: Mapping[str, Any]) -> Any:
    """anomalib's class, after a check that it takes these parameters."""
    with quiet():
        module = require("anomalib.models", extra="anomalib", purpose=f"the model {spec.name}")
    cls = getattr(module, spec.name)
    known = [p for p in inspect.signature(cls.__init__).parameters if p not in ("self", *_OWN)]
    for name in params:
        if name not in known:
            raise InvalidInputError(
                f"anomalib's {spec.name} has no parameter {name!r}; it has {', '.join(known)}"
            )
    return cls


def build_module(
    spec: AnomalibModel,
    params: Mapping[str, Any],
    *,
    size: tuple[int, int],
    weights: str | os.PathLike[str] | None,
    pretrained: bool,
    device: str,
) -> tuple[Any, Any]:
    """A new Lightning module, to be trained on a device, and the transform of its input images.

    The module has none of anomalib's stages around the network, so its scores stay raw: the
    transform is applied by :class:`Images`.
    """
    cls = find_class(spec, params)
    check_device(require("torch", extra="anomalib"), device)
    extra = {"crop_size": min(size)} if spec.name == "Dinomaly" else {}
    pre_processor = cls.configure_pre_processor(image_size=size, **extra)
    download = pretrained and weights is None and spec.backbone is not None
    try:
        with quiet(), contextlib.nullcontext() if download else _no_download():
            module = cls(
                **params,
                pre_processor=pre_processor,
                post_processor=False,
                evaluator=False,
                visualizer=False,
            )
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise InvalidInputError(
            f"anomalib's {spec.name} refuses {dict(params)}: {error}"
        ) from error
    except Exception as error:  # whatever stops a download
        raise WeightsError(
            f"the backbone's weights for anomalib's {spec.name} cannot be had"
            f" ({type(error).__name__}: {str(error).partition(chr(10))[0]}): pass weights=FILE"
        ) from error
    module.pre_processor = None
    if weights is not None:
        fill_backbone(module, weights, spec)
    return module, pre_processor.transform


def fill_backbone(module: Any, weights: str | os.PathLike[str], spec: AnomalibModel) -> None:
    """Load a file into the frozen backbone; every layer in use must be in it."""
    from anomalib.models.components import TimmFeatureExtractor

    frozen = [
        m for m in module.modules() if isinstance(m, TimmFeatureExtractor) and not m.requires_grad
    ]
    if not frozen:
        raise InvalidInputError(f"anomalib's {spec.name} has no backbone to load weights into")
    state, info = read_state(weights)
    for extractor in frozen:
        name = str(extractor.backbone)
        fill(extractor.feature_extractor, state, backbone=name, source=info["weights"])


def prepare_efficientad(
    module: Any,
    teacher_weights: str | os.PathLike[str] | None,
    imagenet_dir: str | os.PathLike[str] | None,
) -> None:
    """Give EfficientAD its teacher and its natural images from disk, never from the network."""
    if teacher_weights is None or imagenet_dir is None:
        missing = "teacher_weights" if teacher_weights is None else "imagenet_dir"
        raise WeightsError(
            f"EfficientAD needs {missing}=...: a local file of its pretrained teacher, and a"
            " folder of natural images in one sub-folder per class"
        )
    if not Path(imagenet_dir).is_dir():
        raise InvalidInputError(f"imagenet_dir {os.fspath(imagenet_dir)!r} is not a folder")
    state, info = read_state(teacher_weights)
    fill(module.model.teacher, state, backbone="EfficientAD's teacher", source=info["weights"])
    module.imagenet_dir = Path(imagenet_dir)
    module.prepare_pretrained_model = lambda: None


class Images:
    """A dataset for torch: reads, checks and transforms one image at a time."""

    def __init__(self, images: Sequence[ImageInput], transform: Any) -> None:
        self.images = images
        self.transform = transform
        self._preprocessor = ImagePreprocessor(resize=None, output_tensor=True)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        (pixels,) = self._preprocessor([self.images[index]])
        return self.transform(pixels)


def loader(images: Images, batch_size: int, *, shuffle: bool) -> Any:
    """Batches as anomalib's modules expect them."""
    import torch
    from anomalib.data import ImageBatch
    from torch.utils.data import DataLoader

    def collate(items: Sequence[Any]) -> Any:
        labels = torch.zeros(len(items), dtype=torch.long)
        return ImageBatch(image=torch.stack(list(items)), gt_label=labels)

    dataset: Any = images  # indexed and measured like a torch Dataset
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, collate_fn=collate)


def train(
    module: Any,
    images: Images,
    *,
    batch_size: int,
    shuffle: bool,
    limits: Mapping[str, int],
    device: str,
    verbose: bool,
) -> None:
    """Run anomalib's own training step with Lightning's trainer."""
    from lightning.pytorch import LightningDataModule, Trainer

    class Data(LightningDataModule):
        train_batch_size = batch_size

        def train_dataloader(self) -> Any:
            return loader(images, batch_size, shuffle=shuffle)

    kind, _, number = device.partition(":")
    with quiet(verbose), tempfile.TemporaryDirectory() as scratch:
        arguments = {
            **module.trainer_arguments,
            "accelerator": {"cuda": "gpu"}.get(kind, kind),
            "devices": [int(number)] if number else 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": verbose,
            "enable_model_summary": False,
            "limit_val_batches": 0,
            "default_root_dir": scratch,
            **limits,
        }
        Trainer(**arguments).fit(module, datamodule=Data())
    module.to(device).eval()


def normalise_efficientad(module: Any, held_out: Images, verbose: bool) -> None:
    """Bring its two maps to one scale, on normal images that it was not trained on."""
    with quiet(verbose):
        quantiles = module.map_norm_quantiles(loader(held_out, 1, shuffle=False))
    module.model.quantiles.update(quantiles)


@contextlib.contextmanager
def explained(spec: AnomalibModel, n_images: int) -> Iterator[None]:
    """What anomalib raises as it learns from so many images, as one error that names the model."""
    try:
        yield
    except PyimganoError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        raise InvalidInputError(
            f"anomalib's {spec.name} cannot learn from {n_images} images:"
            f" {str(error).partition(chr(10))[0]}"
        ) from error


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python, NumPy and torch for a ``with`` block and restore them after it."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextlib.contextmanager
def quiet(verbose: bool = False) -> Iterator[None]:
    """Silence progress bars, log lines and warnings of others; errors are raised as ever."""
    if verbose:
        yield
        return
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def _no_download() -> Iterator[None]:
    """Backbones without weights, also from models that always ask for them."""
    import timm

    original = timm.create_model

    def create_model(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "pretrained": False})

    timm.create_model = create_model
    try:
        yield
    finally:
        timm.create_model = original
