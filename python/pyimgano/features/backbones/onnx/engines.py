"""What runs an ONNX model: OpenCV, ONNX Runtime or OpenVINO, all on the CPU.

All compute in float32, but for ``"openvino-bf16"``, which says so by its name.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.kernels import n_threads
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from pyimgano.features.backbones.onnx.file import OnnxModel

Array = NDArray[np.float32]

#: The engine of the core install.
DEFAULT_ENGINE = "opencv"


class OnnxEngine(Protocol):
    """A model that is ready to run. Threads may share it."""

    def run(self, batch: Array) -> list[Array]:
        """All outputs, in the order of the file, of a float32 (n, 3, h, w) batch."""
        ...


class OpenCvEngine:
    """``cv2.dnn``, in the core install.

    A ``Net`` keeps the data of the call in progress, so one lock lets in one thread at a time; it
    computes on ``cv2.getNumThreads()`` threads. ``variant`` is one of OpenCV's own two engines:
    ``"classic"`` is the faster one for networks of convolutions, ``"new"`` for transformers.
    """

    def __init__(self, model: OnnxModel, variant: Literal["classic", "new"]) -> None:
        self._name = f"opencv-{variant}"
        self._model = model
        self._lock = threading.Lock()
        # OpenCV 5.0 calls it ENGINE_NEW, later ones ENGINE_OPENCV.
        new = getattr(cv2.dnn, "ENGINE_OPENCV", None) or cv2.dnn.ENGINE_NEW
        engine = cv2.dnn.ENGINE_CLASSIC if variant == "classic" else new
        # OpenCV 5.0 heeds the engine for a file alone: bytes it reads by its new one.
        with _reading(self._name, model), _opencv_silent(), _as_file(model.written()) as path:
            self._net = cv2.dnn.readNetFromONNX(path, engine)
            self._net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
            self._net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)

    def run(self, batch: Array) -> list[Array]:
        """See :class:`OnnxEngine`."""
        with self._lock, _running(self._name, self._model, batch):
            self._net.setInput(batch)
            return [np.asarray(out) for out in self._net.forward(self._model.outputs)]


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path that the bytes can be read from; in memory on Linux, which needs no room on a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pyimgano")
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.TemporaryDirectory(prefix="pyimgano-") as folder:
            path = Path(folder, "model.onnx")
            path.write_bytes(data)
            yield os.fspath(path)


class OnnxRuntimeEngine:
    """ONNX Runtime's CPU provider (extra ``onnx``); sessions are thread-safe."""

    def __init__(self, model: OnnxModel) -> None:
        runtime = require(
            "onnxruntime", extra="onnx", purpose='engine="onnxruntime"', reads_files=True
        )
        self._model = model
        options = runtime.SessionOptions()
        options.intra_op_num_threads = n_threads()
        options.log_severity_level = 4  # what it would print is in our own errors
        # Its threads must not keep a core busy while the patches are being searched.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        with _reading("onnxruntime", model):
            self._session = runtime.InferenceSession(
                model.written(), options, providers=["CPUExecutionProvider"]
            )

    def run(self, batch: Array) -> list[Array]:
        """See :class:`OnnxEngine`."""
        with _running("onnxruntime", self._model, batch):
            outputs: list[Array] = self._session.run(
                self._model.outputs, {self._model.input_name: batch}
            )
            return outputs


class OpenVinoEngine:
    """OpenVINO's CPU plugin (extra ``openvino``); each thread has a request of its own.

    ``precision="bf16"`` multiplies in bfloat16, 8 bits of mantissa, and refuses a CPU that cannot:
    OpenVINO would compute in float32 there, or emulate it slowly.
    """

    def __init__(self, model: OnnxModel, precision: Literal["f32", "bf16"] = "f32") -> None:
        self._name = name = "openvino" if precision == "f32" else f"openvino-{precision}"
        openvino = require("openvino", extra="openvino", purpose=f'engine="{name}"')
        self._model = model
        self._local = threading.local()
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise InvalidInputError(
                f"engine {name!r} needs a CPU with bfloat16 instructions, such as AVX-512 BF16 or"
                ' AMX, which this one has not: use engine="openvino"'
            )
        # Without the hint the plugin chooses bfloat16 by itself where the CPU can.
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": n_threads(),
        }
        with _reading(name, model):
            self._compiled = core.compile_model(core.read_model(model.written()), "CPU", settings)

    def run(self, batch: Array) -> list[Array]:
        """See :class:`OnnxEngine`."""
        with _running(self._name, self._model, batch):
            request: Any = getattr(self._local, "request", None)
            if request is None:
                request = self._local.request = self._compiled.create_infer_request()
            results = request.infer([batch], share_inputs=True)
            return [results[name] for name in self._model.outputs]


_ENGINES: dict[str, Callable[[OnnxModel], OnnxEngine]] = {
    "opencv-classic": partial(OpenCvEngine, variant="classic"),
    "opencv-new": partial(OpenCvEngine, variant="new"),
    "onnxruntime": OnnxRuntimeEngine,
    "openvino": OpenVinoEngine,
    "openvino-bf16": partial(OpenVinoEngine, precision="bf16"),
}
#: Operators that OpenCV's classic engine runs as the others do, for any batch and size.
_CONVOLUTIONAL = {
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Identity",
    "LeakyRelu",
    "MaxPool",
    "Mul",
    "Relu",
    "Sigmoid",
}
#: Names for ``engine=``.
ENGINES = (DEFAULT_ENGINE, *_ENGINES)
#: Those that give what torch gives to six digits.
FLOAT32_ENGINES = tuple(name for name in ENGINES if not name.endswith("-bf16"))


def in_float32(engine: str) -> str:
    """The same engine in float32."""
    return engine.removesuffix("-bf16")


def create_engine(name: str, model: OnnxModel) -> tuple[str, OnnxEngine]:
    """A model made ready by the engine of that name, and which one that is.

    ``"opencv"`` is OpenCV's classic engine for a model of convolutions, and its new one for any
    other: the former is faster for those, and gives other models' batches wrong shapes. An
    UnknownNameError, MissingDependencyError, InvalidInputError or WeightsError tells that there is
    no such engine, that its package is not installed, that this CPU cannot compute in the precision
    that the name asks for, or that the engine cannot run the model.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    others = sorted({node.op for node in model.graph.nodes} - _CONVOLUTIONAL)
    if name == DEFAULT_ENGINE:
        name = "opencv-new" if others else "opencv-classic"
    elif name == "opencv-classic" and others:
        raise WeightsError(
            f"engine {name!r} runs networks of convolutions, and ONNX model {model.name!r} has"
            f' {", ".join(others[:5])}, too: use engine="opencv-new"'
        )
    return name, _ENGINES[name](model)


# The engines are C++ and raise classes of their own, RuntimeError and more: hence Exception below.


@contextlib.contextmanager
def _reading(engine: str, model: OnnxModel) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise WeightsError(
            f"engine {engine!r} cannot read ONNX model {model.name!r}: {_gist(error)}"
        ) from error


@contextlib.contextmanager
def _running(engine: str, model: OnnxModel, batch: Array) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise InvalidInputError(
            f"engine {engine!r} cannot run ONNX model {model.name!r} on an image of"
            f" {batch.shape[2]} x {batch.shape[3]} pixels: {_gist(error)}"
        ) from error


def _gist(error: Exception) -> str:
    """What a C++ error says, on one line of bearable length."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."


@contextlib.contextmanager
def _opencv_silent() -> Iterator[None]:
    """OpenCV prints what it raises as well; the level belongs to the process."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
