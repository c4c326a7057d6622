"""Image sets; their home is :mod:`pyimgano.datasets`."""

from typing import Any

_NAMES = (
    "BTADDataset",
    "CustomDataset",
    "MVTecDataset",
    "SyntheticDataset",
    "VisADataset",
    "generate_synthetic",
    "list_categories",
    "list_datasets",
    "load_dataset",
)
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        from pyimgano import datasets

        return getattr(datasets, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
