"""The pictures of each step. Round r of a worker is always the same, so a run can be resumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from training.loss import Scale
from training.pictures.augment import picture_for
from training.pictures.store import Store
from training.settings import Settings
from training.teacher import Teacher, normalise

TEACHER_BATCH = 32


@dataclass(frozen=True)
class Batch:
    """uint8 pictures (n, size, size, 3), the teacher's targets in float16, and their weights."""

    images: torch.Tensor
    targets: list[torch.Tensor]
    weights: list[torch.Tensor]

    def pick(self, rows: torch.Tensor) -> Batch:
        """Some of the pictures."""
        return Batch(
            self.images[rows], [t[rows] for t in self.targets], [w[rows] for w in self.weights]
        )

    @staticmethod
    def join(batches: list[Batch]) -> Batch:
        """All pictures of several batches of one size."""
        targets = [torch.cat(parts) for parts in zip(*(b.targets for b in batches), strict=True)]
        weights = [torch.cat(parts) for parts in zip(*(b.weights for b in batches), strict=True)]
        return Batch(torch.cat([b.images for b in batches]), targets, weights)


def teach(teacher: Teacher, images: torch.Tensor) -> list[torch.Tensor]:
    """The teacher's targets in float16, for uint8 pictures where the teacher is."""
    parts = [teacher(normalise(part)) for part in torch.split(images, TEACHER_BATCH)]
    return [torch.cat(layer).half() for layer in zip(*parts, strict=True)]


class Rounds:
    """Makes the batches of round after round; earlier ones are remade when a run is resumed."""

    def __init__(
        self,
        store: Store,
        teacher: Teacher,
        scales: list[Scale],
        settings: Settings,
        worker: int,
        threads: int,
    ) -> None:
        self.store, self.teacher, self.scales = store, teacher, scales
        self.settings, self.worker = settings, worker
        self.device = next(iter(teacher.parameters())).device
        self.pool = ThreadPoolExecutor(threads)
        self.ahead: dict[int, list[Future[np.ndarray]]] = {}
        self.windows: dict[int, deque[Batch]] = {
            size: deque(maxlen=settings.window) for size in settings.sizes
        }
        self.done = 0

    def size_of(self, number: int) -> int:
        """Side of the pictures of a round."""
        return self.settings.sizes[number % len(self.settings.sizes)]

    def batches(self, number: int) -> Iterator[Batch]:
        """The ``round_steps`` batches of a round."""
        first = max(0, number - self.settings.window * len(self.settings.sizes))
        for earlier in range(max(self.done, first), number):
            self._keep(earlier, self._fresh(earlier))
        self.done = number
        size = self.size_of(number)
        fresh, (new, old) = self._fresh(number), self.settings.batch(size)
        earlier_rounds = list(self.windows[size]) or [fresh]
        rng = np.random.default_rng((self.settings.seed, self.worker, number, 1))
        each = len(fresh.images)
        for step in range(self.settings.round_steps):
            parts = [fresh.pick(torch.arange(step * new, (step + 1) * new, device=self.device))]
            drawn = rng.integers(len(earlier_rounds) * each, size=old)
            for index in np.unique(drawn // each):
                rows = torch.from_numpy(drawn[drawn // each == index] % each).to(self.device)
                parts.append(earlier_rounds[index].pick(rows))
            yield Batch.join(parts)
        self._keep(number, fresh)
        self.done = number + 1

    def _keep(self, number: int, fresh: Batch) -> None:
        self.windows[self.size_of(number)].append(fresh)

    def _start(self, number: int) -> None:
        size = self.size_of(number)
        count = self.settings.batch(size)[0] * self.settings.round_steps
        seeds = ((self.settings.seed, self.worker, number, 0, i) for i in range(count))
        self.ahead[number] = [
            self.pool.submit(
                picture_for, np.random.default_rng(seed), self.store, self.store.training, size
            )
            for seed in seeds
        ]

    def _fresh(self, number: int) -> Batch:
        """The new pictures of a round; those of the next one are begun in the background."""
        if number not in self.ahead:
            self._start(number)
        pixels = np.stack([future.result() for future in self.ahead.pop(number)])
        self._start(number + 1)
        images = torch.from_numpy(pixels).to(self.device)
        targets = teach(self.teacher, images)
        weights = [s.weights(t) for s, t in zip(self.scales, targets, strict=True)]
        return Batch(images, targets, weights)
