"""A run that begins with a released network instead of random weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.checkpoint import Checkpoint
from training.network import read_network
from training.optimizer import Optimizer
from training.pictures.augment import picture_for
from training.pictures.store import Store
from training.settings import Settings
from training.student import Block, Student, new_student
from training.teacher import normalise

COUNT = 64
SIZE = 160


def _pairs(student: Student) -> list[tuple[nn.Conv2d, nn.Module]]:
    """Each convolution with the batch norm, or what took its place, that follows it."""
    pairs: list[tuple[nn.Module, nn.Module]] = []
    for module in student.modules():
        if isinstance(module, Block):
            pairs += [(module.conv1, module.norm1), (module.conv2, module.norm2)]
        elif isinstance(module, nn.Sequential):
            children = list(module)
            pairs += list(pairwise(children))
    return [(conv, norm) for conv, norm in pairs if isinstance(conv, nn.Conv2d)]


@torch.no_grad()
def unfolded(plain: Student, pixels: torch.Tensor, seed: int) -> Student:
    """A student with batch norms that gives the maps of a folded one.

    Folding forgets what the batch norms had measured, so they measure it again on some pictures.
    The rows of each convolution get the length that they have in a new student: the optimizer
    keeps it, and a row that folding had shortened would turn faster than the others.

    Parameters
    ----------
    plain
        What ``read_network`` gives.
    pixels
        Pictures to measure on, uint8 (n, height, width, 3).
    seed
        Of the new student.
    """
    student = new_student(seed)
    hooks = []
    for (old, _), (new, norm) in zip(_pairs(plain), _pairs(student), strict=True):
        assert isinstance(norm, nn.BatchNorm2d)
        assert old.bias is not None
        length = old.weight.flatten(1).norm(dim=1).clamp_min(1e-12)
        factor = length / (new.weight.norm() / len(length) ** 0.5)
        new.weight.copy_(old.weight / factor[:, None, None, None])

        def measure(
            norm: nn.Module,
            given: tuple[torch.Tensor, ...],
            factor: torch.Tensor = factor,
            bias: torch.Tensor = old.bias,
        ) -> None:
            assert isinstance(norm, nn.BatchNorm2d)
            mean, variance = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3), unbiased=False)
            norm.weight.copy_(factor * (variance + norm.eps).sqrt())
            norm.bias.copy_(bias + factor * mean)
            norm.running_mean, norm.running_var = mean, variance

        hooks.append(norm.register_forward_pre_hook(measure))
    student.eval()(normalise(pixels))  # by what has just been measured
    for hook in hooks:
        hook.remove()
    return student


def begin_with(path: Path, store: Store, seed: int, rate: float) -> Checkpoint:
    """Step 0 of a run whose student gives the maps of a released network.

    The hint is left out: it helps random weights only.
    """
    plain, _ = read_network(path)
    draws = (np.random.default_rng((seed, i)) for i in range(COUNT))
    pixels = np.stack([picture_for(rng, store, store.training, SIZE) for rng in draws])
    student = unfolded(plain, torch.from_numpy(pixels), seed)
    settings = Settings(seed=seed, rate=rate, hint=0.0)
    tensors = {f"student.{n}": t for n, t in student.state_dict().items()}
    tensors |= {f"average.{n}": t.clone() for n, t in student.state_dict().items()}
    optimizer = Optimizer(student, settings.other_rate)
    tensors |= {f"optimizer.{n}": t for n, t in optimizer.state().items()}
    return Checkpoint(0, settings, tensors)
