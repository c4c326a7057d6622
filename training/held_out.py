"""Judges a student on pictures that no step has seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from training.loss import KINDS, Scale, relative_errors
from training.pictures.augment import picture_for
from training.pictures.store import Store
from training.rounds import teach
from training.student import Student
from training.teacher import TARGETS, Teacher, as_targets, normalise

SIZE = 224
COUNT = 64
SEED = 77
SETTLE_SIZE = 160
SETTLE_COUNT = 96
MOMENTUM = 0.1


class HeldOut:
    """Fixed views of the held-out pictures with the teacher's answer."""

    def __init__(self, store: Store, teacher: Teacher, device: torch.device) -> None:
        def views(kinds: dict[str, list[int]], count: int, size: int) -> torch.Tensor:
            seeds = (np.random.default_rng((SEED, i)) for i in range(count))
            pixels = np.stack([picture_for(rng, store, kinds, size) for rng in seeds])
            return torch.from_numpy(pixels).to(device)

        self.images = views(store.held_out, COUNT, SIZE)
        self.settling = views(store.training, SETTLE_COUNT, SETTLE_SIZE)
        self.targets = teach(teacher, self.images)
        self.scales = [Scale.of(target) for target in self.targets]

    @torch.no_grad()
    def settle(self, student: Student) -> None:
        """Give the batch norms of averaged weights statistics of their own.

        An average of weights is shorter than the weights it comes from, so their statistics do
        not fit it. Takes training pictures, always the same ones.
        """
        norms = [m for m in student.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the passes
        student.train()
        for part in torch.split(self.settling, 32):
            student(normalise(part))
        for norm in norms:
            norm.momentum = MOMENTUM
        student.eval()

    @torch.no_grad()
    def match(self, student: Student) -> None:
        """Bring the maps of a new student to the size of the targets."""
        self.settle(student)
        found = as_targets(student(normalise(self.images[:16])))
        sizes = [
            (float(t.float().std()), float(f.std()))
            for t, f in zip(self.targets, found, strict=True)
        ]
        one, two, three = (target / own for target, own in sizes)
        student.rescale((one, two, three))

    @torch.no_grad()
    def errors(self, student: Student) -> dict[str, float]:
        """Relative errors of layer2 and layer3 of each kind, and the means of the two."""
        student.eval()
        parts = [as_targets(student(normalise(i))) for i in torch.split(self.images, 16)]
        out: dict[str, float] = {}
        for position, name in list(enumerate(TARGETS))[1:]:
            found = torch.cat([part[position] for part in parts])
            target = self.targets[position]
            values = relative_errors(found, target, self.scales[position].weights(target))
            out |= {f"{name}.{k}": round(float(v), 5) for k, v in zip(KINDS, values, strict=True)}
        for kind in KINDS:
            out[kind] = round((out[f"layer2.{kind}"] + out[f"layer3.{kind}"]) / 2, 5)
        return out
