"""Rules of operators that work element by element."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.calls import Call, Value, operator
from pyimgano.features.backbones.onnx.reader.model import DTYPES


@operator(
    *("Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "HardSwish", "Mish", "Exp", "Log"),
    *("Reciprocal", "Sign", "Sin", "Cos", "Round"),
)
@operator("LeakyRelu", "Elu", "Celu", "ThresholdedRelu", f="alpha")
@operator("HardSigmoid", "Swish", f="alpha beta")
@operator("Selu", f="alpha gamma")
@operator("Gelu", s="approximate")
@operator("LpNormalization", i="axis p")
@operator("Clip", inputs=(1, 3), f="min max")
def _keep(call: Call) -> Value:
    if call.node.op == "LpNormalization":
        call.axis(len(call.need(0).shape), -1)
        call.number("p", 2, low=1, high=2)
    for index in range(1, len(call.inputs)):
        if (bound := call.given(index)) is not None and bound.array.size != 1:
            call.refuse(f"has an input ({index}) that is no single number")
    return call.of_shape(call.need(0).shape)


_UNARY: dict[str, Callable[[Any], Any]] = {
    "Identity": lambda x: x,
    "Neg": np.negative,
    "Abs": np.abs,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Sqrt": np.sqrt,
    "Not": np.logical_not,
}


@operator(*_UNARY)
def _unary(call: Call) -> Value:
    x = call.need(0)
    if call.node.op == "Identity":
        return x
    return call.follow(x.shape, lambda: _UNARY[call.node.op](x.array))


@operator("Cast", i="to saturate")
def _cast(call: Call) -> Value:
    x = call.need(0)
    code = call.number("to", 0, low=0, high=64)
    if code not in DTYPES:
        call.refuse(f"makes elements of ONNX type {code}")
    call.flag("saturate", True)
    dtype = DTYPES[code]
    if x.known and dtype.kind in "iu" and x.array.dtype.kind == "f":
        info = np.iinfo(dtype)
        with np.errstate(invalid="ignore"):
            inside = (x.array > float(info.min) - 1) & (x.array < float(info.max))
        if not inside.all():
            call.refuse(f"makes {dtype} of numbers that are none")
    return call.follow(x.shape, lambda: x.array.astype(dtype), dtype)


def _quotient(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    # Rounded towards zero, as in C.
    quotient = np.abs(a) // np.abs(b)
    return np.asarray(np.where((a < 0) != (b < 0), -quotient, quotient))


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _quotient,
    "Pow": np.power,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "GreaterOrEqual": np.greater_equal,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@operator(*_BINARY, *_COMPARE, inputs=(2, 2))
def _binary(call: Call) -> Value:
    a, b = call.need(0), call.need(1)
    op = call.node.op
    if a.array.dtype != b.array.dtype and op != "Pow":
        call.refuse(f"joins elements of {a.array.dtype} and {b.array.dtype}")
    if op in ("Div", "Pow") and a.array.dtype.kind != "f":
        _check_whole(call, b)
    shape = call.broadcast(a.shape, b.shape)
    if op in _COMPARE:
        return call.follow(shape, lambda: _COMPARE[op](a.array, b.array), np.bool_)
    return call.follow(shape, lambda: _BINARY[op](a.array, b.array))


def _check_whole(call: Call, by: Value) -> None:
    """Processors stop a program that divides a whole number by zero, or the least one by -1."""
    if not by.known or np.any(by.array <= 0):
        call.refuse("takes whole numbers by others that may be zero or negative")


@operator("Mod", inputs=(2, 2), i="fmod")
def _mod(call: Call) -> Value:
    a, b = call.need(0), call.need(1)
    if a.array.dtype != b.array.dtype or a.array.dtype.kind not in "iu" or call.flag("fmod"):
        call.refuse("is not of whole numbers")
    _check_whole(call, b)
    return call.follow(call.broadcast(a.shape, b.shape), lambda: a.array % b.array)


@operator("Min", "Max", "Sum", "Mean", inputs=(1, 64))
def _several(call: Call) -> Value:
    values = [call.need(i) for i in range(len(call.inputs))]
    if len({value.array.dtype for value in values}) > 1:
        call.refuse("joins elements of different types")
    shape = call.broadcast(*(value.shape for value in values))
    functions: dict[str, Callable[[Any], Any]] = {
        "Min": np.minimum.reduce,
        "Max": np.maximum.reduce,
        "Sum": sum,
    }

    def compute() -> Any:
        arrays = [np.broadcast_to(value.array, shape) for value in values]
        if call.node.op == "Mean":
            return sum(arrays) / len(arrays)
        return functions[call.node.op](arrays)

    return call.follow(shape, compute)


@operator("Where", inputs=(3, 3))
def _where(call: Call) -> Value:
    condition, a, b = (call.need(i) for i in range(3))
    if condition.array.dtype.kind != "b" or a.array.dtype != b.array.dtype:
        call.refuse("joins elements of different types, or has no condition")
    shape = call.broadcast(condition.shape, a.shape, b.shape)
    return call.follow(shape, lambda: np.where(condition.array, a.array, b.array), a.array.dtype)


@operator("PRelu", inputs=(2, 2))
def _prelu(call: Call) -> Value:
    x = call.need(0)
    if call.broadcast(x.shape, call.constant(1).shape) != x.shape:
        call.misfit("has slopes that do not go with its input")
    return call.of_shape(x.shape)


@operator("Dropout", inputs=(1, 3), f="ratio", i="seed")
def _dropout(call: Call) -> Value:
    training = call.given(2)
    if training is not None and (not training.known or np.any(training.array)):
        call.refuse("is set to drop values")
    return call.of_shape(call.need(0).shape)
