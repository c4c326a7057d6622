"""Changes to detector files: of their bytes, and of what they say, with the right checksum."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyimgano.persistence.container import checksum

#: Where the checksum's digits stand.
START = len(rb'{"__metadata__":{"pyimgano":"{\"checksum\":\"') + 8
NASTY_NUMBERS = [
    *(0, -1, 1, 2, 7, 8, 255, 256, 1000, 4095, 65536, 10**6, 10**9, 2**31, 2**63, 2**64, 10**30),
    *(-(2**63), 0.5, -0.5, 1e-300, 1e-30, 1e15, 1e30, 1e300, 1.7e308, 0.1, 63.9, 99.9),
]
NASTY = [
    *NASTY_NUMBERS,
    *(None, True, False, "", "x", "inf", "-inf", "nan", "é" * 300, "\x00", "../../etc/passwd"),
    *([], [0], [1e9] * 4, [[]], {}, {"a": 1}, [[0.5] * 3] * 2, [48, 0], [8, 4096], "cuda:0"),
    *("embedded", "resnet18", "a.onnx", "patchcore", "classical", "__class__", "iforest"),
]
NASTY_VALUES = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-45, 0.0, -1.0, 1e15, 1e6]


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(min(len(data), rng.choice((START + 64, 3000, len(data)))))
        data[at] ^= 1 << rng.randrange(8)


def splice(data: bytearray, rng: random.Random) -> None:
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    at = rng.randrange(len(data))
    data[at : at + (b - a) % 500] = data[a : a + (b - a) % 500]


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def remove(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 64)]


def insert(data: bytearray, rng: random.Random) -> None:
    at = rng.choice((rng.randrange(len(data)), len(data), rng.randrange(3000) % len(data)))
    data[at:at] = rng.randbytes(rng.randrange(1, 64))


def overwrite(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    size = min(rng.choice((1, 4, 8, 64)), len(data) - at)
    data[at : at + size] = rng.choice((b"\xff", b"\x00", b"0", b"9", b'"', b"{")) * size


def header_length(data: bytearray, rng: random.Random) -> None:
    value = rng.choice((0, 1, 2**63, 2**64 - 1, 2**31, len(data), len(data) - 8, 10**6))
    data[:8] = (value + rng.choice((0, 0, 1))).to_bytes(9, "little")[:8]


def header_text(data: bytearray, rng: random.Random) -> None:
    """One character in the JSON text for another that JSON knows."""
    end = min(len(data), 8 + int.from_bytes(data[:8], "little"))
    data[rng.randrange(8, max(9, end))] = rng.choice(b'0123456789-+.eE"\\[]{},:tfn ')


BYTES = [flip, splice, cut, remove, insert, overwrite, header_length, header_text]


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if len(changed) > 16:
            rng.choice(BYTES)(changed, rng)
    return bytes(changed)


def parse(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Container entries, the header inside, the tensors' bytes."""
    size = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + size])
    return head, json.loads(head["__metadata__"]["pyimgano"]), data[8 + size :]


def assemble(head: dict[str, Any], header: Any, body: bytes) -> bytes:
    head["__metadata__"]["pyimgano"] = json.dumps(header, separators=(",", ":"))
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON tree with every key in it."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def change_tree(tree: Any, rng: random.Random) -> None:
    where, key = rng.choice([p for p in places(tree) if p[1] not in ("checksum", "__metadata__")])
    how = rng.random()
    old = where[key]
    if how < 0.1:
        del where[key]
    elif how < 0.15 and isinstance(where, dict):
        where[f"{key}_"] = old
    elif how < 0.3 and type(old) in (int, float):
        where[key] = rng.choice((old + 1, old - 1, -old, old * 2, old * 1000, old / 3, float(old)))
    elif how < 0.4 and isinstance(old, list):
        where[key] = old * rng.choice((2, 100))
    elif how < 0.42:
        where[key] = json.loads("[" * 400 + "]" * 400)
    else:
        where[key] = copy.deepcopy(rng.choice(NASTY))


def change_values(head: dict[str, Any], body: bytes, rng: random.Random) -> bytes:
    """Other numbers in a tensor."""
    name = rng.choice([n for n in head if n != "__metadata__"])
    start, stop = head[name]["data_offsets"]
    dtype = {"F32": np.float32, "F64": np.float64, "F16": np.float16}[head[name]["dtype"]]
    array = np.frombuffer(body[start:stop], dtype=dtype).copy()
    with np.errstate(all="ignore"):
        if rng.random() < 0.5:
            array[rng.randrange(len(array))] = rng.choice(NASTY_VALUES)
        elif rng.random() < 0.5:
            array *= dtype(rng.choice((-1.0, 0.0, 1e-30, 1e3, 1e12, 1e30)))
        else:
            array[:] = rng.choice(NASTY_VALUES)
    return body[:start] + array.tobytes() + body[stop:]


def forge(data: bytes, rng: random.Random) -> bytes:
    """A changed file with the right checksum."""
    how = rng.random()
    if how < 0.15:
        changed = bytearray(mutate_bytes(data, rng))
        changed[8:START] = data[8:START]
    else:
        head, header, body = parse(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            kind = rng.random()
            if kind < 0.55:
                change_tree(header, rng)
            elif kind < 0.7:
                change_tree({k: v for k, v in head.items() if k != "__metadata__"}, rng)
            elif isinstance(head, dict) and how < 0.9:
                try:
                    body = change_values(head, body, rng)
                except (KeyError, ValueError, TypeError, IndexError):
                    continue  # an earlier change left no such tensor
        changed = bytearray(assemble(head, header, body))
    if len(changed) >= START + 64:
        changed[START : START + 64] = checksum(bytes(changed)).encode()
    return bytes(changed)
