"""ONNX files that readers understand differently: no engine opens a file that a model names."""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import WeightsError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES
from pyimgano.features.backbones.onnx.file import load_onnx
from tests.features.onnx_support import (
    convolution,
    field,
    graph,
    model,
    node,
    onnx_patches,
    tensor,
    tensor_proto,
    tiny,
    value,
    varint,
)

WEIGHT = np.ones((1, 3, 2, 2), np.float32)
ENDS = [value("image", (None, 3, None, None))], [value("fine", (None, 1, None, None))]
CONV = convolution("image", "fine")
#: The same model with its weight in the file.
GOOD = model(graph([*CONV, tensor("fine_weight", WEIGHT)], *ENDS))


def proto(external: str) -> bytes:
    return tensor_proto("fine_weight", WEIGHT, external=external)


def two_graphs(external: str) -> bytes:
    """Protocol buffers merge a message that stands twice; others take the last one."""
    empty = field(7, field(5, proto(external)))
    return field(1, 8) + empty + field(7, graph(CONV, *ENDS)) + field(8, field(2, 17))


def long_tags(external: str) -> bytes:
    """Tags of more than 32 bits, of which some readers keep 32."""
    dims = b"".join(field(1, side) for side in WEIGHT.shape)
    entry = field(1, b"location") + field(2, external.encode())
    tag = varint((13 << 3 | 2) + (1 << 32)) + varint(len(entry)) + entry
    location = varint((14 << 3) + (1 << 32)) + varint(1)
    hidden = dims + field(2, 1) + field(8, b"fine_weight") + tag + location
    return model(graph([*CONV, field(5, hidden)], *ENDS))


def padded_tags(external: str) -> bytes:
    """Tags spelt with more bytes than they need."""
    entry = field(1, b"location") + field(2, external.encode())
    tag = bytes([13 << 3 & 0x7F | 2 | 0x80, 0x80, 0x00]) + varint(len(entry)) + entry
    hidden = field(2, 1) + field(8, b"fine_weight") + tag
    return model(graph([*CONV, field(5, hidden)], *ENDS))


def constant(external: str) -> bytes:
    """A tensor in an attribute."""
    attributes = field(5, field(1, b"value") + field(5, proto(external)) + field(20, 4))
    made = field(1, field(2, b"fine_weight") + field(4, b"Constant") + attributes)
    return model(graph([made, *CONV], *ENDS))


def tensors_attribute(external: str) -> bytes:
    attributes = field(5, field(1, b"value") + field(10, proto(external)) + field(20, 9))
    made = field(1, field(2, b"fine_weight") + field(4, b"Constant") + attributes)
    return model(graph([made, *CONV], *ENDS))


def sparse(external: str) -> bytes:
    values = field(1, proto(external)) + field(2, tensor_proto("i", np.arange(12)))
    dims = b"".join(field(3, side) for side in WEIGHT.shape)
    attributes = field(5, field(1, b"sparse_value") + field(22, values + dims) + field(20, 11))
    made = field(1, field(2, b"fine_weight") + field(4, b"Constant") + attributes)
    return model(graph([made, *CONV], *ENDS))


def sparse_weights(external: str) -> bytes:
    values = field(1, proto(external)) + field(2, tensor_proto("i", np.arange(12)))
    dims = b"".join(field(3, side) for side in WEIGHT.shape)
    return model(graph([*CONV, field(15, values + dims)], *ENDS))


def function(external: str) -> bytes:
    """A function of the model's own, with a constant in another file."""
    attributes = field(5, field(1, b"value") + field(5, proto(external)) + field(20, 4))
    made = field(7, field(2, b"w") + field(4, b"Constant") + attributes)
    body = field(1, b"F") + field(4, b"x") + field(5, b"w") + made + field(10, b"my")
    return GOOD + field(25, body)


def training(external: str) -> bytes:
    return GOOD + field(20, field(2, field(5, proto(external))))


