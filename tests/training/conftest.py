"""A teacher that was never trained, a store of small pictures, and settings for a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.conftest import texture

if TYPE_CHECKING:
    from training.pictures.store import Store
    from training.run import Plan
    from training.settings import Settings


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a ResNet-18, cut after layer3."""
    torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network = resnet18(weights=None)
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 64))  # statistics that keep the maps in bounds
    state = network.state_dict()
    path = tmp_path_factory.mktemp("teacher") / "teacher.pth"
    torch.save({n: t for n, t in state.items() if not n.startswith(("layer4", "fc"))}, path)
    return path


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Twenty-four textures of 100 x 120 pixels, of two kinds."""
    from training.pictures.picture import Picture
    from training.pictures.store import write_store

    kinds = ("texture", "own")
    pictures = [
        Picture(f"p{i}", kinds[i % 2], np.asarray(texture(i, (100, 120))), "made here")
        for i in range(24)
    ]
    return write_store(tmp_path_factory.mktemp("store"), pictures)


@pytest.fixture
def settings() -> Settings:
    """Rounds of two steps with four pictures of 32 or 48 pixels."""
    from training.settings import Settings

    return Settings(
        sizes=(32, 48), batch_pixels=4 * 32 * 32, round_steps=2, window=2, warmup_steps=2
    )


@pytest.fixture
def plan(tmp_path: Path, store: Store, teacher_file: Path) -> Plan:
    """Eight steps into an empty folder."""
    from training.run import Plan

    return Plan(tmp_path, store.folder, teacher_file, until=8, evaluate_rounds=1)
