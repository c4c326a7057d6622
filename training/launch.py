"""Starts the workers of a run, one process each."""

from __future__ import annotations

import tempfile

from torch import multiprocessing

from training.run import Plan, start
from training.settings import Settings
from training.workers import join


def worker(number: int, settings: Settings, plan: Plan, meeting: str) -> None:
    """What each process does."""
    join(number, settings.workers, meeting)
    start(settings, plan, number)


def launch(settings: Settings, plan: Plan) -> None:
    """Train to ``plan.until``; a single worker stays in this process."""
    if settings.workers == 1:
        start(settings, plan, 0)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments = (settings, plan, f"{folder}/meeting")
        multiprocessing.spawn(worker, arguments, settings.workers, join=True)
