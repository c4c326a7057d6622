"""Rules of operators that make, cut, join and rearrange tensors."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.calls import Call, Value, operator


@operator("Shape", i="start end")
def _shape(call: Call) -> Value:
    shape = call.need(0).shape
    start = call.number("start", 0, low=-64, high=64)
    end = call.number("end", len(shape), low=-64, high=2**31)
    if not shape[start:end]:
        call.refuse("gives nothing")
    return Value(np.array(shape[start:end], np.int64), True)


@operator("Size")
def _size(call: Call) -> Value:
    return Value(np.array(call.need(0).array.size, np.int64), True)


@operator(
    "Constant",
    inputs=(0, 0),
    t="value",
    i="value_int",
    f="value_float",
    ints="value_ints",
    floats="value_floats",
)
def _constant(call: Call) -> Value:
    if len(call.node.attributes) != 1:
        call.refuse("has no value, or several")
    ((name, attribute),) = call.node.attributes.items()
    dtype: Any = np.float32 if "float" in name else np.int64
    value = attribute.value
    return Value(value if isinstance(value, np.ndarray) else np.array(value, dtype), True)


@operator("ConstantOfShape", t="value")
def _constant_of_shape(call: Call) -> Value:
    attribute = call.node.attributes.get("value")
    value: NDArray[Any] = np.zeros(1, np.float32) if attribute is None else attribute.value
    if value.size != 1:
        call.refuse("has several values")
    shape = call.numbers(0) or []
    return call.follow(shape, lambda: np.full(shape, value.reshape(())), value.dtype)


@operator("Range", inputs=(3, 3))
def _range(call: Call) -> Value:
    start, stop, step = (call.need(i) for i in range(3))
    if not call.all_known() or any(v.array.size != 1 for v in (start, stop, step)):
        call.refuse("has an input that depends on the pixels of the image")
    first, last, by = (v.array.reshape(()).item() for v in (start, stop, step))
    if not all(map(math.isfinite, (first, last, by))) or by == 0:
        call.refuse(f"goes from {first} to {last} by {by}")
    count = (last - first) / by
    if not 0 < count < 2**31:
        call.refuse(f"goes from {first} to {last} by {by}")
    length = math.ceil(count)
    return call.follow([length], lambda: first + by * np.arange(length), start.array.dtype)


@operator("Reshape", inputs=(2, 2), i="allowzero")
def _reshape(call: Call) -> Value:
    x = call.need(0)
    shape = call.numbers(1) or []
    if not call.flag("allowzero"):
        if any(side == 0 and i >= len(x.shape) for i, side in enumerate(shape)):
            call.misfit(f"cannot make {shape} of {x.shape}")
        shape = [x.shape[i] if side == 0 else side for i, side in enumerate(shape)]
    if shape.count(-1) > 1 or any(side < -1 for side in shape):
        call.refuse(f"makes the shape {shape}")
    rest = math.prod(side for side in shape if side != -1)
    if -1 in shape and rest and x.array.size % rest == 0:
        shape = [x.array.size // rest if side == -1 else side for side in shape]
    if math.prod(shape) != x.array.size:
        call.misfit(f"cannot make {shape} of {x.shape}")
    return call.follow(shape, lambda: x.array.reshape(shape))


@operator("Flatten", i="axis")
def _flatten(call: Call) -> Value:
    x = call.need(0)
    rank = len(x.shape)
    axis = call.number("axis", 1, low=-rank, high=rank)
    axis += rank * (axis < 0)
    return call.of_shape([math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


@operator("Transpose", ints="perm")
def _transpose(call: Call) -> Value:
    x = call.need(0)
    rank = len(x.shape)
    attribute = call.node.attributes.get("perm")
    order = list(range(rank))[::-1] if attribute is None else list(attribute.value)
    if sorted(order) != list(range(len(order))):
        call.refuse(f"has perm={order}")
    if len(order) != rank:
        call.misfit(f"has perm={order} for {rank} dimensions")
    return call.follow([x.shape[i] for i in order], lambda: x.array.transpose(order))


@operator("Squeeze", inputs=(1, 2), ints="axes")
def _squeeze(call: Call) -> Value:
    x = call.need(0)
    listed = call.numbers(1, "axes")
    if listed is None:
        listed = [i for i, side in enumerate(x.shape) if side == 1]
    axes = call.axes(listed, len(x.shape))
    if any(x.shape[axis] != 1 for axis in axes):
        call.misfit(f"cannot take axes {axes} out of {x.shape}")
    shape = [side for i, side in enumerate(x.shape) if i not in axes]
    return call.follow(shape, lambda: x.array)


@operator("Unsqueeze", inputs=(1, 2), ints="axes")
def _unsqueeze(call: Call) -> Value:
    x = call.need(0)
    listed = call.numbers(1, "axes") or []
    rank = len(x.shape) + len(listed)
    axes = call.axes(listed, rank)
    rest = iter(x.shape)
    return call.follow([1 if i in axes else next(rest) for i in range(rank)], lambda: x.array)


@operator("Concat", inputs=(1, 1024), i="axis")
def _concat(call: Call) -> Value:
    values = [call.need(i) for i in range(len(call.inputs))]
    first = values[0]
    axis = call.axis(len(first.shape))
    for value in values:
        same = len(value.shape) == len(first.shape) and all(
            a == b
            for i, (a, b) in enumerate(zip(value.shape, first.shape, strict=True))
            if i != axis
        )
        if not same or value.array.dtype != first.array.dtype:
            call.misfit(f"cannot join tensors of the shapes {first.shape} and {value.shape}")
    shape = list(first.shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    return call.follow(shape, lambda: np.concatenate([v.array for v in values], axis))


@operator("Split", inputs=(1, 2), outputs=(1, 1024), i="axis num_outputs", ints="split")
def _split(call: Call) -> list[Value]:
    x = call.need(0)
    axis, count = call.axis(len(x.shape)), len(call.node.outputs)
    side = x.shape[axis]
    if call.number("num_outputs", count, low=1, high=1024) != count:
        call.refuse(f"has num_outputs that are not its {count} outputs")
    parts = call.numbers(1, "split")
    if parts is None:
        size = -(-side // count)
        parts = [min(size, side - i * size) for i in range(count)]
    if len(parts) != count or min(parts) < 1 or sum(parts) != side:
        call.misfit(f"cannot cut {side} into {parts}")
    found, at = [], 0
    for part in parts:
        where = (slice(None),) * axis + (slice(at, at + part),)
        view = x.array[where]
        found.append(call.follow(view.shape, partial(np.asarray, view)))
        at += part
    return found


@operator("Slice", inputs=(1, 5), ints="starts ends axes")
def _slice(call: Call) -> Value:
    x = call.need(0)
    starts, ends = call.numbers(1, "starts"), call.numbers(2, "ends")
    if starts is None or ends is None or len(starts) != len(ends):
        call.refuse("does not say from where to where")
    listed = call.numbers(3, "axes")
    axes = call.axes(range(len(starts)) if listed is None else listed, len(x.shape))
    steps = call.numbers(4) or [1] * len(starts)
    if not len(axes) == len(steps) == len(starts) or 0 in steps:
        call.refuse(f"has steps {steps} for axes {axes}")
    where = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        side = x.shape[axis]
        if step < 0 and end < -side:
            where[axis] = slice(start, None, step)
        else:
            where[axis] = slice(start, end, step)
    view = x.array[tuple(where)]
    return call.follow(view.shape, lambda: view)


@operator("Gather", inputs=(2, 2), i="axis")
def _gather(call: Call) -> Value:
    x, index = call.need(0), call.need(1)
    axis = call.axis(len(x.shape))
    if not index.known or index.array.dtype not in (np.int32, np.int64):
        call.refuse("takes entries whose numbers depend on the pixels of the image")
    side = x.shape[axis]
    if index.array.size and not -side <= index.array.min() <= index.array.max() < side:
        call.misfit(f"takes entries that {side} have not")
    shape = [*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]]
    return call.follow(shape, lambda: np.take(x.array, index.array, axis))


@operator("ScatterND", inputs=(3, 3), s="reduction")
def _scatter(call: Call) -> Value:
    x, index, updates = (call.need(i) for i in range(3))
    call.choice("reduction", "none", "add", "mul", "min", "max")
    if not index.known or index.array.dtype != np.int64 or not index.shape:
        call.refuse("writes to places that depend on the pixels of the image")
    depth = index.shape[-1]
    if not 1 <= depth <= len(x.shape) or updates.array.dtype != x.array.dtype:
        call.misfit(f"has places {index.shape} in {x.shape}")
    if updates.shape != (*index.shape[:-1], *x.shape[depth:]):
        call.misfit(f"has {updates.shape} for places {index.shape} in {x.shape}")
    sides = np.array(x.shape[:depth])
    if np.any(index.array < 0) or np.any(index.array >= sides):
        call.misfit(f"writes to places that {x.shape} has not")
    return call.of_shape(x.shape)


@operator("Expand", inputs=(2, 2))
def _expand(call: Call) -> Value:
    x = call.need(0)
    wanted = call.numbers(1) or []
    if any(side < 1 for side in wanted) or len(wanted) > 12:
        call.misfit(f"makes the shape {wanted}")
    shape = call.broadcast(x.shape, tuple(wanted))
    return call.follow(shape, lambda: np.broadcast_to(x.array, shape))


@operator("Tile", inputs=(2, 2))
def _tile(call: Call) -> Value:
    x = call.need(0)
    times = call.numbers(1) or []
    if len(times) != len(x.shape) or any(n < 1 for n in times):
        call.misfit(f"repeats {x.shape} {times} times")
    shape = [side * n for side, n in zip(x.shape, times, strict=True)]
    return call.follow(shape, lambda: np.tile(x.array, times))


@operator("Pad", inputs=(1, 4), s="mode", ints="pads", f="value")
def _pad(call: Call) -> Value:
    x = call.need(0)
    rank = len(x.shape)
    mode = call.choice("mode", "constant", "reflect", "edge")
    pads = call.numbers(1, "pads") or []
    listed = call.numbers(3)
    axes = call.axes(range(rank) if listed is None else listed, rank)
    if len(pads) != 2 * len(axes) or any(not 0 <= pad <= 1 << 16 for pad in pads):
        call.refuse(f"has pads {pads}")
    sides = list(x.shape)
    for i, axis in enumerate(axes):
        before, after = pads[i], pads[i + len(axes)]
        if mode == "reflect" and max(before, after) >= x.shape[axis]:
            call.misfit(f"has pads {pads} for {x.shape}")
        sides[axis] += before + after
    return call.of_shape(sides)


_MODES = ("nearest", "linear", "cubic")
_COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


@operator(
    "Resize",
    inputs=(2, 4),
    s="mode nearest_mode coordinate_transformation_mode keep_aspect_ratio_policy",
    i="exclude_outside antialias",
    f="cubic_coeff_a extrapolation_value",
    ints="axes",
)
def _resize(call: Call) -> Value:
    x = call.need(0)
    call.choice("mode", *_MODES)
    call.choice("coordinate_transformation_mode", *_COORDINATES)
    call.choice("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    call.choice("keep_aspect_ratio_policy", "stretch")
    call.flag("antialias")
    call.flag("exclude_outside")
    if "axes" in call.node.attributes:
        call.refuse("has axes")
    if call.opset < 11:
        return call.of_shape(_scaled(call, x.shape, call.given(1)))
    roi, scales, sizes = (call.given(i) for i in (1, 2, 3))
    if roi is not None and not roi.constant:
        call.refuse("has a region that depends on the pixels of the image")
    if sizes is not None and sizes.array.size:
        if scales is not None and scales.array.size:
            call.refuse("has sizes and scales")
        return call.of_shape(_sizes(call, x.shape, call.numbers(3) or []))
    return call.of_shape(_scaled(call, x.shape, scales))


@operator("Upsample", inputs=(1, 2), s="mode", floats="scales")
def _upsample(call: Call) -> Value:
    x = call.need(0)
    call.choice("mode", *_MODES)
    attribute = call.node.attributes.get("scales")
    scales = call.given(1)
    if attribute is not None:
        if scales is not None:
            call.refuse("has scales twice")
        scales = Value(np.array(attribute.value, np.float32), True)
    return call.of_shape(_scaled(call, x.shape, scales))


def _sizes(call: Call, shape: Sequence[int], sizes: list[int]) -> list[int]:
    if len(sizes) != len(shape) or any(not 1 <= side <= 1 << 24 for side in sizes):
        call.misfit(f"makes {sizes} of {list(shape)}")
    return sizes


def _scaled(call: Call, shape: Sequence[int], scales: Value | None) -> list[int]:
    if scales is None or not scales.known or scales.array.dtype.kind != "f":
        call.refuse("has no scales, or some that depend on the pixels of the image")
    factors = scales.array.reshape(-1).tolist()
    if len(factors) != len(shape) or not all(1e-4 <= factor <= 1e4 for factor in factors):
        call.refuse(f"has scales {factors}")
    # float32, as the engines do.
    return [
        int(np.floor(np.float32(s) * np.float32(f))) for s, f in zip(shape, factors, strict=True)
    ]


@operator("DepthToSpace", i="blocksize", s="mode")
@operator("SpaceToDepth", i="blocksize")
def _blocks(call: Call) -> Value:
    x = call.need(0)
    size = call.number("blocksize", 0, low=1, high=1 << 10)
    if len(x.shape) != 4:
        call.misfit(f"needs (n, channels, height, width), not {x.shape}")
    n, channels, height, width = x.shape
    if call.node.op == "DepthToSpace":
        call.choice("mode", "DCR", "CRD")
        if channels % size**2:
            call.misfit(f"cannot share {channels} channels among {size} x {size} pixels")
        return call.of_shape([n, channels // size**2, height * size, width * size])
    if height % size or width % size:
        call.misfit(f"cannot cut {height} x {width} into blocks of {size} x {size}")
    return call.of_shape([n, channels * size**2, height // size, width // size])
