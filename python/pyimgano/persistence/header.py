"""What the header of a detector file holds, entry by entry."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any

from pyimgano.features.backbones.embedded import engines as embedded_engines
from pyimgano.features.backbones.onnx.engines import ENGINES
from pyimgano.features.backbones.timm import POSITION_EMBEDDING
from pyimgano.features.patches.filter_bank import FilterBank
from pyimgano.features.patches.pooled import PooledPatches
from pyimgano.models.base import PixelDetector
from pyimgano.models.catalogue import storable_class
from pyimgano.models.classical import ClassicalDetector
from pyimgano.models.parameters import Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.persistence.container import Malformed
from pyimgano.persistence.rules import (
    ANY_TEXT,
    HASH,
    OLDER_PARAMETERS,
    Extended,
    Fields,
    Fraction,
    Named,
    entry,
    stored_parameters,
)
from pyimgano.persistence.scorers import scorer_rule
from pyimgano.persistence.weights_file import MOST_BYTES
from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess
from pyimgano.utils.parameters import Choice, Count, Either, Flag, ListOf, Number, Parameter, Text

#: A parameter of somebody else's class.
_VALUE = Either(
    Flag(),
    Count(-(2**53), 2**53, none=True),
    Number(),
    Text(4096, ANY_TEXT),
    ListOf(
        Either(Flag(), Count(-(2**53), 2**53), Number(), Text(4096, ANY_TEXT), ListOf(Number()))
    ),
)
#: Of a PyOD detector: whole numbers may say how often something is done.
_PYOD_VALUE = Either(
    Flag(),
    Count(-1000, 1000, none=True),
    Fraction(-1e6, 1e6),
    Text(64, r"[A-Za-z0-9_.-]*"),
    ListOf(Number(-1e6, 1e6)),
)


def family(kind: str) -> str:
    """What files hold of detectors of a kind beside what their class declares: a row of the tables.

    ``"patchcore"``, whose parameters are its scorer's; ``"patch"``; ``"classical"``; ``"other"``.
    """
    cls = storable_class(kind)
    if issubclass(cls, PatchDetector):
        return "patchcore" if kind == "patchcore" else "patch"
    return "classical" if issubclass(cls, ClassicalDetector) else "other"


def detector_parameters(kind: str) -> Fields:
    """The rule of the entry ``params``: what the class declares, and PyOD's own parameters."""
    cls = storable_class(kind)
    further = {"params": Named(_PYOD_VALUE, 64)} if family(kind) == "classical" else {}
    declared = stored_parameters(cls.PARAMETERS)
    return Fields({**declared, **further}, absent=OLDER_PARAMETERS)


_NAMES = ListOf(Text(), 1)
_FILE = Text(4096, ANY_TEXT, none=True)
#: Files of older versions call it ``embedded``.
FILTER_BANK = Fields(
    {
        "kind": Choice("filterbank", "embedded"),
        "backbone": Choice("filterbank", "embedded"),
        **stored_parameters(FilterBank.PARAMETERS),
    }
)
#: The network that comes with the package; its SHA-256 says which.
NETWORK = Fields(
    {
        "kind": Choice("network"),
        "backbone": Choice("embedded"),
        "layers": _NAMES,
        "network": Text(64),
        "network_sha256": Text(64, HASH),
        "engine": Choice(*embedded_engines.ENGINES),
    }
)


def _pooled(kind: str, patches: Fields) -> Fields:
    sizes = stored_parameters(PooledPatches.PARAMETERS)
    return Fields({"kind": Choice(kind), "given": Flag(), "patches": patches, **sizes})


POOLED, POOLED_NETWORK = _pooled("pooled", FILTER_BANK), _pooled("pooled_network", NETWORK)
#: ``location`` is where a file of ``weights_bytes`` was when the detector was fitted: a hint.
_TORCH: Parameters = {
    "backbone": Text(),
    "layers": _NAMES,
    "weights": Text(),
    "weights_bytes": Count(1, MOST_BYTES, none=True),
    "weights_sha256": Text(64, HASH, none=True),
    "parameters_sha256": Text(64, HASH),
    "location": _FILE,
    "engine": Choice(*ENGINES, none=True),
}
#: Where torch runs it, the entry may be absent.
_BY_TORCH = {"engine": None}
TORCHVISION = Fields({"kind": Choice("torchvision"), **_TORCH}, absent=_BY_TORCH)
_MEAN_STD = ListOf(ListOf(Number(-1e3, 1e3), 3, 3), 2, 2)
TIMM = Fields(
    {
        "kind": Choice("timm"),
        **_TORCH,
        "normalization": _MEAN_STD,
        "position_embedding": POSITION_EMBEDDING,
    },
    absent=_BY_TORCH,
)
ONNX = Fields(
    {
        "kind": Choice("onnx"),
        "backbone": Text(),
        "layers": _NAMES,
        "normalization": _MEAN_STD,
        "engine": Choice(*ENGINES),
        "weights": Text(),
        "weights_bytes": Count(1, MOST_BYTES),
        "weights_sha256": Text(64, HASH),
        "exported_from": Named(Text(4096, ANY_TEXT), 8, none=True),
        "embedded": Flag(),
        "location": _FILE,
    }
)
#: A backbone that others registered; ``parameters`` make the object that was given.
REGISTERED = Fields(
    {
        "kind": Choice("registered"),
        "backbone": Text(),
        "layers": _NAMES,
        "given": Flag(),
        "parameters": Named(_VALUE, 64),
        "info_sha256": Text(64, HASH),
        "weights": Text(255, r"[^/\\]+", none=True),
        "weights_bytes": Count(1, MOST_BYTES, none=True),
        "weights_sha256": Text(64, HASH, none=True),
        "location": _FILE,
    }
)
_OF_PATCHES = {
    "filterbank": FILTER_BANK,
    "embedded": FILTER_BANK,
    "network": NETWORK,
    "torchvision": TORCHVISION,
    "timm": TIMM,
    "onnx": ONNX,
    "registered": REGISTERED,
}
#: The kinds of features of each family of detectors.
FEATURES = {
    "patchcore": _OF_PATCHES,
    "patch": _OF_PATCHES,
    "classical": {"pooled": POOLED, "pooled_network": POOLED_NETWORK},
    "other": {"none": Fields({"kind": Choice("none")})},
}

