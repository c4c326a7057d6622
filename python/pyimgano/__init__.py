"""Find defects in images after learning from good parts only.

>>> import pyimgano
>>> detector = pyimgano.create_model("patchcore", backbone="embedded")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyimgano.images.limits import limit_opencv

if TYPE_CHECKING:
    from pyimgano.datasets import load_dataset
    from pyimgano.models import create_model, list_models, model_info, register_model
    from pyimgano.persistence import load
    from pyimgano.pipelines.sort import sort_images

limit_opencv()  # before anything imports OpenCV

# Everything is imported when it is first used: `import pyimgano` alone must cost nothing.
_HOMES = {
    "create_model": "pyimgano.models",
    "list_models": "pyimgano.models",
    "model_info": "pyimgano.models",
    "register_model": "pyimgano.models",
    "load": "pyimgano.persistence",
    "load_dataset": "pyimgano.datasets",
    "sort_images": "pyimgano.pipelines.sort",
}

__all__ = [
    "__version__",
    "create_model",
    "list_models",
    "load",
    "load_dataset",
    "model_info",
    "register_model",
    "sort_images",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from pyimgano._rust import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
