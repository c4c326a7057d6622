"""What a constructor parameter may be, said once, beside the constructor.

A class names its parameters in ``PARAMETERS``. The check before a fit, the rules of detector files,
and the options of the command line with their help all come from there.
"""

from pyimgano.utils.parameters.base import Parameter, Unfit, brief, joined
from pyimgano.utils.parameters.compound import Either, ListOf, Normalization, Size, Worded
from pyimgano.utils.parameters.single import (
    Choice,
    Count,
    Device,
    Flag,
    Number,
    Opaque,
    PathLike,
    Registered,
    Text,
)

__all__ = [
    "Choice",
    "Count",
    "Device",
    "Either",
    "Flag",
    "ListOf",
    "Normalization",
    "Number",
    "Opaque",
    "Parameter",
    "PathLike",
    "Registered",
    "Size",
    "Text",
    "Unfit",
    "Worded",
    "brief",
    "joined",
]