_FITTED: dict[str, Parameter] = {
    "threshold": Extended(),
    "threshold_source": Text(10_000, ANY_TEXT),
    "false_positive_rate": Fields(
        {
            "target": Number(1e-300, 1.0 - 2.0**-53),
            "n_images": Count(0, 2**40),
            "fitted": Flag(),
        },
        absent={"fitted": False},
        none=True,
    ),
    "skipped": ListOf(Text(4096, ANY_TEXT), 0, 20_000),
    "training_set": Fields(
        {"n_images": Count(1, 2**40), "sha256": Text(64, HASH), "of": Text(200, ANY_TEXT)},
        none=True,
    ),
    "pixel_bits": ListOf(Choice(8, 16), 0, 2),
}
#: What files of older versions lack.
_OLDER: dict[str, Any] = {"pixel_bits": []}
_WITH_MAPS = Fields(
    {
        **_FITTED,
        "map_threshold": Extended(none=True),
        "map_level": Extended(none=True),
        "postprocess": Fields(
            stored_parameters(AnomalyMapPostprocess.PARAMETERS),
            absent={one.name: one.default for one in dataclass_fields(AnomalyMapPostprocess)},
            none=True,
        ),
        "pixel_threshold": Extended(none=True),
        "pixel_target": Fields(
            {
                "of": Choice("pixels", "regions"),
                "target": Number(1e-300, 1.0 - 2.0**-53),
                "n": Count(0, 2**40),
            },
            none=True,
        ),
    },
    absent={**_OLDER, "postprocess": None, "pixel_threshold": None, "pixel_target": None},
)
_WITHOUT_MAPS = Fields(_FITTED, absent=_OLDER)
_CHANGE = Fields(
    {
        "measured": Text(500, ANY_TEXT),
        "rows": Count(0, 2**40),
        "largest_relative": Number(0, 1e9),
        "median_relative": Number(0, 1e9),
    },
    none=True,
)
_STORED_BANK = {"dtype": Choice("float32", "float16"), "change": _CHANGE}
_BANK = {"patchcore": Fields(_STORED_BANK), "patch": Fields(_STORED_BANK, none=True)}


def check_header(header: Any) -> dict[str, Any]:
    """The header with every value as constructors take it.

    Raises
    ------
    Malformed
        An entry is missing, unknown, or out of its range.
    UnknownNameError
        Nobody has registered such a detector or scorer here; names it.
    """
    if not isinstance(header, dict):
        raise Malformed("its header is no JSON object")
    for name in ("detector", "features"):
        if name not in header:
            raise Malformed(f"its header lacks the entry {name!r}")
    kind, features = entry("detector", Text(), header["detector"]), header["features"]
    has_maps = issubclass(storable_class(kind), PixelDetector)
    features_kind: Any = features.get("kind") if isinstance(features, dict) else None
    allowed = FEATURES[family(kind)]
    if not isinstance(features_kind, str) or features_kind not in allowed:
        raise Malformed(f"'features' are not of the kind {' or '.join(allowed)}")
    rules = {
        "created": Text(40),
        "detector": Choice(kind),
        "params": detector_parameters(kind),
        "features": allowed[features_kind],
        "fitted": _WITH_MAPS if has_maps else _WITHOUT_MAPS,
        "bank": _BANK.get(family(kind), Choice(none=True)),
        "versions": Named(Text(100), 64),
    }
    if family(kind) == "patch":
        given = header.get("scorer")
        scorer_kind = given.get("kind") if isinstance(given, dict) else None
        if not isinstance(scorer_kind, str):
            raise Malformed("'scorer' lacks the entry 'kind'")
        rules["scorer"] = scorer_rule(scorer_kind)
    return dict(Fields(rules).accept(header))
