"""Backbones by name."""

from collections.abc import Callable
from typing import Any

from pyimgano.registry import Entry, Registry
from pyimgano.utils.optional_deps import optional_import

BACKBONES: Registry[Callable[..., Any]] = Registry("backbone")


def register_backbone(
    name: str,
    factory: Callable[..., Any],
    *,
    summary: str = "",
    extra: str | None = None,
    overwrite: bool = False,
) -> None:
    """Make a backbone available as ``backbone=NAME`` and ``--backbone NAME``.

    Parameters
    ----------
    name
        Name for users; one of another backbone is an InvalidInputError unless ``overwrite``.
    factory
        Class or function that returns a :class:`~pyimgano.extend.Backbone`. Of the detector's
        parameters ``layers``, ``weights``, ``pretrained``, ``normalization``,
        ``position_embedding``, ``device`` and ``engine`` it gets those that the user set and that
        it takes by name; one that it does not take is an error. If it does not take ``layers``,
        users choose among those of its info. For ``blocks`` see ``build_features``.
    summary, extra
        For listings: one line, and the extra of pyimgano that it needs.
    """
    BACKBONES.add(Entry(name, factory, summary, extra=extra), overwrite=overwrite)


def list_backbones() -> list[str]:
    """Names that ``backbone=`` takes, sorted; torchvision's are among them where it is installed.

    ONNX files and backbone objects have no name here.
    """
    models, _ = optional_import("torchvision.models")
    return sorted({*BACKBONES.names(), *(models.list_models(module=models) if models else ())})
