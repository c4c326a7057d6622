"""Parts of a detector that say themselves what a file holds of them."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError
from pyimgano.persistence.container import Tensors, take
from pyimgano.persistence.rules import stored_parameters
from pyimgano.utils.foreign import asked
from pyimgano.utils.parameters.base import brief

#: Beyond any feature or score; squares of it stay finite.
LARGEST = 1e15
_DTYPES = (np.float16, np.float32, np.float64, np.int32, np.uint8)


def parameters_of(part: Any) -> dict[str, Any]:
    """Those constructor parameters of a storable object that files hold, checked."""
    declared = type(part).PARAMETERS
    return {
        name: declared[name].check(name, getattr(part, name))
        for name in stored_parameters(declared)
    }


def arrays_of(part: Any, title: str, prefix: str) -> Tensors:
    """What a storable object has learnt, under names with a prefix.

    An array or a name that no file holds is an InvalidInputError with the title.
    """
    whose = f"its {title} {type(part).__name__}"
    return named_arrays(asked(whose, part.to_state), whose, prefix)


def named_arrays(state: Any, whose: str, prefix: str) -> Tensors:
    """The same of what ``to_state`` gave; the message begins with whose it is."""
    if not isinstance(state, Mapping):
        raise InvalidInputError(f"{whose} gives {brief(state)} as its state, not arrays by names")
    tensors = {}
    for name, value in state.items():
        array, legal = np.asarray(value), re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,63}", str(name))
        if not legal or array.dtype.type not in _DTYPES:
            known = ", ".join(one.__name__ for one in _DTYPES)
            raise InvalidInputError(
                f"{whose} gives {name!r} as {array.dtype}: a file holds"
                f" arrays of {known}, by names of letters, digits and _"
            )
        tensors[f"{prefix}{name}"] = array
    return tensors


def take_arrays(tensors: Tensors, prefix: str) -> Tensors:
    """All tensors with a prefix, taken out, without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {
        name.removeprefix(prefix): take(
            tensors, name, (None,) * tensors[name].ndim, _DTYPES, -LARGEST, LARGEST
        )
        for name in names
    }
