"""Workers that train apart and average what they know at the end of each round."""

from __future__ import annotations

import torch
from torch import distributed


def joined() -> bool:
    """Whether this process is one of several workers."""
    return distributed.is_available() and distributed.is_initialized()


@torch.no_grad()
def average(tensors: list[torch.Tensor]) -> None:
    """Replace floating-point tensors by their mean over the workers, the same in each."""
    if not joined():
        return
    floats = [t for t in tensors if t.is_floating_point()]
    flat = torch.cat([t.flatten() for t in floats])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for tensor, part in zip(floats, torch.split(flat, [t.numel() for t in floats]), strict=True):
        tensor.copy_(part.view_as(tensor))


def join(worker: int, count: int, meeting: str) -> None:
    """Meet the other workers through a file that all of them can reach."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=worker, world_size=count
    )
