"""TIFF and BigTIFF."""

import struct
from dataclasses import dataclass
from typing import Any

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError

_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_COMPRESSIONS = {1, 2, 3, 4, 5, 8, 32773, 32946}
_NAMES = {
    6: "JPEG",
    7: "JPEG",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "zstd",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_COLOURS = {4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 32803: "raw camera"}
_FORMATS = {2: "int", 3: "float"}
#: More pages are not counted.
_MOST_PAGES = 100_000

_Tags = dict[int, tuple[int, int, int]]


@dataclass(frozen=True)
class _Layout:
    """How directories are stored: byte order, and the sizes that BigTIFF doubles."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> int:
        return 20 if self.big else 12


def tiff_header(source: Source) -> Header:
    """Size, kind of pixels and number of pages; refuses by name what is not read right."""
    order = "<" if source.get(0, 2) == b"II" else ">"
    layout = _Layout(order, source.unpack(order + "H", 2)[0] == 43)
    at = source.unpack(layout.offset, 8 if layout.big else 4)[0]
    seen: set[int] = set()
    pages, first = 0, None
    while at and len(seen) < _MOST_PAGES:
        if at in seen:
            raise DamagedError("damaged: its pages follow each other in a ring")
        seen.add(at)
        tags, at = _directory(source, layout, at)
        # Thumbnails (1) and masks (4) are no pages.
        kind = _number(source, layout, tags, 254, 0)
        first = tags if first is None else first
        pages += not kind & 5 or tags is first
    if first is None:
        raise DamagedError("damaged header")
    return _header(source, layout, first, pages)


def _directory(source: Source, layout: _Layout, at: int) -> tuple[_Tags, int]:
    """Type, count and place of the value of each tag, and where the next directory begins."""
    (count,) = source.unpack(layout.count, at)
    at += struct.calcsize(layout.count)
    if count > 4096:
        raise DamagedError("damaged header")
    form = layout.order + ("HHQ" if layout.big else "HHI")
    tags: _Tags = {}
    for _ in range(count):
        tag, kind, number = source.unpack(form, at)
        if tag in tags:
            raise DamagedError(f"damaged header: tag {tag} stands in it twice")
        room = 8 if layout.big else 4
        place = at + struct.calcsize(form)
        if _SIZES.get(kind, 1) * number > room:
            (place,) = source.unpack(layout.offset, place)
        tags[tag] = kind, number, place
        at += layout.entry
    return tags, source.unpack(layout.offset, at)[0]


def _numbers(source: Source, layout: _Layout, tags: _Tags, tag: int) -> tuple[int, ...]:
    if tag not in tags:
        return ()
    kind, number, place = tags[tag]
    if kind not in _TYPES or number * _SIZES[kind] > source.length:
        raise DamagedError(f"damaged header: tag {tag} is of a wrong type")
    found: tuple[Any, ...] = source.unpack(f"{layout.order}{number}{_TYPES[kind]}", place)
    return found


def _number(source: Source, layout: _Layout, tags: _Tags, tag: int, default: int) -> int:
    found = _numbers(source, layout, tags, tag)
    return found[0] if found else default


def _header(source: Source, layout: _Layout, tags: _Tags, pages: int) -> Header:
    def one(tag: int, default: int) -> int:
        return _number(source, layout, tags, tag, default)

    def refuse(text: str) -> UnsupportedError:
        return UnsupportedError(f"{text} TIFF is not supported")

    width, height, samples = one(256, 0), one(257, 0), one(277, 1)
    if not (width and height):
        raise DamagedError("damaged header")
    compression = one(259, 1)
    if compression not in _COMPRESSIONS:
        raise refuse(f"a {_NAMES.get(compression, f'compression-{compression}')}-compressed")
    depths = set(_numbers(source, layout, tags, 258)) or {1}
    formats = set(_numbers(source, layout, tags, 339)) or {1}
    bits = depths.pop()
    if len(formats) > 1 or depths:
        raise refuse("a mixed-depth")
    if (code := formats.pop()) not in (1, 4):
        raise UnsupportedError(
            f"it has {_FORMATS.get(code, 'complex')}{bits} pixels; 8- and 16-bit integers are"
            " supported"
        )
    colour = one(262, 1)
    if colour not in (0, 1, 2, 3):
        raise refuse(f"a {_COLOURS.get(colour, f'colour-space-{colour}')}")
    if bits not in ((1, 8, 16) if colour < 2 else (8, 16) if colour == 2 else (8,)):
        raise refuse(f"a {bits}-bit{' palette' if colour == 3 else ''}")
    usual = 3 if colour == 2 else 1
    if not usual <= samples <= usual + 1:
        raise refuse(f"a {samples}-channel{' colour' if colour == 2 else ''}")
    if bits == 16 and usual == 1 and samples == 2:
        raise refuse("a 16-bit grey-and-alpha")
    if one(284, 1) == 2 and bits == 16 and samples > 1:
        raise refuse("a 16-bit planar")
    if one(322, 0) and bits < 16 and samples == 1:
        raise refuse("a tiled 8-bit grey")
    _check_data(source, layout, tags)
    alpha = samples > usual
    extra = _numbers(source, layout, tags, 338) if alpha else ()
    return Header(
        "TIFF",
        width,
        height,
        turned=one(274, 1) >= 5,
        channels=3 if colour >= 2 else 1,
        pages=pages,
        inverted=colour == 0 and bits == 16,
        patches=_unmultiplied(layout, tags) if extra == (2,) and bits == 8 else (),
        opaque=extra == (1,),
    )


def _check_data(source: Source, layout: _Layout, tags: _Tags) -> None:
    """Whether all strips or tiles lie within the file."""
    places, counts = (324, 325) if 324 in tags else (273, 279)
    starts = _numbers(source, layout, tags, places)
    lengths = _numbers(source, layout, tags, counts)
    if not starts or (lengths and len(lengths) != len(starts)):
        raise DamagedError("damaged header")
    for start, length in zip(starts, lengths, strict=False):
        if start + length > source.length or not length:
            raise DamagedError("damaged or cut short")


def _unmultiplied(layout: _Layout, tags: _Tags) -> tuple[tuple[int, bytes], ...]:
    """What keeps the decoder from multiplying colours by alpha: told that they are, it lets be."""
    kind, _, place = tags[338]
    return ((place, struct.pack(layout.order + _TYPES[kind], 1)),)
