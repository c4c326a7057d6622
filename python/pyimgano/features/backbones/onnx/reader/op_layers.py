"""Rules of layers: convolutions, pools, norms, products, reductions."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyimgano.features.backbones.onnx.reader.calls import Call, Value, operator

_WINDOW = "kernel_shape strides pads dilations"


def _maps(call: Call) -> Value:
    """An input (n, channels, sides ...)."""
    x = call.need(0)
    if not 3 <= len(x.shape) <= 5:
        call.misfit(f"needs (n, channels, height, width), not {x.shape}")
    if x.array.dtype.kind != "f":
        call.refuse(f"has an input of {x.array.dtype}")
    return x


def _out_sides(call: Call, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Where a window goes over the sides of its input."""
    rank = len(sides)
    strides = call.ints("strides", rank, 1)
    dilations = call.ints("dilations", rank, 1)
    pads = call.ints("pads", 2 * rank, 0, low=0)
    auto = call.choice("auto_pad", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if auto != "NOTSET" and any(pads):
        call.refuse(f"has auto_pad={auto!r} and pads")
    up = call.node.op.endswith("Pool") and call.flag("ceil_mode")
    found = []
    for i, side in enumerate(sides):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if auto.startswith("SAME"):
            found.append(-(-side // strides[i]))
            continue
        padded = side + pads[i] + pads[i + rank]
        if call.node.op.endswith("Pool") and max(pads[i], pads[i + rank]) >= reach:
            call.refuse(f"has pads {pads} for a window of {list(kernel)}")
        if padded < reach:
            call.misfit(f"has a window of {reach} for a side of {padded}: it is too small")
        steps = padded - reach
        out = (-(-steps // strides[i]) if up else steps // strides[i]) + 1
        if up and (out - 1) * strides[i] >= side + pads[i]:
            out -= 1  # a window must not begin in the padding
        found.append(out)
    return found


@operator("Conv", inputs=(2, 3), i="group", s="auto_pad", ints=_WINDOW)
def _conv(call: Call) -> Value:
    x, weights = _maps(call), call.constant(1)
    group = call.number("group", 1, low=1, high=1 << 20)
    channels = x.shape[1]
    if len(weights.shape) != len(x.shape):
        call.misfit(f"has weights of shape {weights.shape} for an input of {x.shape}")
    outputs, per_group, *kernel = weights.shape
    if per_group * group != channels or outputs % group:
        call.misfit(f"has weights of shape {weights.shape} in {group} groups for {channels} inputs")
    _check_kernel(call, kernel)
    _check_vector(call, 2, outputs)
    shape = [x.shape[0], outputs, *_out_sides(call, x.shape[2:], kernel)]
    call.work = math.prod(shape) * per_group * math.prod(kernel)
    return call.of_shape(shape)


@operator(
    "ConvTranspose",
    inputs=(2, 3),
    i="group",
    s="auto_pad",
    ints=f"{_WINDOW} output_padding output_shape",
)
def _conv_transpose(call: Call) -> Value:
    x, weights = _maps(call), call.constant(1)
    rank = len(x.shape) - 2
    group = call.number("group", 1, low=1, high=1 << 20)
    if "output_shape" in call.node.attributes or call.choice("auto_pad", "NOTSET") != "NOTSET":
        call.refuse("computes its padding from its output")
    if len(weights.shape) != len(x.shape) or weights.shape[0] != x.shape[1]:
        call.misfit(f"has weights of shape {weights.shape} for an input of {x.shape}")
    if x.shape[1] % group:
        call.refuse(f"has {group} groups for {x.shape[1]} channels")
    _, per_group, *kernel = weights.shape
    _check_kernel(call, kernel)
    _check_vector(call, 2, per_group * group)
    strides, dilations = call.ints("strides", rank, 1), call.ints("dilations", rank, 1)
    pads = call.ints("pads", 2 * rank, 0, low=0)
    extra = call.ints("output_padding", rank, 0, low=0)
    sides = []
    for i, side in enumerate(x.shape[2:]):
        if extra[i] >= max(strides[i], dilations[i]):
            call.refuse(f"has output_padding={extra}, not below its stride")
        reach = (kernel[i] - 1) * dilations[i] + 1
        sides.append((side - 1) * strides[i] + reach + extra[i] - pads[i] - pads[i + rank])
    if min(sides) < 1:
        call.misfit(f"gives sides of {sides}")
    call.work = math.prod(x.shape) * per_group * math.prod(kernel)
    return call.of_shape([x.shape[0], per_group * group, *sides])


def _check_kernel(call: Call, kernel: Sequence[int]) -> None:
    if min(kernel) < 1:
        call.refuse(f"has a kernel of {list(kernel)}")
    if call.ints("kernel_shape", len(kernel), 1) != list(kernel) and (
        "kernel_shape" in call.node.attributes
    ):
        call.refuse(f"has a kernel_shape that is not {list(kernel)}, the shape of its weights")


def _check_vector(call: Call, index: int, length: int) -> None:
    """A bias or the like, which may be left out."""
    value = call.given(index)
    if value is not None and call.constant(index).shape != (length,):
        call.refuse(f"has an input ({index}) of shape {value.shape}, not ({length},)")


@operator("MaxPool", i="ceil_mode storage_order", s="auto_pad", ints=_WINDOW)
@operator("AveragePool", i="ceil_mode count_include_pad", s="auto_pad", ints=_WINDOW)
def _pool(call: Call) -> Value:
    x = _maps(call)
    rank = len(x.shape) - 2
    if "kernel_shape" not in call.node.attributes:
        call.refuse("lacks kernel_shape")
    kernel = call.ints("kernel_shape", rank, 1)
    call.flag("storage_order")
    call.flag("count_include_pad")
    shape = [*x.shape[:2], *_out_sides(call, x.shape[2:], kernel)]
    call.work = math.prod(shape) * math.prod(kernel)
    return call.of_shape(shape)


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(call: Call) -> Value:
    x = _maps(call)
    return call.of_shape([*x.shape[:2], *(1 for _ in x.shape[2:])])


@operator("BatchNormalization", inputs=(5, 5), f="epsilon momentum", i="training_mode spatial")
@operator("InstanceNormalization", inputs=(3, 3), f="epsilon")
@operator("GroupNormalization", inputs=(3, 3), f="epsilon", i="num_groups stash_type")
@operator("LRN", f="alpha beta bias", i="size")
def _norm(call: Call) -> Value:
    x = call.need(0)
    if call.node.op != "BatchNormalization" or len(x.shape) > 2:
        _maps(call)
    elif len(x.shape) < 2:
        call.misfit(f"needs channels, not {x.shape}")
    channels = x.shape[1]
    if call.flag("training_mode") or not call.flag("spatial", True):
        call.refuse("is set for training")
    if call.node.op == "LRN" and call.number("size", 0, low=1, high=1 << 10) % 2 == 0:
        call.refuse("has an even size")
    if call.node.op == "GroupNormalization":
        groups = call.number("num_groups", 0, low=1, high=1 << 20)
        if channels % groups:
            call.refuse(f"has {groups} groups for {channels} channels")
        channels = channels if call.opset >= 21 else groups
    for index in range(1, len(call.inputs)):
        _check_vector(call, index, channels)
    return call.of_shape(x.shape)


@operator("LayerNormalization", inputs=(2, 3), f="epsilon", i="axis stash_type")
@operator("RMSNormalization", inputs=(2, 2), f="epsilon", i="axis stash_type")
def _layer_norm(call: Call) -> Value:
    x = call.need(0)
    axis = call.axis(len(x.shape), -1)
    for index in range(1, len(call.inputs)):
        if call.given(index) is not None and call.constant(index).shape != x.shape[axis:]:
            call.misfit(f"has an input ({index}) that does not go with {x.shape}")
    return call.of_shape(x.shape)


@operator("Softmax", "LogSoftmax", i="axis")
def _softmax(call: Call) -> Value:
    x = call.need(0)
    call.axis(len(x.shape), -1 if call.opset >= 13 else 1)
    return call.of_shape(x.shape)


@operator("MatMul", inputs=(2, 2))
def _matmul(call: Call) -> Value:
    a, b = call.need(0), call.need(1)
    if a.array.dtype != b.array.dtype or a.array.dtype.kind != "f":
        call.refuse(f"multiplies {a.array.dtype} by {b.array.dtype}")
    left = a.shape if len(a.shape) > 1 else (1, *a.shape)
    right = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    if not a.shape or not b.shape or left[-1] != right[-2]:
        call.misfit(f"cannot multiply tensors of the shapes {a.shape} and {b.shape}")
    full = [*call.broadcast(left[:-2], right[:-2]), left[-2], right[-1]]
    call.work = math.prod(full) * left[-1]
    shape = full[:-2] + full[-2:-1] * (len(a.shape) > 1) + full[-1:] * (len(b.shape) > 1)
    return call.of_shape(shape)


@operator("Gemm", inputs=(2, 3), f="alpha beta", i="transA transB")
def _gemm(call: Call) -> Value:
    a, b = call.need(0), call.need(1)
    if len(a.shape) != 2 or len(b.shape) != 2:
        call.misfit(f"cannot multiply tensors of the shapes {a.shape} and {b.shape}")
    left = a.shape[::-1] if call.flag("transA") else a.shape
    right = b.shape[::-1] if call.flag("transB") else b.shape
    if left[1] != right[0] or a.array.dtype != b.array.dtype or a.array.dtype.kind != "f":
        call.misfit(f"cannot multiply tensors of the shapes {left} and {right}")
    shape = (left[0], right[1])
    bias = call.given(2)
    if bias is not None and call.broadcast(shape, bias.shape) != shape:
        call.misfit(f"cannot add a tensor of shape {bias.shape}")
    call.work = math.prod(shape) * left[1]
    return call.of_shape(shape)


@operator("Einsum", inputs=(2, 2), s="equation")
def _einsum(call: Call) -> Value:
    a, b = call.need(0), call.need(1)
    attribute = call.node.attributes.get("equation")
    equation = "" if attribute is None else attribute.value.replace(" ", "")
    parts = re.fullmatch(r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)", equation)
    if parts is None or any(len(set(part)) < len(part) for part in parts.groups()):
        call.refuse(f"has the equation {equation!r}, not one of two tensors such as 'abc,acd->abd'")
    if a.array.dtype != b.array.dtype or a.array.dtype.kind != "f":
        call.refuse(f"multiplies {a.array.dtype} by {b.array.dtype}")
    sides: dict[str, int] = {}
    for letters, value in zip(parts.groups()[:2], (a, b), strict=True):
        if len(letters) != len(value.shape) or any(
            sides.setdefault(letter, side) != side
            for letter, side in zip(letters, value.shape, strict=True)
        ):
            call.misfit(f"cannot apply {equation!r} to {a.shape} and {b.shape}")
    if not set(parts[3]) <= sides.keys():
        call.refuse(f"has the equation {equation!r}")
    call.work = math.prod(sides.values())
    return call.of_shape([sides[letter] for letter in parts[3]])


_REDUCE: dict[str, Callable[..., Any]] = {
    "ReduceSum": np.sum,
    "ReduceProd": np.prod,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
}


@operator(
    *(*_REDUCE, "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
    inputs=(1, 2),
    i="keepdims noop_with_empty_axes",
    ints="axes",
)
def _reduce(call: Call) -> Value:
    x = call.need(0)
    listed = call.numbers(1, "axes")
    if not listed:
        if call.flag("noop_with_empty_axes"):
            return call.of_shape(x.shape)
        listed = list(range(len(x.shape)))
    axes, keep = call.axes(listed, len(x.shape)), call.flag("keepdims", True)
    shape = [1 if i in axes else side for i, side in enumerate(x.shape) if keep or i not in axes]
    function = _REDUCE.get(call.node.op)
    if function is None:
        return call.of_shape(shape)
    return call.follow(shape, lambda: function(x.array, axis=tuple(axes), keepdims=keep))


@operator("ArgMax", "ArgMin", i="axis keepdims select_last_index")
def _arg(call: Call) -> Value:
    x = call.need(0)
    axis, keep = call.axis(len(x.shape)), call.flag("keepdims", True)
    call.flag("select_last_index")
    shape = [1 if i == axis else side for i, side in enumerate(x.shape) if keep or i != axis]
    return call.of_shape(shape, np.int64)
