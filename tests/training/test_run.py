"""Training goes on where it stopped, says how far it is, and settles in a cool-down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from training.checkpoint import read_checkpoint  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.launch import launch  # noqa: E402
from training.run import LATEST, LOG, Plan  # noqa: E402
from training.settings import Settings  # noqa: E402


@pytest.fixture(autouse=True)
def few_pictures_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COUNT": 4, "SIZE": 48, "SETTLE_COUNT": 8, "SETTLE_SIZE": 32}.items():
        monkeypatch.setattr(f"training.held_out.{name}", value)


def trained(settings: Settings, plan: Plan, *stops: int) -> dict[str, torch.Tensor]:
    """Everything a run knows after stopping and going on at some steps."""
    plan.folder.mkdir(exist_ok=True)
    for until in stops:
        launch(settings, replace(plan, until=until))
    return read_checkpoint(plan.folder / LATEST).tensors


def test_a_resumed_run_ends_with_the_same_weights(settings: Settings, plan: Plan) -> None:
    through = trained(settings, replace(plan, folder=plan.folder / "a"), 8)
    resumed = trained(settings, replace(plan, folder=plan.folder / "b"), 4, 6, 8)
    assert all(torch.equal(through[name], resumed[name]) for name in through)


def test_another_seed_gives_other_weights(settings: Settings, plan: Plan) -> None:
    one = trained(settings, replace(plan, folder=plan.folder / "a"), 2)
    two = trained(replace(settings, seed=1), replace(plan, folder=plan.folder / "b"), 2)
    assert not torch.equal(one["student.stem.0.weight"], two["student.stem.0.weight"])


def test_the_held_out_error_falls_and_is_logged(settings: Settings, plan: Plan) -> None:
    trained(replace(settings, rate=0.05), plan, 40)
    lines = [json.loads(line) for line in (plan.folder / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(2, 41, 2))
    assert lines[-1]["within"] < lines[0]["within"]
    mean = (lines[-1]["layer2.within"] + lines[-1]["layer3.within"]) / 2
    assert lines[-1]["within"] == pytest.approx(mean, abs=1e-5)


@pytest.mark.slow
def test_two_workers_end_with_one_set_of_weights_twice_over(settings: Settings, plan: Plan) -> None:
    both = replace(settings, workers=2)
    one = trained(both, replace(plan, folder=plan.folder / "a"), 4)
    two = trained(both, replace(plan, folder=plan.folder / "b"), 2, 4)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_rate_rises_stays_and_falls_to_nothing_in_a_cool_down() -> None:
    settings = Settings(rate=1.0, warmup_steps=4)
    assert [settings.rate_at(step) for step in (0, 1, 3, 4, 9999)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    cooled = settings.cooled(100, 4)
    assert [cooled.rate_at(step) for step in (100, 101, 102, 103)] == [0.75, 0.5, 0.25, 0.0]
    assert cooled.average == 0.5
    assert cooled.steady() == settings


def test_a_file_that_is_no_checkpoint_is_named(settings: Settings, plan: Plan) -> None:
    (plan.folder / LATEST).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"latest\.safetensors: not a checkpoint"):
        launch(settings, plan)


def test_weights_of_another_network_are_refused(
    settings: Settings, plan: Plan, tmp_path: Path
) -> None:
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, other)
    with pytest.raises(TrainingError, match=r"other\.pth: lacks .* of ResNet-18"):
        launch(settings, replace(plan, teacher=other))
