"""The training loop of one worker: from a checkpoint, or from random weights, to a step."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from training.held_out import HeldOut
from training.loss import distillation_loss
from training.optimizer import Optimizer
from training.pictures.store import Store
from training.rounds import Batch, Rounds
from training.settings import Settings
from training.student import Student, new_student
from training.teacher import Teacher, as_targets, normalise
from training.workers import average

LATEST = "latest.safetensors"
LOG = "log.jsonl"


@dataclass(frozen=True)
class Plan:
    """What a worker is told beside the settings; nothing in here changes the weights."""

    folder: Path
    pictures: Path
    teacher: Path
    until: int
    device: str = "cpu"
    threads: int = 1
    save_seconds: float = 180
    evaluate_rounds: int = 20


class Run:
    """A student, its running average and its optimizer, at a step."""

    def __init__(self, settings: Settings, plan: Plan, worker: int) -> None:
        self.settings, self.plan, self.worker = settings, plan, worker
        self.device = torch.device(plan.device)
        torch.set_num_threads(plan.threads)
        store = Store(plan.pictures)
        teacher = Teacher(plan.teacher).to(self.device).to(memory_format=torch.channels_last)
        self.held_out = HeldOut(store, teacher, self.device)
        scales = self.held_out.scales
        self.rounds = Rounds(store, teacher, scales, settings, worker, plan.threads)
        self.student = self._placed(new_student(settings.seed))
        self.held_out.match(self.student)
        self.average = copy.deepcopy(self.student)
        self.optimizer = Optimizer(self.student, settings.other_rate)
        self.step, self.loss, self.saved = 0, float("nan"), time.monotonic()

    def _placed(self, student: Student) -> Student:
        return student.to(self.device).to(memory_format=torch.channels_last)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint, down to the optimizer's."""
        self.student.load_state_dict(checkpoint.part("student"))
        self.average.load_state_dict(checkpoint.part("average"))
        kept = checkpoint.part("optimizer")
        for name, tensor in self.optimizer.state().items():
            tensor.copy_(kept[name])
        self.step = self.optimizer.steps = checkpoint.step

    def checkpoint(self) -> Checkpoint:
        """The state as tensors by name; the tensors are the live ones."""
        tensors = {f"student.{n}": t for n, t in self.student.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        tensors |= {f"optimizer.{n}": t for n, t in self.optimizer.state().items()}
        return Checkpoint(self.step, self.settings, tensors)

    def train(self) -> None:
        """Whole rounds until ``plan.until`` steps are done; worker 0 logs and saves."""
        started, first = time.monotonic(), self.step
        while self.step < self.plan.until:
            number = self.step // self.settings.round_steps
            for batch in self.rounds.batches(number):
                self._step(batch)
            average(list(self.checkpoint().tensors.values()))
            last = self.step >= self.plan.until
            saving = last or time.monotonic() - self.saved > self.plan.save_seconds
            reporting = last or number % self.plan.evaluate_rounds == 0
            if self.worker == 0 and (saving or reporting):
                self.held_out.settle(self.average)
                if reporting:
                    self._report((time.monotonic() - started) / (self.step - first))
                if saving:
                    write_checkpoint(self.plan.folder / LATEST, self.checkpoint())
                    self.saved = time.monotonic()

    def _step(self, batch: Batch) -> None:
        self.student.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            outputs = as_targets(self.student(normalise(batch.images)))
        hint = self.settings.hint_at(self.step)
        loss = distillation_loss(outputs, batch.targets, batch.weights, hint)
        torch.autograd.backward(loss)
        self.optimizer.step(self.settings.rate_at(self.step))
        self.step += 1
        self.loss = float(loss.detach())
        keep = min(self.settings.average, self.step / (self.step + 10))
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), self.student.parameters(), strict=True):
                old.lerp_(new, 1 - keep)

    def _report(self, seconds: float) -> None:
        line = {
            "step": self.step,
            "time": round(time.time()),
            "cpu_seconds": round(time.process_time(), 1),
            "seconds_per_step": round(seconds, 4),
            "rate": self.settings.rate_at(self.step - 1),
            "loss": round(self.loss, 4),
            **self.held_out.errors(self.average),
        }
        with (self.plan.folder / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(
            f"step {self.step} of {self.plan.until}: held-out error {line['within']:.3f} "
            f"(fine {line['fine']:.3f}), {seconds:.2f} s a step",
            flush=True,
        )


def start(settings: Settings, plan: Plan, worker: int) -> None:
    """Train one worker, from the run's checkpoint where there is one."""
    run = Run(settings, plan, worker)
    if (plan.folder / LATEST).exists():
        run.restore(read_checkpoint(plan.folder / LATEST))
    run.train()
