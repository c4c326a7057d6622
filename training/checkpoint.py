"""A run's state in one safetensors file, replaced as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from training.errors import TrainingError
from training.settings import Settings


@dataclass(frozen=True)
class Checkpoint:
    """Steps done, and tensors by name: ``student.*``, ``average.*`` and the optimizer's."""

    step: int
    settings: Settings
    tensors: dict[str, torch.Tensor]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors below a prefix, without it."""
        start = f"{prefix}."
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write beside the file, then replace it: a crash leaves the old one."""
    part = path.with_suffix(".part")
    tensors = {n: t.detach().cpu().contiguous() for n, t in checkpoint.tensors.items()}
    about = {"step": str(checkpoint.step), "settings": checkpoint.settings.to_json()}
    save_file(tensors, part, about)
    os.replace(part, path)


def read_checkpoint(path: Path) -> Checkpoint:
    """What ``write_checkpoint`` wrote."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(int(about["step"]), Settings.from_json(about["settings"], path), tensors)
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path}: not a checkpoint of a run: {error}") from None
