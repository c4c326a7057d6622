"""Starts the workers of a run, one process each."""

from __future__ import annotations

import sys
import tempfile
from multiprocessing import connection, get_context

from training.errors import TrainingError
from training.run import Plan, start
from training.settings import Settings
from training.workers import join


def worker(number: int, settings: Settings, plan: Plan, meeting: str) -> None:
    """What each process does."""
    join(number, settings.workers, meeting)
    try:
        start(settings, plan, number)
    except TrainingError as error:
        sys.exit(f"worker {number}: {error}")


def launch(settings: Settings, plan: Plan) -> None:
    """Train to ``plan.until``; a single worker stays in this process."""
    if settings.workers == 1:
        start(settings, plan, 0)
        return
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        # They end with this process, also when it is told to stop.
        processes = [
            context.Process(
                target=worker, args=(number, settings, plan, f"{folder}/meeting"), daemon=True
            )
            for number in range(settings.workers)
        ]
        for process in processes:
            process.start()
        running = list(processes)
        while running and not any(process.exitcode for process in processes):
            connection.wait([process.sentinel for process in running])
            running = [process for process in running if process.is_alive()]
        for process in running:  # what is left when another one failed
            process.terminate()
        if any(process.exitcode for process in processes):
            raise TrainingError("a worker stopped before the end: its own words stand above")
