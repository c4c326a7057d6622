"""A run that begins with a released network: the same maps, and it learns on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from training.__main__ import main  # noqa: E402
from training.network import folded, read_network, write_network  # noqa: E402
from training.pictures.store import Store  # noqa: E402
from training.student import Student, new_student  # noqa: E402
from training.teacher import normalise  # noqa: E402
from training.warm_start import begin_with, unfolded  # noqa: E402


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A released file: random weights, and batch norms that have seen something."""
    student = new_student(3)
    student.train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            student(torch.randn(4, 3, 64, 64, generator=generator))
    path = tmp_path / "network.safetensors"
    write_network(path, student, "float16", {})
    return path


def pixels(store: Store) -> torch.Tensor:
    views = [torch.from_numpy(store.levels(i)[0][:64, :64].copy()) for i in range(8)]
    return torch.stack(views)


def test_a_student_with_batch_norms_gives_the_maps_of_the_folded_one(
    network: Path, store: Store
) -> None:
    plain, _ = read_network(network)
    images = pixels(store)
    student = unfolded(plain, images, seed=0)
    with torch.no_grad():
        wanted = plain(normalise(images))
        for same in (student.train(), folded(student)):
            for own, old in zip(same(normalise(images)), wanted, strict=True):
                assert float((own - old).abs().max() / old.abs().max()) < 1e-4


def test_rows_have_the_length_of_a_new_student(network: Path, store: Store) -> None:
    plain, _ = read_network(network)
    weight = unfolded(plain, pixels(store), seed=5).layer3[1].conv1.weight
    fresh = new_student(5).layer3[1].conv1.weight
    assert float(weight.norm()) == pytest.approx(float(fresh.norm()), rel=1e-5)
    rows = weight.flatten(1).norm(dim=1)
    assert float(rows.max() / rows.min()) == pytest.approx(1, rel=1e-5)


def test_the_checkpoint_is_step_0_without_a_hint(network: Path, store: Store) -> None:
    checkpoint = begin_with(network, store, seed=1, rate=0.01)
    assert (checkpoint.step, checkpoint.settings.hint, checkpoint.settings.rate) == (0, 0.0, 0.01)
    student = Student()
    student.load_state_dict(checkpoint.part("student"))
    assert set(checkpoint.part("average")) == set(student.state_dict())


def test_a_run_has_one_beginning(
    network: Path, store: Store, teacher_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--store", str(store.folder), "--teacher", str(teacher_file), "--run"]
    words += [str(network.parent / "run"), "--network", str(network)]
    assert main([*words, "--source", str(network)]) == 2
    assert "give --source or --network, not both" in capsys.readouterr().err
