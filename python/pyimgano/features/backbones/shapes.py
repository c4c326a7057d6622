"""What the shapes of a network's outputs say about it, for images of one size and of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Size = tuple[int, int]
Shapes = Mapping[str, tuple[int, ...]]

#: Heights and widths tried, in pairs: small ones cost little, some networks need more.
_PAIRS = (((64, 96), (96, 160)), ((256, 320), (320, 448)))
#: Of networks that take no other.
FIXED = ((224, 224), (256, 256), (384, 384), (518, 518))


@dataclass(frozen=True)
class Sample:
    """Shapes of the outputs for one image of a size."""

    size: Size
    shapes: Shapes


def take_samples(
    shapes: Callable[[Size], Shapes | None], only: Sequence[Size] = FIXED
) -> list[Sample]:
    """Two samples; one where the network takes no other size; none where it takes no size tried.

    ``shapes`` gives None for a size that the network does not take; ``only`` are sizes tried where
    no pair goes.
    """
    for sizes in (*_PAIRS, *((size,) for size in only)):
        found = [Sample(size, one) for size in sizes if (one := shapes(size)) is not None]
        if len(found) == len(sizes):
            return found
    return []


def stride(samples: Sequence[Sample], layer: str, axes: tuple[int, int] = (2, 3)) -> int:
    """Pixels between neighbouring values of a layer; 0 if that cannot be told.

    ``axes`` are those of height and width in its shape.
    """
    # Of one sample, the size itself; of two, what one is larger by: borders have no part in it.
    first = samples[0] if len(samples) == 2 else Sample((0, 0), {layer: (0,) * 4})
    last = samples[-1]
    found = set()
    for axis, wide, wider in zip(axes, first.size, last.size, strict=True):
        more = last.shapes[layer][axis] - first.shapes[layer][axis]
        found.add(round((wider - wide) / more) if more > 0 else 0)
    return found.pop() if len(found) == 1 else 0
