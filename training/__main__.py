"""The command line: ``python -m training prepare | run | cooldown | export | evaluate``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from training.errors import TrainingError
from training.launch import launch
from training.network import FORMATS, write_network
from training.pictures.folder import own_pictures
from training.pictures.free import free_pictures
from training.pictures.picture import Picture
from training.pictures.rendered import rendered_pictures
from training.pictures.sheets import texture_sheets
from training.pictures.store import Store, write_store
from training.run import LATEST, Plan
from training.settings import Settings
from training.student import Student
from training.warm_start import begin_with


def prepare(args: argparse.Namespace) -> None:
    """Decode all pictures once into --store."""

    def pictures() -> Iterator[Picture]:
        if args.pictures is not None:
            yield from own_pictures(args.pictures)
        yield from free_pictures()
        if args.textures is not None:
            yield from texture_sheets(args.textures)
        yield from rendered_pictures(args.rendered, args.seed)

    store = write_store(args.store, pictures())
    counts = ", ".join(f"{len(v)} {k}" for k, v in store.training.items())
    held = sum(len(v) for v in store.held_out.values())
    print(f"{args.store}: {counts} pictures to train on, {held} held out")


def _plan(args: argparse.Namespace, until: int) -> Plan:
    return Plan(args.run, args.store, args.teacher, until, args.device, args.threads)


def _branch(args: argparse.Namespace) -> Checkpoint | None:
    """Where a run goes on from --source: its state, at a constant rate; None without --source."""
    if args.source is None:
        return None
    source = read_checkpoint(args.source)
    rate = args.rate or source.settings.rate
    return replace(source, settings=replace(source.settings.steady(), rate=rate))


def _go_on(args: argparse.Namespace, begin: Checkpoint | None) -> Settings:
    """Settings of the run in the folder, which begins with a checkpoint where it is new."""
    args.run.mkdir(parents=True, exist_ok=True)
    latest = args.run / LATEST
    if not latest.exists() and begin is not None:
        write_checkpoint(latest, begin)
    known = read_checkpoint(latest).settings if latest.exists() else None
    settings = known or Settings(seed=args.seed, rate=args.rate or Settings.rate)
    return replace(settings, workers=args.workers)


def run(args: argparse.Namespace) -> None:
    """Begin a run, or go on with it: its folder holds the last checkpoint and the log."""
    if args.source is not None and args.network is not None:
        raise TrainingError("give --source or --network, not both")
    begin = _branch(args)
    if args.network is not None:
        rate = args.rate or Settings.rate
        begin = begin_with(args.network, Store(args.store), args.seed, rate)
    launch(_go_on(args, begin), _plan(args, args.steps))


def cooldown(args: argparse.Namespace) -> None:
    """Branch off a checkpoint: let the rate fall to 0, so that the weights settle."""
    begin = _branch(args)
    assert begin is not None  # --source is required
    settings = begin.settings.cooled(begin.step, args.steps)
    settings = _go_on(args, replace(begin, settings=settings))
    launch(settings, _plan(args, settings.cooldown_from + settings.cooldown_steps))


def export(args: argparse.Namespace) -> None:
    """Write the averaged weights of a checkpoint as the one file that is released."""
    checkpoint = read_checkpoint(args.source)
    student = Student()
    student.load_state_dict(checkpoint.part("average"))
    about = {"steps": str(checkpoint.step), "settings": checkpoint.settings.to_json()}
    write_network(args.network, student, args.format, about | {"licence": "MIT"})


def evaluate(args: argparse.Namespace) -> None:
    """Benchmark a released file inside PatchCore."""
    from training.evaluate import evaluate as measured

    given = {"synthetic": args.synthetic, "mvtec": args.mvtec}
    sets = {name: root for name, root in given.items() if root is not None}
    measured(args.network, args.output, sets, args.others)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        "python -m training", description="Distil a network of your own for pyimgano."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = commands.add_parser(function.__name__, help=function.__doc__)
        made.set_defaults(function=function)
        return made

    first = command(prepare)
    first.add_argument("--store", type=Path, required=True, help="folder for the decoded pictures")
    first.add_argument("--textures", type=Path, help="folder of texture sheets")
    first.add_argument("--pictures", type=Path, help="folder of your own pictures")
    first.add_argument("--rendered", type=int, default=2000, help="how many are rendered")
    first.add_argument("--seed", type=int, default=0)
    going, cooling = command(run), command(cooldown)
    for made in (going, cooling):
        made.add_argument("--store", type=Path, required=True, help="what `prepare` wrote")
        made.add_argument("--run", type=Path, required=True, help="folder of checkpoint and log")
        made.add_argument("--teacher", type=Path, required=True, help="ResNet-18 weights file")
        made.add_argument("--workers", type=int, default=1, help="processes side by side")
        made.add_argument("--threads", type=int, default=1, help="threads of each worker")
        made.add_argument("--device", default="cpu", help="cpu, or cuda where there is a GPU")
    going.add_argument(
        "--steps", type=int, default=100_000, help="in all, earlier sittings included"
    )
    going.add_argument("--rate", type=float, help=f"length of a step (new runs: {Settings.rate})")
    going.add_argument("--source", type=Path, help="checkpoint of another run to go on from")
    going.add_argument("--network", type=Path, help="released network to begin a new run with")
    going.add_argument("--seed", type=int, default=0)
    cooling.add_argument("--source", type=Path, required=True, help="checkpoint to branch off")
    cooling.add_argument("--rate", type=float, help="length of the first step (as in --source)")
    cooling.add_argument("--steps", type=int, default=2000, help="length of the cool-down")
    writing = command(export)
    writing.add_argument("--source", type=Path, required=True, help="checkpoint")
    writing.add_argument("--network", type=Path, required=True, help="file to write")
    writing.add_argument("--format", choices=FORMATS, default="int8")
    judging = command(evaluate)
    judging.add_argument("--network", type=Path, required=True, help="what `export` wrote")
    judging.add_argument("--output", type=Path, required=True, help="folder for tables")
    judging.add_argument("--synthetic", type=Path, help="folder of the synthetic sets")
    judging.add_argument("--mvtec", type=Path, help="folder in the MVTec AD layout")
    judging.add_argument("--others", nargs="*", default=[], help="further backbones to compare")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 2 for input that cannot be used."""
    args = build_parser().parse_args(arguments)
    # Before torch starts its pool; more threads than cores to run them cost more than they give.
    os.environ.setdefault("OMP_NUM_THREADS", str(getattr(args, "threads", 1)))
    try:
        args.function(args)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Told to stop is an ordinary end: the workers are told, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
