"""What the header of a detector file holds, entry by entry."""

from __future__ import annotations

from typing import Any

from pyimgano.features.onnx_engines import ENGINES
from pyimgano.models.pyod_catalogue import DETECTORS
from pyimgano.persistence.container import Malformed
from pyimgano.persistence.rules import (
    NAME,
    SHA256,
    Rule,
    choice,
    either,
    extended,
    fields,
    flag,
    fraction,
    image_size,
    integer,
    listed,
    mapping,
    number,
    optional,
    text,
)
from pyimgano.persistence.weights_file import MOST_BYTES

_COMMON: dict[str, Rule] = {
    "contamination": number(0, 1, above=True),
    "random_state": optional(integer(0, 2**63 - 1)),
    "batch_size": integer(1, 1024),
    "on_bad_image": choice("raise", "skip"),
    "verbose": flag,
}
_NORMALIZATION = either(
    choice("imagenet"),
    listed(listed(number(-1e3, 1e3), 3, 3), 2, 2),
)
#: Constructor parameters of PatchCore; ``weights`` is among the features.
_PATCHCORE: dict[str, Rule] = {
    **_COMMON,
    "backbone": NAME,
    "layers": optional(listed(NAME, 64, 1)),
    "pretrained": flag,
    "image_size": image_size,
    "normalization": _NORMALIZATION,
    "coreset_ratio": number(0, 1, above=True),
    "n_neighbors": integer(1, 2**31 - 1),
    "knn_backend": choice("auto", "rust", "sklearn", "faiss"),
    "device": text(32, r"[a-z]+(:[0-9]{1,3})?"),
    "preset": choice(None, "paper"),
    "gaussian_sigma": number(0, 100),
    "bit_depth": optional(integer(1, 16)),
    "max_pixels": integer(1, 2**31 - 1),
    "engine": choice(None, *ENGINES),
}
#: Of a PyOD detector: whole numbers may say how often something is done.
_PYOD_VALUE = either(
    flag,
    choice(None),
    integer(-1000, 1000),
    fraction(-1e6, 1e6),
    text(64, r"[A-Za-z0-9_.-]*"),
    listed(number(-1e6, 1e6), 64),
)
_CLASSICAL: dict[str, Rule] = {
    **_COMMON,
    "detector": choice(*DETECTORS),
    "standardize": flag,
    "max_dims": optional(integer(1, 2**20)),
    "params": mapping(_PYOD_VALUE, 64),
}
PARAMS = {"patchcore": _PATCHCORE, "classical": _CLASSICAL}
#: Parameters that are no part of ``params``: those of the features have entries of their own, and
#: where a fit kept its intermediate results is over.
ELSEWHERE = {
    "patchcore": frozenset({"weights", "spill_dir"}),
    "classical": frozenset({"feature_extractor"}),
}

EMBEDDED = fields(
    {
        "kind": choice("embedded"),
        "backbone": choice("embedded"),
        "stride": integer(4, 64),
        "levels": integer(1, 5),
        "neighborhoods": listed(number(0, 16, above=True), 3),
        "compression": number(0, 1),
        "finest_weight": number(0, 1e3),
        "color_weight": number(0, 1e3),
        "n_components": integer(1, 2**20),
    }
)
POOLED = fields(
    {
        "kind": choice("pooled"),
        "image_size": image_size,
        "max_pixels": integer(1, 2**31 - 1),
        "given": flag,
        "patches": EMBEDDED,
    }
)
#: ``location`` is where a file of ``weights_bytes`` was when the detector was fitted: a hint.
TORCHVISION = fields(
    {
        "kind": choice("torchvision"),
        "backbone": NAME,
        "layers": listed(NAME, 64, 1),
        "weights": NAME,
        "weights_bytes": optional(integer(1, MOST_BYTES)),
        "weights_sha256": optional(SHA256),
        "parameters_sha256": SHA256,
        "location": optional(text(4096)),
    }
)
ONNX = fields(
    {
        "kind": choice("onnx"),
        "backbone": NAME,
        "layers": listed(NAME, 64, 1),
        "normalization": listed(listed(number(-1e3, 1e3), 3, 3), 2, 2),
        "engine": choice(*ENGINES),
        "weights": NAME,
        "weights_bytes": integer(1, MOST_BYTES),
        "weights_sha256": SHA256,
        "exported_from": optional(mapping(text(4096), 8)),
        "embedded": flag,
        "location": optional(text(4096)),
    }
)
FEATURES = {"embedded": EMBEDDED, "pooled": POOLED, "torchvision": TORCHVISION, "onnx": ONNX}

_TRAINING = fields({"n_images": integer(1, 2**40), "sha256": SHA256, "of": text(200)})
_RATE = fields(
    {
        "target": number(1e-300, 1.0 - 2.0**-53),
        "n_images": integer(0, 2**40),
        "fitted": flag,
    },
    absent={"fitted": False},
)
_FITTED: dict[str, Rule] = {
    "threshold": extended,
    "threshold_source": text(10_000),
    "false_positive_rate": optional(_RATE),
    "skipped": listed(text(4096), 20_000),
    "training_set": _TRAINING,
    "pixel_bits": listed(choice(8, 16), 2),
}
#: What files of older versions lack.
_OLDER: dict[str, Any] = {"pixel_bits": []}
FITTED = {
    "patchcore": fields(
        {**_FITTED, "map_threshold": extended, "map_level": extended}, absent=_OLDER
    ),
    "classical": fields(_FITTED, absent=_OLDER),
}
_CHANGE = fields(
    {
        "measured": text(500),
        "rows": integer(0, 2**40),
        "largest_relative": number(0, 1e9),
        "median_relative": number(0, 1e9),
    }
)
_BANK = fields({"dtype": choice("float32", "float16"), "change": optional(_CHANGE)})


def check_header(header: Any) -> dict[str, Any]:
    """The header with every value as constructors take it.

    Raises
    ------
    Malformed
        An entry is missing, unknown, or out of its range.
    """
    kind = _entry(header, "detector", choice(*PARAMS))
    features = _entry(header, "features", lambda value: value)
    features_kind: Any = features.get("kind") if isinstance(features, dict) else None
    allowed = ("pooled",) if kind == "classical" else ("embedded", "torchvision", "onnx")
    if features_kind not in allowed:
        raise Malformed(f"'features' are not of the kind {' or '.join(allowed)}")
    return dict(
        fields(
            {
                "created": text(40),
                "detector": choice(kind),
                "params": fields(PARAMS[kind]),
                "features": FEATURES[features_kind],
                "fitted": FITTED[kind],
                "bank": _BANK if kind == "patchcore" else choice(None),
                "versions": mapping(text(100), 64),
            }
        )(header)
    )


def _entry(header: Any, name: str, rule: Rule) -> Any:
    if not isinstance(header, dict) or name not in header:
        raise Malformed(f"its header lacks the entry {name!r}")
    try:
        return rule(header[name])
    except Malformed as error:
        raise Malformed(f"{name!r} {error}") from None
