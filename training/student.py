"""The student: a ResNet-18 of half the inner width, cut after its third stage."""

from __future__ import annotations

import torch
from torch import nn

STEM = (32, 64)
STAGES = ((64, 32, 64, 1), (64, 64, 128, 2), (128, 128, 256, 2))


class Block(nn.Module):
    """Two 3 x 3 convolutions with a shortcut; ``inner`` channels between them."""

    def __init__(self, before: int, inner: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, inner, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Channels first in, channels first out."""
        inner = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class Student(nn.Module):
    """Image batch to the maps of layer1, layer2 and layer3 (strides 4, 8 and 16)."""

    def __init__(self) -> None:
        super().__init__()
        first, second = STEM
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 5, 2, 2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, 2, 1, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
        )
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(Block(before, inner, after, stride), Block(after, inner, after, 1))
            for before, inner, after, stride in STAGES
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Maps of a normalised batch (n, 3, height, width)."""
        one = self.layer1(self.stem(x))
        two = self.layer2(one)
        return one, two, self.layer3(two)

    @torch.no_grad()
    def rescale(self, factors: tuple[float, float, float]) -> None:
        """Multiply the maps of each layer; what comes after a layer is normalised again."""
        names = {"stem.4": factors[0]}
        for number, factor in enumerate(factors, start=1):
            for end in ("0.norm2", "0.shortcut.1", "1.norm2"):
                names[f"layer{number}.{end}"] = factor
        for name, parameter in self.named_parameters():
            parameter.mul_(names.get(name.rpartition(".")[0], 1.0))


def new_student(seed: int) -> Student:
    """A student with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Student()
