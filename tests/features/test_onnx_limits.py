"""ONNX models that would crash an engine, run for ever or take all memory are refused before."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from pyimgano.errors import BackboneError, InvalidInputError, WeightsError
from pyimgano.features.backbones.onnx.file import load_onnx
from pyimgano.features.backbones.onnx.reader.check import walk
from tests.features.onnx_support import (
    FOR_ANY_MODEL,
    PLAIN,
    field,
    graph,
    model,
    node,
    onnx_patches,
    tensor,
    value,
)

WEIGHT = tensor("w", np.ones((8, 3, 4, 4), np.float32))
HUGE = 2**62


def net(
    nodes: Sequence[bytes], *tensors: bytes, shape: Sequence[int | None] = (None, 3) + (None,) * 2
) -> bytes:
    ends = [value("x", shape)], [value("y", (None,) * 4)]
    return model(graph([*nodes, *tensors], *ends))


def whole(name: str, *numbers: int) -> bytes:
    return tensor(name, np.array(numbers, np.int64))


def real(name: str, *numbers: float) -> bytes:
    return tensor(name, np.array(numbers, np.float32))


def conv(**attributes: object) -> bytes:
    return net([node("Conv", ["x", "w"], ["y"], **attributes)], WEIGHT)


def pool(op: str, **attributes: object) -> bytes:
    return net([node(op, ["x"], ["y"], **attributes)])


def folded(*nodes: bytes, tensors: Sequence[bytes]) -> bytes:
    """Constants that an engine would compute while it reads the model."""
    end = [node("ReduceSum", ["c"], ["r"]), node("Add", ["x", "r"], ["y"])]
    return net([*nodes, *end], *tensors)


def short_raw() -> bytes:
    dims = b"".join(field(1, side) for side in (8, 3, 4, 4))
    return field(5, dims + field(2, 1) + field(8, b"w") + field(9, b"\0" * 16))


def doubling(count: int) -> bytes:
    chain = [node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(count)]
    return folded(*chain, node("Identity", [f"c{count}"], ["c"]), tensors=[real("c0", 1)])


def outer() -> bytes:
    """A column times a row of itself, again and again."""
    chain = [
        *(node("Reshape", [f"c{i}", "column"], [f"a{i}"]) for i in range(4)),
        *(node("Reshape", [f"c{i}", "row"], [f"b{i}"]) for i in range(4)),
        *(node("MatMul", [f"a{i}", f"b{i}"], [f"c{i + 1}"]) for i in range(4)),
    ]
    chain = [chain[j * 4 + i] for i in range(4) for j in range(3)]
    shapes = [whole("column", -1, 1), whole("row", 1, -1), real("c0", *range(16))]
    return folded(*chain, node("Identity", ["c4"], ["c"]), tensors=shapes)


CASES: dict[str, tuple[bytes, str]] = {
    **{
        f"strides {s}": (conv(strides=s), r"'Conv' \(output 'y'\) has strides=")
        for s in ([0, 0], [-1, -1], [4], [2**31, 2**31], [HUGE, 1])
    },
    **{
        f"kernel {s}": (conv(kernel_shape=s), "has (kernel_shape=|a kernel_shape that is not)")
        for s in ([0, 0], [-1, 4], [4, 5], [2**31, 2**31])
    },
    **{f"dilations {s}": (conv(dilations=s), "has dilations=") for s in ([0, 0], [2**30] * 2)},
    **{f"pads {s}": (conv(pads=s), "has pads=") for s in ([10**5] * 4, [-1] * 4, [HUGE] * 4, [1])},
    **{f"group {g}": (conv(group=g), "(has group=|groups for)") for g in (0, -1, 2, 3, 2**31)},
    "padding of its own twice": (
        conv(auto_pad="SAME_UPPER", pads=[1] * 4),
        "auto_pad='SAME_UPPER' and pads",
    ),
    "an attribute that is not known": (conv(evil=1), "attribute 'evil' .* not known"),
    "an attribute of another kind": (conv(strides=1), r"attribute 'strides' \(i\)"),
    **{
        f"{op} {k} {s}": (pool(op, kernel_shape=k, strides=s), "has (kernel_shape|strides)=")
        for op in ("MaxPool", "AveragePool")
        for k, s in (([0, 0], [1, 1]), ([2, 2], [0, 0]), ([2**31 - 1] * 2, [1, 1]))
    },
    "a pool without a window": (pool("MaxPool"), "lacks kernel_shape"),
    "a pool that is all padding": (
        pool("AveragePool", kernel_shape=[2, 2], pads=[2] * 4),
        "has pads .* for a window",
    ),
    "raw data shorter than the shape": (
        net([node("Conv", ["x", "w"], ["y"])], short_raw()),
        "'w' holds 4 values for the shape",
    ),
    "weights of too few dimensions": (
        net([node("Conv", ["x", "w"], ["y"])], tensor("w", np.ones((8, 3)))),
        r"weights of shape \(8, 3\)",
    ),
    "weights from the image": (
        net([node("Conv", ["x", "x"], ["y"])]),
        "weights .* depend on the image",
    ),
    "weights that are NaN": (conv().replace(b"\0\0\x80\x3f", b"\0\0\xc0\x7f", 1), "holds NaN"),
    "64 GB of zeros": (
        folded(node("ConstantOfShape", ["s"], ["c"]), tensors=[whole("s", 2**17, 2**17)]),
        "'ConstantOfShape' .* gives a tensor of shape",
    ),
    "64 GB by expansion": (
        folded(node("Expand", ["o", "s"], ["c"]), tensors=[whole("s", 2**17, 2**17), real("o", 1)]),
        "'Expand' .* gives a tensor of shape",
    ),
    "64 GB by repetition": (
        folded(node("Tile", ["o", "s"], ["c"]), tensors=[whole("s", 2**34), real("o", 1)]),
        "'Tile' .* gives a tensor of shape",
    ),
    "a gigabyte that is below the largest tensor": (
        folded(node("Expand", ["o", "s"], ["c"]), tensors=[whole("s", 2**28), real("o", 1)]),
        r"would keep 1,07\d MB",
    ),
    "a range of 10^12": (
        folded(
            node("Range", ["a", "b", "d"], ["c"]),
            tensors=[
                tensor(k, np.array(v, np.float32)) for k, v in (("a", 0), ("b", 1e12), ("d", 1))
            ],
        ),
        "goes from 0.0 to",
    ),
    "a range in steps of 0": (
        folded(
            node("Range", ["a", "b", "d"], ["c"]),
            tensors=[tensor(k, np.array(v, np.float32)) for k, v in (("a", 0), ("b", 9), ("d", 0))],
        ),
        "by 0.0",
    ),
    "a tensor that doubles 36 times": (doubling(36), "would keep .* MB"),
    "products that grow": (outer(), "(would keep|gives a tensor)"),
    **{
        f"a resize by {f}": (
            net([node("Resize", ["x", "", "s"], ["y"])], real("s", 1, 1, f, f)),
            "has scales",
        )
        for f in (1e6, 0, -1, np.inf)
    },
    **{
        f"a pad of {n}": (
            net([node("Pad", ["x", "s"], ["y"])], whole("s", 0, 0, 0, 0, 0, 0, n, n)),
            "has pads",
        )
        for n in (10**6, -100)
    },
    "an endless loop": (
        net([node("Loop", ["", "t", "x"], ["y"])], tensor("t", np.array(True))),
        "operator 'Loop' is none",
    ),
    "an operator of others": (
        net([field(1, field(1, b"x") + field(2, b"y") + field(4, b"PyOp") + field(7, b"evil"))]),
        "operator 'PyOp' of 'evil'",
    ),
    "an operator that uses itself": (net([node("Relu", ["y"], ["y"])]), "uses 'y', which nothing"),
    "a name made twice": (
        net([node("Relu", ["x"], ["y"]), node("Sigmoid", ["x"], ["y"])]),
        "makes 'y', a name that is taken",
    ),
    "an input that nothing makes": (net([node("Conv", ["x", "no"], ["y"])]), "uses 'no'"),
    "no inputs": (net([node("Conv", [], ["y"])]), "has 0 inputs and 1 outputs"),
    "an output that nothing makes": (net([node("Relu", ["x"], ["z"])]), "output 'y' is made by no"),
    "10^5 operators": (
        net([node("Relu", [f"a{i}" if i else "x"], [f"a{i + 1}"]) for i in range(100_000)]),
        "more than 10,000 entries 'node'",
    ),
    "two free sides": (
        net([node("Reshape", ["x", "s"], ["y"])], whole("s", -1, -1, 3, 4)),
        "makes the shape",
    ),
    "a shape that overflows": (
        net([node("Reshape", ["x", "s"], ["y"])], whole("s", HUGE, 2, 2, 2)),
        "cannot make",
    ),
    "entries that are not there": (
        net([node("Gather", ["x", "s"], ["y"], axis=1)], whole("s", 10**9, -(10**9))),
        "takes entries that 3 have not",
    ),
    "entries chosen by the image": (
        net(
            [node("Cast", ["x"], ["i"], to=7), node("Gather", ["w", "i"], ["y"])],
            WEIGHT,
        ),
        "depend on the pixels",
    ),
    "a shape chosen by the image": (
        net([node("Cast", ["x"], ["i"], to=7), node("Expand", ["x", "i"], ["y"])]),
        "depends on the pixels",
    ),
    "an axis that is not there": (
        net([node("Concat", ["x", "x"], ["y"], axis=9)]),
        "has axis 9 for 4 dimensions",
    ),
    "an order with an axis twice": (
        net([node("Transpose", ["x"], ["y"], perm=[0, 0, 9, -1])]),
        "has perm=",
    ),
    "a slice in steps of 0": (
        net(
            [node("Slice", ["x", "a", "b", "c", "d"], ["y"])],
            *(whole(k, v) for k, v in zip("abcd", (0, 5, 2, 0), strict=True)),
        ),
        "has steps",
    ),
    "parts of negative size": (
        net([node("Split", ["x", "s"], ["y", "z"], axis=1)], whole("s", -5, 8)),
        "cannot cut 3 into",
    ),
    "norms of too few channels": (
        net([node("BatchNormalization", ["x", *"ssss"], ["y"])], real("s", 1)),
        r"shape \(1,\), not \(3,\)",
    ),
    "a block of size 0": (
        net([node("DepthToSpace", ["x"], ["y"], blocksize=0)]),
        "has blocksize=0",
    ),
    **{
        f"{op} of whole numbers by {by}": (
            net(
                [
                    node(op, ["a", "b"], ["q"]),
                    node("Cast", ["q"], ["f"], to=1),
                    node("Add", ["x", "f"], ["y"]),
                ],
                whole("a", -(2**63)),
                whole("b", by),
            ),
            "by others that may be zero or negative",
        )
        for op in ("Div", "Mod")
        for by in (0, -1)
    },
}


@pytest.mark.parametrize("case", CASES)
def test_a_model_that_would_harm_an_engine_is_refused_by_the_name_of_its_fault(case: str) -> None:
    data, message = CASES[case]
    with pytest.raises(WeightsError, match=f"(?s)'model.onnx' .*{message}"):
        load_onnx(data)


def test_a_model_that_asks_for_too_much_at_one_size_only_is_refused_there() -> None:
    nodes = [
        *(node("Shape", ["x"], ["s"]), node("Slice", ["s", "two", "four", "zero"], ["hw"])),
        *(node("Mul", ["hw", "hw"], ["big"]), node("Concat", ["ones", "big"], ["to"], axis=0)),
        *(node("Expand", ["one", "to"], ["c"]), node("ReduceSum", ["c"], ["r"])),
        node("Add", ["x", "r"], ["y"]),
    ]
    numbers = {"two": 2, "four": 4, "zero": 0}
    data = net(
        nodes,
        *(whole(k, v) for k, v in numbers.items()),
        whole("ones", 1, 1),
        tensor("one", np.ones((1, 1, 1, 1))),
    )
    features = onnx_patches(data, normalization=PLAIN)
    assert features.extract_batch([np.ones((16, 16, 3), np.float32)])[0].array.shape == (16, 16, 3)
    with pytest.raises(InvalidInputError, match=r"600 x 600 pixels: .*'Expand'"):
        features.extract_batch([np.ones((600, 600, 3), np.float32)])


@pytest.mark.parametrize("engine", FOR_ANY_MODEL)
@pytest.mark.parametrize(
    "nodes",
    [
        [node("Sub", ["x", "x"], ["z"]), node("Div", ["x", "z"], ["y"])],
        [node("Mul", ["x", "big"], ["a"]), node("Mul", ["a", "big"], ["y"])],
    ],
    ids=["division by zero", "overflow"],
)
def test_features_that_are_not_finite_are_an_error(engine: str, nodes: list[bytes]) -> None:
    pytest.importorskip(re.sub("opencv.*", "cv2", engine), reason=f"no {engine}")
    features = onnx_patches(net(nodes, real("big", 3e38)), engine=engine, normalization=PLAIN)
    with pytest.raises(BackboneError, match="model.onnx: layer 'y' holds NaN or infinity"):
        features.extract_batch([np.ones((8, 8, 3), np.float32)])


def test_what_a_batch_takes_is_what_its_largest_tensors_take() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["a"], strides=[4, 4]),
        node("Relu", ["a"], ["b"]),
        node("Sigmoid", ["b"], ["y"]),
    ]
    found = walk(load_onnx(net(nodes, WEIGHT)).graph, (2, 3, 64, 32))
    a_map = 2 * 8 * 16 * 8
    assert found.outputs["y"].shape == (2, 8, 16, 8)
    assert found.n_bytes == 2 * 4 * a_map  # an input and an output
    assert found.work == a_map * 3 * 4 * 4 + 2 * 2 * a_map
