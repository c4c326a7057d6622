"""Objects that a detector file can hold."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from numpy.typing import NDArray

from pyimgano.utils.parameters import Parameter


class Storable(Protocol):
    """A part of a detector that goes into its file, as numbers and without pickle.

    Attributes
    ----------
    kind : str
        What files call the class.
    PARAMETERS : dict
        The constructor's arguments, which the object keeps as attributes; those that are
        ``stored`` go into the file.
    """

    kind: ClassVar[str]
    PARAMETERS: ClassVar[Mapping[str, Parameter]]

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """What was learnt: arrays of finite numbers, by names of letters, digits and ``_``."""
        ...

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """An object that works as the stored one did, of parameters checked by ``PARAMETERS``.

        The state is what :meth:`to_state` gave. It comes from a file, and files may come from
        anybody: raise a ``ValueError`` for shapes and values that cannot be.
        """
        ...


def is_storable(cls: type[Any]) -> bool:
    """Whether a class has what a :class:`Storable` must have."""
    kind, parameters = getattr(cls, "kind", None), getattr(cls, "PARAMETERS", None)
    methods = (getattr(cls, "to_state", None), getattr(cls, "from_state", None))
    return (
        isinstance(kind, str)
        and kind != ""
        and isinstance(parameters, Mapping)
        and all(map(callable, methods))
    )
