"""The bytes of a fitted-detector file: a safetensors file whose metadata is one JSON text.

The first bytes are always the same but for the length of the header, so the checksum has a fixed
place and is verified before anything is parsed.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import safetensors
from numpy.typing import NDArray

from pyimgano.errors import DetectorFileError
from pyimgano.images.reading import open_at_once
from pyimgano.utils.atomic import write_atomically
from pyimgano.utils.memory import available_memory, gigabytes
from pyimgano.utils.text import shown

FORMAT = "pyimgano-detector"
VERSION = 1
#: What follows the eight bytes of the header's length; the checksum's 64 hex digits come next.
_MAGIC = rb'{"__metadata__":{"pyimgano":"{\"checksum\":\"'
_START = 8 + len(_MAGIC)
_DIGITS = 64
_NO_CHECKSUM = b"0" * _DIGITS
#: What the header may be, so that reading it takes a few MB at the most: bytes, and JSON values.
_MOST_HEADER, _MOST_VALUES = 2**20, 20_000
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "U8": "|u1"}
_NAMES = {np.dtype(v): k for k, v in _DTYPES.items()}

Tensors = dict[str, NDArray[Any]]


class Malformed(Exception):
    """What is wrong with a file's content; whoever knows the file's name adds it."""


def write_container(
    path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Write a header and tensors, atomically; the same input gives the same bytes.

    The header is ready for JSON, without NaN and infinity, and Malformed if it is too large;
    tensors are float16, float32, float64, int32 or uint8.
    """
    arrays = {
        name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        for name, array in tensors.items()
    }
    # Large items first, so that every tensor is aligned.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    content = {"checksum": _NO_CHECKSUM.decode(), "format": FORMAT, "version": VERSION, **header}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    entries: dict[str, Any] = {"__metadata__": {"pyimgano": text}}
    end = 0
    for name in order:
        array = arrays[name]
        start, end = end, end + array.nbytes
        entries[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(entries, separators=(",", ":")).encode("ascii")
    _check_size(head)
    head += b" " * (-len(head) % 8)
    head = len(head).to_bytes(8, "little") + head
    data = [arrays[name].reshape(-1).view(np.uint8).data for name in order]
    found = hashlib.sha256(head)
    for part in data:
        found.update(part)
    digits = found.hexdigest().encode()
    write_atomically(path, [head[:_START], digits, head[_START + _DIGITS :], *data])


def read_container(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """The header and the tensors of a file whose checksum is right.

    A file that cannot be read, is none of this format, of a newer version, or damaged, is a
    DetectorFileError that names it.
    """
    try:
        return unpack(_read(path))
    except Malformed as error:
        raise DetectorFileError(f"{shown(path)}: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise DetectorFileError(f"cannot read detector file {shown(path)}: {reason}") from error


def unpack(data: bytes) -> tuple[dict[str, Any], Tensors]:
    """The header and the tensors in a file's content; anything else is Malformed."""
    _check_start(data)
    if checksum(data) != data[_START : _START + _DIGITS].decode("latin-1"):
        raise Malformed("the file is damaged or cut short: its checksum does not fit")
    head = _parse_head(data)
    header = _parse_json(head["__metadata__"]["pyimgano"])
    if not isinstance(header, dict) or header.pop("format", None) != FORMAT:
        raise Malformed("this is no fitted-detector file of pyimgano")
    version = header.pop("version", None)
    if type(version) is not int or version < 1:
        raise Malformed(f"format version {version!r} is no version")
    if version > VERSION:
        raise Malformed(
            f"format version {version} is newer than {VERSION}, the newest that this pyimgano reads"
        )
    header.pop("checksum", None)
    return header, dict(_tensors(data))


def checksum(data: bytes) -> str:
    """SHA-256 of a file's content with zeros for the digits of the checksum itself."""
    view = memoryview(data)
    found = hashlib.sha256(view[:_START])
    found.update(_NO_CHECKSUM)
    found.update(view[_START + _DIGITS :])
    return found.hexdigest()


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb", opener=open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Malformed("this is not a regular file")
        start = file.read(_START)
        _check_start(start)
        n_bytes = os.fstat(file.fileno()).st_size
        room = available_memory()
        if room is not None and n_bytes > room:
            raise Malformed(
                f"it has {gigabytes(n_bytes)}, and {gigabytes(room)} of memory are available"
            )
        return start + file.read()


def _check_start(data: bytes) -> None:
    if data[8:_START] != _MAGIC:
        raise Malformed("this is no fitted-detector file of pyimgano")


def _parse_head(data: bytes) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise Malformed(f"its header claims {size:,} bytes")
    text = data[8 : 8 + size]
    _check_size(text)
    head = _parse_json(text)
    metadata = head.get("__metadata__") if isinstance(head, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("pyimgano"), str):
        raise Malformed("its header has no text of pyimgano's")
    return dict(head)


def _check_size(head: bytes) -> None:
    values = sum(head.count(sign) for sign in (b",", b"[", b"{"))
    if len(head) > _MOST_HEADER or values > _MOST_VALUES or not head.isascii():
        raise Malformed(
            f"its header has {len(head):,} bytes and {values:,} values; at most {_MOST_HEADER:,}"
            f" of ASCII and {_MOST_VALUES:,} are read"
        )


def _tensors(data: bytes) -> Iterator[tuple[str, NDArray[Any]]]:
    try:
        found = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise Malformed(f"its tensors cannot be read: {error}") from error
    for name, entry in found:
        dtype = _DTYPES.get(entry["dtype"])
        if dtype is None:
            raise Malformed(f"tensor {name[:40]!r} is of type {entry['dtype']}")
        yield name, np.frombuffer(entry["data"], dtype=dtype).reshape(entry["shape"])


def _parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        reason = str(error).partition("\n")[0][:200]
        raise Malformed(f"its header is no JSON that can be used: {reason}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def take(
    tensors: Tensors,
    name: str,
    shape: tuple[int | None, ...],
    dtype: type | tuple[type, ...],
    low: float,
    high: float,
) -> NDArray[Any]:
    """Take a tensor out, which must have a shape (None: any length from 1), a dtype, and a
    range.
    """
    array = tensors.pop(name, None)
    if array is None:
        raise Malformed(f"lacks the tensor {name!r}")
    dtypes = dtype if isinstance(dtype, tuple) else (dtype,)
    fits = array.ndim == len(shape) and all(
        have == want if want is not None else have > 0
        for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.type not in dtypes:
        wanted = f"{' or '.join(d.__name__ for d in dtypes)} {shape}"
        raise Malformed(f"tensor {name!r} is {array.dtype} {array.shape}, not {wanted}")
    # min and max are NaN if any value is, and a comparison with NaN is false.
    if array.size and not (low <= float(array.min()) and float(array.max()) <= high):
        raise Malformed(f"tensor {name!r} has values outside {low:g} to {high:g}, or NaN")
    return array
