"""Outputs of transformers, (n, prefix + places, channels), as maps of features.

Patches of a grid come row by row, after the tokens that stand for no place: the class token and
registers. How many those are shows in the number of all tokens, for patches are square and fill the
image; where that leaves a choice, the layer's name says it: ``last_hidden_state[5:]``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError

Array = NDArray[np.float32]
Size = tuple[int, int]

#: Tokens before those of patches, at most, unless a layer's name says how many.
_MOST_PREFIX = 8


@dataclass(frozen=True)
class TokenGrid:
    """How an output of tokens is laid out."""

    prefix: int  #: Tokens before those of patches.
    patch: int  #: Side of a patch in pixels.

    def as_map(self, tokens: Array, size: Size) -> Array:
        """Tokens (n, prefix + h * w, channels) of images of a size as (n, channels, h, w).

        Another number of tokens than the size makes is an InvalidInputError.
        """
        n, count, channels = tokens.shape
        height, width = (side // self.patch for side in size)
        if count != self.prefix + height * width:
            raise InvalidInputError(
                f"an image of {size[0]} x {size[1]} pixels gives {count} tokens, not {self.prefix}"
                f" and one for each of {height} x {width} patches"
            )
        grid = tokens[:, self.prefix :].reshape(n, height, width, channels)
        return np.ascontiguousarray(grid.transpose(0, 3, 1, 2))


def split_name(layer: str, outputs: Sequence[str]) -> tuple[str, int | None]:
    """Name of the output that a layer means, and of how many tokens it drops, if it says so."""
    found = None if layer in outputs else re.fullmatch(r"(.+)\[(\d{1,4}):\]", layer)
    return (layer, None) if found is None else (found[1], int(found[2]))


def find_grid(
    output: str, said: int | None, shapes: Sequence[tuple[Size, tuple[int, ...]]], title: str
) -> TokenGrid:
    """The layout of an output whose shape, (n, tokens, channels), is known for sizes of images.

    ``said`` is how many tokens come before the patches, where the user says it. The first size for
    which one layout goes decides; if there is none, a WeightsError says which output it is and how
    it can be named.
    """
    several: list[TokenGrid] = []
    for size, shape in shapes:
        found = _grids(shape[1], size, range(_MOST_PREFIX + 1) if said is None else (said,))
        if len(found) == 1:
            return found[0]
        several = several or found
    if not shapes:
        raise WeightsError(f"output {output!r} of {title} gives tokens for no usual size of image")
    (height, width), shape = shapes[0]
    shown = f"output {output!r} of {title} gives {shape} for an image of {height} x {width} pixels"
    if several:
        names = " or ".join(repr(f"{output}[{grid.prefix}:]") for grid in several)
        raise WeightsError(
            f"{shown}: tokens that are patches in more than one way; say in layers= how many of"
            f" them come before the patches, as {names}"
        )
    before = f"0 to {_MOST_PREFIX}" if said is None else said
    raise WeightsError(
        f"{shown}: neither a feature map (n, channels, height, width) nor, after {before} others,"
        " tokens of a grid of square patches. Choose another output, or say in layers= how many"
        f" tokens come before the patches, as {output + '[5:]'!r}"
    )


def _grids(count: int, size: Size, prefixes: Sequence[int]) -> list[TokenGrid]:
    height, width = size
    return [
        TokenGrid(prefix, patch)
        for prefix in prefixes
        for patch in range(2, min(size) // 2 + 1)
        if height % patch == 0 == width % patch
        and (height // patch) * (width // patch) == count - prefix
    ]
