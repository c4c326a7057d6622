"""The teacher: torchvision's ResNet-18 up to layer3, from a weights file on disk."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from training.errors import TrainingError

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# What the student learns: layer1 as a hint that fades, then the two layers that are used.
TARGETS = ("layer1", "layer2", "layer3")


class Teacher(nn.Module):
    """Normalised batch to its targets; never trained."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from torchvision.models import resnet18

        network = resnet18(weights=None)
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            missing, _ = network.load_state_dict(state, strict=False)
        except (OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError(f"{weights}: no ResNet-18 weights could be read: {error}") from None
        except Exception as error:  # unpickling errors share no base with the others
            raise TrainingError(f"{weights}: not a weights file: {error}") from None
        lacking = [name for name in missing if not name.startswith(("layer4.", "fc."))]
        if lacking:
            raise TrainingError(f"{weights}: lacks {lacking[0]} of ResNet-18; give its own weights")
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.layer1, self.layer2, self.layer3 = network.layer1, network.layer2, network.layer3
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Targets of a batch, one tensor for each of ``TARGETS``."""
        one = self.layer1(self.stem(x))
        two = self.layer2(one)
        return as_targets((one, two, self.layer3(two)))


def as_targets(maps: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Maps as they are compared: averaged over 3 x 3, the hint at half its size."""
    one, two, three = maps
    return [
        functional.avg_pool2d(one, 2),
        functional.avg_pool2d(two, 3, 1, 1),
        functional.avg_pool2d(three, 3, 1, 1),
    ]


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 (n, height, width, 3) RGB to float32 (n, 3, height, width), channels last in memory."""
    mean = torch.tensor(MEAN, device=images.device) * 255
    std = torch.tensor(STD, device=images.device) * 255
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)
