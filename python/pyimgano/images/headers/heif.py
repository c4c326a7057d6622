"""HEIF: AVIF and HEIC (AV1 specification, sections 5.3 to 5.5, for the sizes of coded pictures)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_SEQUENCE = 1


@dataclass
class _Meta:
    """What the meta box tells."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    #: Kind, place and length of each property.
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    #: Numbers of each item's properties, from 1 on, in their order.
    owned: dict[int, list[int]] = field(default_factory=dict)
    #: Where the data of each item are.
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)


def heif_header(source: Source) -> Header:
    """Size, depth, turns and number of pictures."""
    length, _, brand = source.unpack(">I4s4s", 0)
    brands = {brand, *(source.get(at, 4) for at in range(16, min(length, 256) - 3, 4))}
    if brand in (b"avis", b"msf1", b"hevc", b"hevx"):
        raise UnsupportedError("a sequence of pictures (AVIF or HEIF) is not supported")
    if not brands & (_AVIF | _HEIC):
        raise UnsupportedError("films (MP4, QuickTime) are not supported")
    meta = next((box for box in _boxes(source, 0, source.length) if box[0] == b"meta"), None)
    if meta is None:
        raise DamagedError("damaged header")
    known = _read_meta(source, meta[1] + 4, meta[2])
    kind = known.kinds.get(known.primary)
    if kind == b"av01":
        return _header(source, known, "AVIF")
    if kind in (b"hvc1", b"grid", b"iden") and not brands & _AVIF:
        return _header(source, known, "HEIC")
    raise UnsupportedError("an AVIF or HEIF whose picture is put together is not supported")


