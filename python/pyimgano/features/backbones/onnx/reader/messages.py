"""The messages of onnx.proto, field by field, and what is not read of them."""

from collections.abc import Mapping

from pyimgano.features.backbones.onnx.reader.wire import Field

#: Far above those of any network that gives feature maps; bounds what checking takes.
MOST_NODES, MOST_TENSORS, MOST_ENDS = 10_000, 20_000, 64

Schema = Mapping[int, Field]

_COMMENT = Field("comment", "skip", repeated=True)
_ENTRY: Schema = {1: Field("key", "text"), 2: Field("value", "text")}
_OPSET: Schema = {1: Field("domain", "name"), 2: Field("version", "int")}
_TENSOR: Schema = {
    1: Field("dims", "int", repeated=True, most=64),
    2: Field("data_type", "int32"),
    3: Field("segments", "refuse"),
    4: Field("float_data", "float", repeated=True),
    5: Field("int32_data", "int32", repeated=True),
    6: Field("text in a tensor", "refuse"),
    7: Field("int64_data", "int", repeated=True),
    8: Field("name", "name"),
    9: Field("raw_data", "bytes"),
    10: Field("double_data", "double", repeated=True),
    11: Field("a tensor of unsigned 64-bit numbers", "refuse"),
    12: _COMMENT,
    13: Field("external_data", "bytes", repeated=True),
    14: Field("data_location", "int32"),
    16: _COMMENT,
}
_ATTRIBUTE: Schema = {
    1: Field("name", "name"),
    2: Field("f", "float"),
    3: Field("i", "int"),
    4: Field("s", "name"),
    5: Field("t", _TENSOR),
    6: Field("a graph inside an operator (control flow)", "refuse"),
    7: Field("floats", "float", repeated=True),
    8: Field("ints", "int", repeated=True),
    9: Field("strings in an attribute", "refuse"),
    10: Field("a list of tensors in an attribute", "refuse"),
    11: Field("graphs inside an operator (control flow)", "refuse"),
    13: _COMMENT,
    14: Field("a type in an attribute", "refuse"),
    15: Field("types in an attribute", "refuse"),
    20: Field("type", "int32"),
    21: Field("a reference to an attribute of a function", "refuse"),
    22: Field("a sparse tensor", "refuse"),
    23: Field("sparse tensors", "refuse"),
}
_NODE: Schema = {
    1: Field("input", "name", repeated=True, most=4096),
    2: Field("output", "name", repeated=True, most=4096),
    3: _COMMENT,
    4: Field("op_type", "name"),
    5: Field("attribute", _ATTRIBUTE, repeated=True, most=64),
    6: _COMMENT,
    7: Field("domain", "name"),
    8: Field("an overload of a function", "refuse"),
    9: _COMMENT,
    10: Field("a device configuration", "refuse"),
}
_DIM: Schema = {1: Field("dim_value", "int"), 2: Field("dim_param", "name"), 3: _COMMENT}
_SHAPE: Schema = {1: Field("dim", _DIM, repeated=True, most=64)}
_TENSOR_TYPE: Schema = {1: Field("elem_type", "int32"), 2: Field("shape", _SHAPE)}
_TYPE: Schema = {
    1: Field("tensor_type", _TENSOR_TYPE),
    4: Field("a sequence as input or output", "refuse"),
    5: Field("a map as input or output", "refuse"),
    6: _COMMENT,
    7: Field("an opaque type as input or output", "refuse"),
    8: Field("a sparse tensor as input or output", "refuse"),
    9: Field("an optional type as input or output", "refuse"),
}
_VALUE_INFO: Schema = {
    1: Field("name", "name"),
    2: Field("type", _TYPE),
    3: _COMMENT,
    4: _COMMENT,
}
_GRAPH: Schema = {
    1: Field("node", _NODE, repeated=True, most=MOST_NODES),
    2: _COMMENT,
    5: Field("initializer", _TENSOR, repeated=True, most=MOST_TENSORS),
    10: _COMMENT,
    11: Field("input", _VALUE_INFO, repeated=True, most=MOST_TENSORS),
    12: Field("output", _VALUE_INFO, repeated=True, most=MOST_ENDS),
    13: _COMMENT,  # shapes in between: the engines find them themselves
    14: Field("quantization annotations", "refuse"),
    15: Field("sparse weights", "refuse"),
    16: _COMMENT,
}
#: The whole file.
MODEL: Schema = {
    1: Field("ir_version", "int"),
    2: _COMMENT,
    3: _COMMENT,
    4: _COMMENT,
    5: _COMMENT,
    6: _COMMENT,
    7: Field("graph", _GRAPH),
    8: Field("opset_import", _OPSET, repeated=True, most=64),
    14: Field("metadata_props", _ENTRY, repeated=True, most=1000),
    20: Field("training information", "refuse"),
    25: Field("functions of its own", "refuse"),
    26: Field("device configurations", "refuse"),
}
