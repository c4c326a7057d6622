"""The error of a student: what counts, and how it is scaled."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from training.loss import KINDS, Scale, distillation_loss, relative_errors  # noqa: E402


@pytest.fixture
def target() -> torch.Tensor:
    """Loud and faint maps of one pattern, (6, 4, 12, 12)."""
    noise = torch.randn(6, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    return noise * torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.1])[:, None, None, None] + 2


def errors(output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    weights = Scale.of(target).weights(target)
    return dict(zip(KINDS, relative_errors(output, target, weights).tolist(), strict=True))


def test_the_target_itself_has_no_error(target: torch.Tensor) -> None:
    assert errors(target, target) == {"total": 0, "within": 0, "fine": 0}


def test_a_guess_of_the_mean_has_an_error_of_about_one(target: torch.Tensor) -> None:
    guess = target.mean(dim=(0, 2, 3), keepdim=True).expand_as(target)
    assert all(0.7 < value < 1 for value in errors(guess, target).values())


def test_an_offset_of_a_whole_image_counts_in_the_total_alone(target: torch.Tensor) -> None:
    found = errors(target + 0.5, target)
    assert found["total"] > 0.2
    assert found["within"] == pytest.approx(0, abs=1e-10)
    assert found["fine"] == pytest.approx(0, abs=1e-10)


def test_an_error_in_proportion_counts_more_in_a_faint_image(target: torch.Tensor) -> None:
    shift = torch.zeros_like(target)
    shift[0] = 0.1 * torch.randn(4, 12, 12, generator=torch.Generator().manual_seed(1))
    loud = errors(target + shift, target)["within"]
    faint = errors(target + shift.roll(-1, 0), target)["within"]
    assert faint > 5 * loud


def test_the_hint_counts_as_much_as_it_is_told(target: torch.Tensor) -> None:
    weights = [Scale.of(target).weights(target)] * 3
    targets = [target] * 3
    outputs = [target + 1, target, target]
    whole = distillation_loss(outputs, targets, weights, hint=1.0)
    assert float(distillation_loss(outputs, targets, weights, hint=0.5)) == pytest.approx(
        float(whole) / 2
    )
    assert float(distillation_loss(outputs, targets, weights, hint=0.0)) == 0
