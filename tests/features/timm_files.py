"""Networks of timm with seeded weights, and files of them as timm and as the authors write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra timm")
timm = pytest.importorskip("timm", reason="needs the extra timm")

from pyimgano.features.backbones.timm_body import Unfilled  # noqa: E402

State = dict[str, Any]
DINOV2, DINOV2_REG = "vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"
DINOV3 = "vit_small_patch16_dinov3"
#: Four rows and six columns of patches of 14 or of 16 pixels.
GRID = (4, 6)


def batch_for(patch: int, n: int = 2, grid: tuple[int, int] = GRID) -> np.ndarray:
    size = (n, 3, grid[0] * patch, grid[1] * patch)
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


def network_of(title: str, seed: int = 0) -> Any:
    """A network whose parameters all matter: fresh ones scale their blocks by 1e-5."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with Unfilled():
            network = timm.create_model(title, num_classes=0, dynamic_img_size=True).eval()
        with torch.no_grad():
            for name, tensor in network.named_parameters():
                is_scale = name.endswith((".gamma", "gamma_1", "gamma_2")) or "norm" in name
                tensor.copy_(torch.randn(tensor.shape) * 0.05 + float(is_scale))
    return network


def dinov2_hub(state: State) -> State:
    """As the authors store it: one table for the class token and the patches, no reg_token."""
    found = {**state, "mask_token": torch.zeros(1, state["cls_token"].shape[2])}
    if "reg_token" in state:
        found["register_tokens"] = found.pop("reg_token")
        for_class = torch.randn(
            state["cls_token"].shape, generator=torch.Generator().manual_seed(1)
        )
        found["pos_embed"] = torch.cat([for_class, state["pos_embed"]], dim=1)
        found["cls_token"] = state["cls_token"] - for_class
    return found


def dinov3_hub(state: State, depth: int = 12) -> State:
    """As the authors store it: biases that are masked or zero, other names, and periods."""
    found = {}
    for key, tensor in state.items():
        key = key.replace("reg_token", "storage_tokens")
        key = key.replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma")
        found[key] = tensor
    width = state["cls_token"].shape[2]
    for i in range(depth):
        query = found.pop(f"blocks.{i}.attn.q_bias", torch.zeros(width))
        value = found.pop(f"blocks.{i}.attn.v_bias", torch.zeros(width))
        found[f"blocks.{i}.attn.qkv.bias"] = torch.cat([query, torch.ones(width), value])
        found[f"blocks.{i}.attn.qkv.bias_mask"] = torch.full((3 * width,), torch.nan)
    found["mask_token"] = torch.zeros(1, width)
    head = 64
    found["rope_embed.periods"] = 100.0 ** (torch.arange(head // 4) * 2 / (head // 2))
    return found


def saved(state: State, file: Path) -> Path:
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({key: tensor.contiguous() for key, tensor in state.items()}, file)
    else:
        torch.save(state, file)
    return file