def _boxes(source: Source, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin of the content and end of each box."""
    while at + 8 <= end:
        length, name = source.unpack(">I4s", at)
        head = 8
        if length == 1:
            (length,) = source.unpack(">Q", at + 8)
            head = 16
        stop = at + length if length else end
        if (length and length < head) or stop > end:
            raise DamagedError("damaged or cut short")
        yield name, at + head, stop
        at = stop


def _read_meta(source: Source, at: int, end: int) -> _Meta:
    meta = _Meta()
    data_at = next((start for name, start, _ in _boxes(source, at, end) if name == b"idat"), 0)
    for name, start, stop in _boxes(source, at, end):
        if name == b"pitm":
            form = ">H" if source.get(start, 1) == b"\0" else ">I"
            (meta.primary,) = source.unpack(form, start + 4)
        elif name == b"iinf":
            _read_items(source, meta, start, stop)
        elif name == b"iloc":
            _read_places(source, meta, start, data_at)
        elif name == b"iref":
            _read_references(source, meta, start, stop)
        elif name == b"iprp":
            for inner, first, last in _boxes(source, start, stop):
                if inner == b"ipco":
                    for found, begin, finish in _boxes(source, first, last):
                        meta.properties.append((found, begin, finish - begin))
                elif inner == b"ipma":
                    _read_owners(source, meta, first)
    return meta


def _read_items(source: Source, meta: _Meta, start: int, stop: int) -> None:
    short = source.get(start, 1) == b"\0"
    for name, at, _ in _boxes(source, start + (6 if short else 8), stop):
        version = source.get(at, 1)[0]
        if name == b"infe" and version >= 2:
            number, _, kind = source.unpack(">HH4s" if version == 2 else ">IH4s", at + 4)
            meta.kinds[number] = kind
            if source.get(at + 3, 1)[0] & 1:
                meta.hidden.add(number)


def _read_references(source: Source, meta: _Meta, start: int, stop: int) -> None:
    """Thumbnails, alpha, depth and the parts of a grid are no pictures of their own."""
    form = ">H" if source.get(start, 1) == b"\0" else ">I"
    step = 2 if form == ">H" else 4
    for name, at, _ in _boxes(source, start + 4, stop):
        (origin,) = source.unpack(form, at)
        (count,) = source.unpack(">H", at + step)
        targets = [source.unpack(form, at + step + 2 + step * i)[0] for i in range(count)]
        if name in (b"thmb", b"auxl", b"cdsc"):
            meta.hidden.add(origin)
        elif name == b"dimg":
            meta.hidden.update(targets)


def _read_owners(source: Source, meta: _Meta, at: int) -> None:
    version, flags = source.get(at, 1)[0], source.get(at + 3, 1)[0]
    (count,) = source.unpack(">I", at + 4)
    at += 8
    for _ in range(count):
        form = ">HB" if version == 0 else ">IB"
        number, entries = source.unpack(form, at)
        at += 3 if version == 0 else 5
        wide = 2 if flags & 1 else 1
        found = []
        for _ in range(entries):
            value = int.from_bytes(source.get(at, wide), "big")
            found.append(value & (0x7FFF if wide == 2 else 0x7F))
            at += wide
        meta.owned[number] = found


def _read_places(source: Source, meta: _Meta, start: int, data_at: int) -> None:
    version = source.get(start, 1)[0]
    sizes, more = source.unpack(">BB", start + 4)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    at = start + 6

    def take(count: int) -> int:
        nonlocal at
        value = int.from_bytes(source.get(at, count), "big")
        at += count
        return value

    for _ in range(take(2 if version < 2 else 4)):
        number = take(2 if version < 2 else 4)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size) + (data_at if method == 1 else 0)
        extents = []
        count = take(2)
        if count > 1 and not offset_size + length_size:
            raise DamagedError("damaged header")
        for _ in range(count):
            take(index_size)
            offset, length = take(offset_size), take(length_size)
            extents.append((base + offset, length))
        if method <= 1:
            meta.extents[number] = extents


def _header(source: Source, meta: _Meta, kind: str) -> Header:
    size: tuple[int, int] | None = None
    turns: list[int | str] = []
    bits: set[int] = set()
    channels: int | None = None
    for number in meta.owned.get(meta.primary, []):
        if not 1 <= number <= len(meta.properties):
            raise DamagedError("damaged header")
        name, at, length = meta.properties[number - 1]
        if name == b"ispe":
            if size is not None:
                raise DamagedError("damaged header: it gives its size twice")
            width, height = source.unpack(">II", at + 4)
            size = (width, height)
        elif name == b"irot":
            turns.append(source.get(at, 1)[0] & 3)
        elif name == b"imir":
            turns.append("h" if source.get(at, 1)[0] & 1 else "v")
        elif name == b"clap":
            raise UnsupportedError(f"a cropped {kind} is not supported")
        elif name == b"pixi":
            data = source.get(at + 4, length - 4)
            channels = data[0]
            bits |= set(data[1:])
        elif name == b"av1C":
            flags = source.get(at + 2, 1)[0]
            bits.add(8 if not flags & 0x40 else 12 if flags & 0x20 else 10)
    if size is None or len(bits) > 1:
        raise DamagedError("damaged header")
    if kind == "AVIF":
        _check_pictures(source, meta, size)
    shown = [k for number, k in meta.kinds.items() if number not in meta.hidden]
    pages = sum(k in (b"av01", b"hvc1", b"grid") for k in shown)
    depth = bits.pop() if bits else 8
    odd = sum(turn for turn in turns if isinstance(turn, int)) % 2 == 1
    return Header(
        kind,
        size[0],
        size[1],
        turned=odd,
        channels=channels if channels == 1 else 3,
        white=2**depth - 1 if kind == "AVIF" else None,
        pages=max(1, pages),
        lossy=True,
        turns=tuple(turns),
    )


def _check_pictures(source: Source, meta: _Meta, size: tuple[int, int]) -> None:
    """No coded picture may be larger than the header says: decoders make room for all of it."""
    for number, kind in meta.kinds.items():
        if kind != b"av01":
            continue
        extents = meta.extents.get(number, [])
        if sum(length for _, length in extents) > source.length:
            raise DamagedError("damaged header")
        data = b"".join(source.get(at, length or source.length - at) for at, length in extents)
        for coded in av1_sizes(data):
            if coded[0] > size[0] or coded[1] > size[1]:
                raise DamagedError("damaged header: its sizes contradict each other")
            if number == meta.primary and coded != size:
                raise DamagedError("damaged header: its sizes contradict each other")


def av1_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of each sequence header in the data of one picture."""
    at, found = 0, False
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        if head & 2:
            length, at = _leb128(data, at)
        else:
            length = len(data) - at
        if at + length > len(data):
            raise DamagedError("damaged or cut short")
        if head >> 3 & 15 == _SEQUENCE:
            found = True
            yield _sequence_size(_Bits(data[at : at + length]))
        at += length
    if not found:
        raise DamagedError("damaged header")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        if at >= len(data):
            raise DamagedError("damaged or cut short")
        value |= (data[at] & 0x7F) << 7 * i
        at += 1
        if not data[at - 1] & 0x80:
            break
    return value, at


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:256], "big")
        self._left = 8 * len(data[:256])

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise DamagedError("damaged or cut short")
        return self._value >> self._left & (1 << count) - 1


def _sequence_size(bits: _Bits) -> tuple[int, int]:
    bits.take(3)  # profile
    bits.take(1)  # a still picture
    if bits.take(1):  # with the short header of one
        bits.take(5)
    else:
        if bits.take(1):
            raise UnsupportedError("an AVIF with timing information is not supported")
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delays and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1
