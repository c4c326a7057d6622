"""The student as it is released: batch norm folded, weights rounded, one file with metadata."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.errors import TrainingError
from training.student import Block, Student
from training.teacher import MEAN, STD

FORMATS = ("int8", "float16")
LAYERS = ("layer2", "layer3")


def folded(student: Student) -> Student:
    """A copy in which each convolution has a bias and no batch norm follows."""
    plain = copy.deepcopy(student).cpu().float().eval()
    for chain in (plain.stem, *(m.shortcut for m in plain.modules() if isinstance(m, Block))):
        if isinstance(chain, nn.Sequential):
            for position, layer in enumerate(chain):
                before = chain[position - 1]
                if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                    chain[position - 1] = fuse_conv_bn_eval(before, layer)
                    chain[position] = nn.Identity()
    for block in plain.modules():
        if isinstance(block, Block):
            for conv, norm in (("conv1", "norm1"), ("conv2", "norm2")):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return plain


def write_network(path: Path, student: Student, form: str, about: dict[str, str]) -> None:
    """Save a student's folded weights: ``int8`` with a step per output channel, or ``float16``."""
    tensors = {}
    for name, value in folded(student).state_dict().items():
        if value.ndim != 4:
            tensors[name] = value
        elif form == "int8":
            step = value.abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / 127
            tensors[name] = (value / step[:, None, None, None]).round().to(torch.int8)
            tensors[name.removesuffix("weight") + "step"] = step
        else:
            tensors[name] = value.half()
    facts = {"format": form, "layers": json.dumps(LAYERS), "normalization": json.dumps([MEAN, STD])}
    save_file({n: t.contiguous() for n, t in tensors.items()}, path, facts | about)


def read_network(path: Path) -> tuple[Student, dict[str, str]]:
    """A folded student with the weights of a file, in float32, and the file's metadata."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path}: not a network of this package: {error}") from None
    state = {}
    for name, value in tensors.items():
        if name.endswith(".step"):
            continue
        state[name] = value.float()
        step = tensors.get(name.removesuffix("weight") + "step")
        if value.dtype == torch.int8 and step is not None:
            state[name] = state[name] * step[:, None, None, None]
    student = folded(Student())
    try:
        student.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(f"{path}: not a network of this package: {error}") from None
    return student, about


class _Outputs(nn.Module):
    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, two, three = self.student(image)
        return two, three


def to_onnx(student: Student, path: Path) -> None:
    """Write a folded student as an ONNX file with the outputs layer2 and layer3, of any size."""
    axes = {"image": {0: "n", 2: "height", 3: "width"}}
    axes |= {name: {0: "n", 2: f"height_{name}", 3: f"width_{name}"} for name in LAYERS}
    torch.onnx.export(
        _Outputs(student).eval(),
        (torch.zeros(1, 3, 256, 256),),
        str(path),
        input_names=["image"],
        output_names=list(LAYERS),
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
