"""Detectors by name."""

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.models.anomalib_catalogue import MODELS as ANOMALIB
from pyimgano.models.pyod_catalogue import DETECTORS
from pyimgano.registry import Entry, Registry
from pyimgano.utils.params import check_declaration
from pyimgano.utils.storable import is_storable

_MODELS: Registry[Callable[..., Any]] = Registry("model")
#: Classes that detector files hold, by their kind; or where they are.
_STORABLE: Registry[type[Any] | tuple[str, str]] = Registry("kind of detector")


def register_model(
    name: str,
    factory: Callable[..., Any],
    *,
    summary: str = "",
    tags: Iterable[str] = (),
    extra: str | None = None,
    overwrite: bool = False,
) -> None:
    """Make a detector available under a name.

    Parameters
    ----------
    name, factory
        Name for :func:`create_model`, and the class or function that returns a detector. A class
        with a ``kind`` of its own that is a :class:`~pyimgano.extend.Storable` can be part of
        detector files from then on.
    summary, tags, extra
        For listings: one line, words to filter by, and the extra of pyimgano that it needs.
    overwrite
        Replace an entry of the same name.

    Raises
    ------
    InvalidInputError
        The name or the kind is taken, or the class's ``PARAMETERS`` are not its constructor's.
    """
    if isinstance(factory, type) and "kind" in vars(factory) and is_storable(factory):
        check_declaration(factory)
        kind: str = vars(factory)["kind"]
        _STORABLE.add(Entry(kind, factory), overwrite=overwrite)
    _MODELS.add(Entry(name, factory, summary, tuple(tags), extra), overwrite=overwrite)


def storable_class(kind: str) -> type[Any]:
    """The class of detectors that files call by a kind.

    Raises
    ------
    UnknownNameError
        Nobody has registered one here; names it.
    """
    found = _STORABLE.get(kind).value
    if isinstance(found, type):
        return found
    module, name = found
    cls: type[Any] = getattr(import_module(module), name)
    return cls


def is_storable_class(cls: type[Any]) -> bool:
    """Whether it is just this class that files mean by its kind."""
    # What a subclass does differently would be lost.
    return _STORABLE.find(cls.kind) is not None and storable_class(cls.kind) is cls


def create_model(name: str, **kwargs: Any) -> Any:
    """A new detector.

    Raises
    ------
    UnknownNameError
        No model of that name; lists the nearest ones.
    InvalidInputError
        The model has no such parameter; tells those that have it, or what it has.
    """
    factory = _MODELS.get(name).value
    known = _parameters(factory)
    if known is not None and (wrong := [given for given in kwargs if given not in known]):
        raise InvalidInputError(
            f"model {name!r} has no parameter {wrong[0]!r}; {_hint(wrong[0], known)}"
        )
    return factory(**kwargs)


def _hint(parameter: str, known: Iterable[str]) -> str:
    """Detectors on patches that have a parameter, else those parameters that there are."""
    having = [
        one
        for one, (home, *_) in _ON_PATCHES.items()
        if parameter in (_parameters(_Lazy(*home)) or ())
    ]
    return f"{', '.join(having)} can take it" if having else f"it has {', '.join(known)}"


def _parameters(factory: Callable[..., Any]) -> list[str] | None:
    """Names of the keywords that a factory takes; None where it takes any, or does not tell."""
    try:
        found = inspect.signature(factory.load() if isinstance(factory, _Lazy) else factory)
    except (TypeError, ValueError):  # of some builtins
        return None
    kinds = [one.kind for one in found.parameters.values()]
    return None if inspect.Parameter.VAR_KEYWORD in kinds else list(found.parameters)


def list_models(tags: Iterable[str] | None = None) -> list[str]:
    """Names of the models, sorted; with ``tags`` only those that carry all of them."""
    return _MODELS.names([tags] if isinstance(tags, str) else tags)


def model_info(name: str) -> dict[str, Any]:
    """Name, summary, tags and needed extra of a model."""
    entry = _MODELS.get(name)
    return {
        "name": entry.name,
        "summary": entry.summary,
        "tags": list(entry.tags),
        "extra": entry.extra,
    }


class _Lazy:
    """A factory that imports its module when it is first called."""

    def __init__(self, module: str, attribute: str, *args: Any) -> None:
        self.module, self.attribute, self.args = module, attribute, args

    def load(self) -> Callable[..., Any]:
        """What it calls."""
        found: Callable[..., Any] = getattr(import_module(self.module), self.attribute)
        return found

    def __call__(self, **kwargs: Any) -> Any:
        """A new detector."""
        return self.load()(*self.args, **kwargs)


#: Detectors on patch features: where their classes are, what listings say, and a further tag.
_ON_PATCHES = {
    "patchcore": (
        ("pyimgano.models.patchcore", "PatchCore"),
        "Nearest neighbours among patch features of normal images (Roth et al., 2022)",
        ("memory bank",),
    ),
    "padim": (
        ("pyimgano.models.padim", "PaDiM"),
        "Normal law of the patch features at each place (Defard et al., 2020)",
        (),
    ),
    "subspacead": (
        ("pyimgano.models.subspacead", "SubspaceAD"),
        "What is left of patch features beside the axes of normal ones (SubspaceAD, 2026)",
        (),
    ),
    "anomalydino": (
        ("pyimgano.models.anomalydino", "AnomalyDINO"),
        "Nearest neighbours by the cosine, for few good photos (Damm et al., 2025)",
        ("memory bank",),
    ),
    "superadd": (
        ("pyimgano.models.superadd", "SuperADD"),
        "A memory bank for each layer of a large transformer (SuperADD, 2026)",
        ("memory bank",),
    ),
    "mutual": (
        ("pyimgano.models.mutual", "MutualScoring"),
        "Nearest neighbours in most other images, none known as good (MuSc, Li et al., 2024)",
        (),
    ),
}

for _name, (_home, _summary, _tags) in _ON_PATCHES.items():
    _STORABLE.add(Entry(_name, _home))
    for _known_as in ("patchcore", "vision_patchcore") if _name == "patchcore" else (_name,):
        register_model(_known_as, _Lazy(*_home), summary=_summary, tags=("pixel", *_tags, "core"))
_STORABLE.add(Entry("patch", ("pyimgano.models.patch_detector", "PatchDetector")))
_STORABLE.add(Entry("classical", ("pyimgano.models.classical", "ClassicalDetector")))

for _name, _detector in DETECTORS.items():
    register_model(
        f"vision_{_name}",
        _Lazy("pyimgano.models.classical", "ClassicalDetector", _name),
        summary=_detector.summary,
        tags=("image", "classical"),
        extra="pyod",
    )

for _name, _network in ANOMALIB.items():
    register_model(
        f"vision_{_name}_anomalib",
        _Lazy("pyimgano.models.anomalib_backend", "AnomalibDetector", _name),
        summary=_network.summary,
        tags=("pixel" if _network.has_map else "image", "anomalib"),
        extra="anomalib",
    )
