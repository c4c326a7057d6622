"""How far the student is from its targets, relative to how much the targets vary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

# total: everything counts. within: an offset of a whole image's channel is forgiven.
# fine: what a 5 x 5 average leaves.
KINDS = ("total", "within", "fine")
# A flat picture's own variance is near zero: its weight is bounded by this share of the mean.
FLOOR = 0.1


def _parts(maps: torch.Tensor) -> torch.Tensor:
    """Mean square of each image's map as it is, without its mean, and without its 5 x 5 average."""
    within = maps - maps.mean(dim=(2, 3), keepdim=True)
    fine = maps - functional.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
    return torch.stack([m.square().mean(dim=(1, 2, 3)) for m in (maps, within, fine)], dim=1)


@dataclass(frozen=True)
class Scale:
    """Mean of each channel of a target and its mean variance of each of ``KINDS``."""

    mean: torch.Tensor
    variance: torch.Tensor

    @staticmethod
    def of(target: torch.Tensor) -> Scale:
        """The scale that a set of targets (n, channels, height, width) gives."""
        mean = target.float().mean(dim=(0, 2, 3))[:, None, None]
        return Scale(mean, _parts(target.float() - mean).mean(dim=0))

    def weights(self, target: torch.Tensor) -> torch.Tensor:
        """What each image's errors are multiplied with, (n, 3): 1 / (own variance + floor).

        So pictures with little contrast count as much as loud ones, and a guess of the mean has
        an error of about 1.
        """
        return 1 / (_parts(target.float() - self.mean) + FLOOR * self.variance)


def relative_errors(
    output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Mean error of a batch for each of ``KINDS``."""
    return (_parts(output.float() - target.float()) * weights).mean(dim=0)


def distillation_loss(
    outputs: list[torch.Tensor],
    targets: list[torch.Tensor],
    weights: list[torch.Tensor],
    hint: float,
) -> torch.Tensor:
    """Sum over the layers; the first one is the hint and counts ``hint`` times."""
    loss = torch.zeros((), device=outputs[0].device)
    for share, *layer in zip((hint, 1.0, 1.0), outputs, targets, weights, strict=True):
        if share > 0:
            loss = loss + share * relative_errors(*layer).sum()
    return loss
