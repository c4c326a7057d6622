"""Detectors by name."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

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
    """
    return _MODELS.get(name).value(**kwargs)


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


def _lazy(module: str, attribute: str, *args: Any) -> Callable[..., Any]:
    """A factory that imports its module when it is first called."""

    def build(**kwargs: Any) -> Any:
        return getattr(import_module(module), attribute)(*args, **kwargs)

    return build


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
        register_model(_known_as, _lazy(*_home), summary=_summary, tags=("pixel", *_tags, "core"))
_STORABLE.add(Entry("patch", ("pyimgano.models.patch_detector", "PatchDetector")))
_STORABLE.add(Entry("classical", ("pyimgano.models.classical", "ClassicalDetector")))

for _name, _detector in DETECTORS.items():
    register_model(
        f"vision_{_name}",
        _lazy("pyimgano.models.classical", "ClassicalDetector", _name),
        summary=_detector.summary,
        tags=("image", "classical"),
        extra="pyod",
    )

for _name, _network in ANOMALIB.items():
    register_model(
        f"vision_{_name}_anomalib",
        _lazy("pyimgano.models.anomalib_backend", "AnomalibDetector", _name),
        summary=_network.summary,
        tags=("pixel" if _network.has_map else "image", "anomalib"),
        extra="anomalib",
    )