def subgraph(external: str) -> bytes:
    inner = field(5, proto(external)) + field(12, value("fine_weight", WEIGHT.shape))
    branches = b"".join(
        field(5, field(1, name) + field(6, inner) + field(20, 5))
        for name in (b"then_branch", b"else_branch")
    )
    names = field(1, b"c") + field(2, b"fine_weight") + field(4, b"If")
    condition = tensor("c", np.array(True))
    return model(graph([condition, field(1, names + branches), *CONV], *ENDS))


def data_twice(external: str) -> bytes:
    both = tensor_proto("fine_weight", WEIGHT) + proto(external)
    return model(graph([*CONV, field(5, both)], *ENDS))


VARIANTS: list[Callable[[str], bytes]] = [
    lambda external: model(graph([*CONV, field(5, proto(external))], *ENDS)),
    *(two_graphs, long_tags, padded_tags, constant, tensors_attribute, sparse, sparse_weights),
    *(function, training, subgraph, data_twice),
]


class Opens:
    """Names of the files that anything in this process, C++ too, opens in a folder."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        opened = 0x20  # IN_OPEN
        assert libc.inotify_add_watch(self._events, os.fsencode(folder), opened) >= 0

    def names(self) -> list[str]:
        found, at = [], 0
        try:
            data = os.read(self._events, 1 << 16)
        except BlockingIOError:
            return []
        while at < len(data):
            *_, length = struct.unpack_from("iIII", data, at)
            found.append(data[at + 16 : at + 16 + length].rstrip(b"\0").decode())
            at += 16 + length
        return found

    def close(self) -> None:
        os.close(self._events)


@pytest.fixture
def opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    if sys.platform != "linux":
        pytest.skip("files that are opened are watched with Linux' inotify")
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    watch = Opens(tmp_path)
    yield watch
    watch.close()


def test_the_watch_sees_a_file_that_is_opened(opens: Opens, tmp_path: Path) -> None:
    assert opens.names() == []
    (tmp_path / "secret.bin").read_bytes()
    assert opens.names() == ["secret.bin"]


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.__name__.strip("<>"))
def test_no_engine_opens_a_file_that_a_model_names(
    variant: Callable[[str], bytes], engine: str, opens: Opens, tmp_path: Path
) -> None:
    pytest.importorskip(re.sub("opencv.*", "cv2", engine), reason=f"no {engine}")
    for external in ("secret.bin", str(tmp_path / "secret.bin"), "../" * 9 + str(tmp_path)):
        with pytest.raises(WeightsError, match=r"'model.onnx' (is no|keeps its|cannot be used)"):
            OnnxBackbone(variant(external), engine=engine)
    assert opens.names() == []


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
def test_an_engine_that_gets_a_model_opens_no_file_near(engine: str, opens: Opens) -> None:
    pytest.importorskip(re.sub("opencv.*", "cv2", engine), reason=f"no {engine}")
    features = onnx_patches(GOOD, engine=engine)
    features.extract_batch([np.ones((8, 8, 3), np.float32)])
    assert opens.names() == []


def test_a_pipe_as_external_data_stalls_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="keeps its weights in other files"):
        OnnxBackbone(VARIANTS[0](str(tmp_path / "pipe")))
    with pytest.raises(WeightsError, match="pipe' does not exist or is not a file"):
        OnnxBackbone(tmp_path / "pipe")


def test_a_sparse_file_beyond_what_the_format_holds_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large.onnx", "wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(WeightsError, match=r"large.onnx' has 214,748,364,800 bytes; .* 2 GiB"):
        OnnxBackbone(tmp_path / "large.onnx")


def test_what_is_not_canonical_or_not_known_is_refused_by_name() -> None:
    body = graph([*CONV, tensor("fine_weight", WEIGHT)], *ENDS)
    opset = field(8, field(2, 17))
    cases = {
        "'graph' of the model stands there twice": GOOD + field(7, b""),
        "'ir_version' of the model stands there twice": GOOD + field(1, 8),
        "the model has an unknown field, number 77": GOOD + field(77, b"x"),
        "'graph' of the model has an unknown field, number 6": GOOD.replace(body, b"")[:2]
        + field(7, body + field(6, b"x"))
        + opset,
        "'graph' of the model has wire type 0, not 2": field(1, 8) + field(7, 5) + opset,
        "wire type 3": GOOD + bytes([20 << 3 & 0x7F | 3 | 0x80, 1]),
        "a number of more bytes than it needs": bytes([8, 0x88, 0x00]) + GOOD[2:],
        "a tag of 0x10000007a": GOOD + varint((15 << 3 | 2) + (1 << 32)) + b"\0",
        "operator set 17, 18": GOOD + field(8, field(2, 18)),
        "operator set none": field(1, 8) + field(7, body),
        "format version 99": field(1, 99) + GOOD[2:],
        "metadata have a key twice": GOOD + field(14, field(1, b"a")) * 2,
        "the model has device configurations": GOOD + field(26, b""),
    }
    both = field(2, field(1, field(1, 3) + field(2, b"c")))  # a side that is a number and a name
    end = field(1, b"image") + field(2, field(1, field(1, 1) + both))
    cases["a side that is a number and a name"] = model(graph(CONV, [end], ENDS[1]))
    for message, data in cases.items():
        with pytest.raises(WeightsError, match=message):
            load_onnx(data)


def test_the_engine_gets_what_was_understood_and_nothing_else() -> None:
    unused = tensor("unused", np.ones(1000, np.float32))
    parts = [*CONV, tensor("fine_weight", WEIGHT), unused, field(10, b"SECRET COMMENT")]
    named = field(1, parts[0][2:] + field(3, b"SECRET NAME"))
    data = model(graph([named, *parts[1:]], *ENDS)) + field(2, b"SECRET PRODUCER")
    data += field(14, field(1, b"ort_config") + field(2, b"SECRET SETTING"))
    written = load_onnx(data).written()
    assert b"SECRET" not in written
    assert len(written) < len(GOOD) + 100
    assert load_onnx(data).metadata == {"ort_config": "SECRET SETTING"}
    assert load_onnx(written).written() == written
    images = [np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)]
    found, expected = (onnx_patches(d).extract_batch(images)[0].array for d in (written, GOOD))
    np.testing.assert_array_equal(found, expected)


def test_what_is_written_is_what_other_readers_see_in_any_file_that_is_taken() -> None:
    """Files with changed bytes: those that are taken mean the same to the reader of onnx."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    rng = np.random.default_rng(1)
    whole, taken = tiny(), 0
    for _ in range(2000):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=rng.integers(1, 3)):
            data[at] = rng.integers(256)
        try:
            written = load_onnx(bytes(data)).written()
        except WeightsError:
            continue
        taken += 1
        one, other = (onnx.load_from_string(each).graph for each in (bytes(data), written))
        assert [
            (n.op_type, list(n.input), list(n.output), sorted(map(str, n.attribute)))
            for n in one.node
        ] == [
            (n.op_type, list(n.input), list(n.output), sorted(map(str, n.attribute)))
            for n in other.node
        ]
        weights = {t.name: onnx.numpy_helper.to_array(t) for t in one.initializer}
        for t in other.initializer:
            np.testing.assert_array_equal(weights[t.name], onnx.numpy_helper.to_array(t))
            assert (len(t.external_data), t.data_location) == (0, 0)
    assert taken > 50


def test_numbers_of_a_tensor_may_be_packed_or_not() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    shape = onnx.helper.make_tensor("s", onnx.TensorProto.INT64, [4], [0, -1, 4, 8])
    assert len(shape.int64_data) == 4
    loose = b"".join(field(7, v) for v in (0, -1, 4, 8))
    loose = field(1, 4) + field(2, 7) + loose + field(8, b"s")
    nodes = [node("Reshape", ["image", "s"], ["fine"])]
    ends = [value("image", (1, 3, 8, 4))], [value("fine", (1, 3, 4, 8))]
    written = [
        load_onnx(model(graph([*nodes, field(5, each)], *ends))).written()
        for each in (shape.SerializeToString(), loose)
    ]
    assert written[0] == written[1]
