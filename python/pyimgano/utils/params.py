"""Constructor parameters as scikit-learn expects them."""

import copy
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypeVar

from pyimgano.errors import InvalidInputError
from pyimgano.utils.parameters import Parameter

T = TypeVar("T")
#: ``*args`` and ``**params``, which have no names.
_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _names(cls: type[Any]) -> list[str]:
    parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.kind not in _OPEN]


def check_declaration(cls: type[Any]) -> None:
    """Whether a class's ``PARAMETERS`` and its constructor name the same.

    Raises
    ------
    InvalidInputError
        Names the class and the parameter that one of the two lacks.
    """
    known, declared = _names(cls), getattr(cls, "PARAMETERS", {})
    for name in (*known, *declared):
        if (name in known) != (name in declared):
            lacks = "PARAMETERS lack" if name in known else "constructor lacks"
            raise InvalidInputError(f"{cls.__name__}: its {lacks} {name!r}")


def take_common(cls: type[Any], base: type[Any], without: Iterable[str] = ()) -> None:
    """Let a constructor that ends in ``**common`` be known by the parameters of a base as well.

    It hands them on to the base's. Its signature, and with it ``get_params``, then has them all,
    but for those ``without`` that the class sets itself.
    """
    given = inspect.signature(cls.__init__)
    own = [one for one in given.parameters.values() if one.name != "common"]
    if len(own) == len(given.parameters):
        return
    known = {one.name for one in own} | set(without)
    further = inspect.signature(base.__init__).parameters.values()
    both = [*own, *(one for one in further if one.name not in known)]
    cls.__init__.__signature__ = given.replace(parameters=both)


class ParamsMixin:
    """``get_params`` / ``set_params`` over the constructor's arguments.

    ``sklearn.base.clone`` needs no more than these; inheriting from ``BaseEstimator`` would import
    scikit-learn with every detector.
    """

    #: Each constructor argument, and what it may be; their order is that of ``--help``.
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}

    def check_params(self) -> None:
        """Check the parameters alone; an :class:`InvalidInputError` names the one at fault."""
        for name, parameter in self.PARAMETERS.items():
            parameter.check(name, getattr(self, name))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, by name (``deep`` is accepted and changes nothing)."""
        return {name: getattr(self, name) for name in _names(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments; takes effect at the next ``fit``."""
        known = _names(type(self))
        for name, value in params.items():
            if name not in known:
                raise InvalidInputError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def changed_params(self) -> dict[str, Any]:
        """Those of the constructor's arguments that differ from their defaults, by name."""
        defaults = inspect.signature(type(self).__init__).parameters
        return {
            name: value
            for name, value in self.get_params().items()
            if name not in defaults or not _same(value, defaults[name].default)
        }

    def __repr__(self) -> str:
        changed = [f"{name}={value!r}" for name, value in self.changed_params().items()]
        return f"{type(self).__name__}({', '.join(changed)})"


class OpenParamsMixin(ParamsMixin):
    """The same for a constructor that takes further parameters and keeps them in ``params``."""

    params: dict[str, Any]

    def _check_further(self, names: Iterable[str]) -> None:
        """Refuse further parameters that do not exist; by default there are no others to know."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name, the further ones included."""
        return {**super().get_params(deep), **self.params}

    def set_params(self, **params: Any) -> Self:
        """Change arguments, the further ones included; takes effect at the next ``fit``."""
        own = {k: v for k, v in params.items() if k in _names(type(self))}
        further = {k: v for k, v in params.items() if k not in own}
        super().set_params(**own)
        self._check_further(further)
        self.params = {**self.params, **further}
        return self


def _same(a: Any, b: Any) -> bool:
    """Equality that no parameter can make fail: arrays and the like count as changed."""
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except (ValueError, TypeError):
        return False


def check_declared(given: Any) -> None:
    """Check the parameters of an object that declares them in ``PARAMETERS``."""
    if callable(getattr(given, "check_params", None)):
        given.check_params()
        return
    for name, parameter in getattr(given, "PARAMETERS", {}).items():
        parameter.check(name, getattr(given, name))


def cloned(name: str, given: T) -> T:
    """A copy, without what it has learnt, of an object that is the value of a parameter.

    By ``get_params`` as ``sklearn.base.clone`` makes it, else from copies of the attributes that
    ``PARAMETERS`` names, else by ``copy.deepcopy``. One that cannot be copied is an
    InvalidInputError.
    """
    try:
        if not callable(getattr(given, "get_params", None)) and hasattr(given, "PARAMETERS"):
            values = {one: getattr(given, one) for one in given.PARAMETERS}
            return type(given)(**copy.deepcopy(values))
        from sklearn.base import clone  # here, for most detectors need none of it

        copied: T = clone(given, safe=False)
    except Exception as error:  # whatever its parts raise
        raise InvalidInputError(
            f"{name} {type(given).__name__} learns, and cannot be copied for that:"
            f" {str(error).partition(chr(10))[0]}"
        ) from error
    return copied
