"""Options that become parameters of a detector, as the registered classes declare them."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pyimgano.cli.options import check_bounds, typed
from pyimgano.errors import InvalidInputError
from pyimgano.utils.parameters import Choice, Either, Flag, Parameter

if TYPE_CHECKING:
    from pyimgano.pipelines.comparison import ModelSpec

_DEFAULT_MODEL = "patchcore"
#: Goes before a parameter's name in the parsed arguments, where commands have names of their own.
_PREFIX = "detector."
#: Options of which at most one can be given, by the name of their set.
_Sets: TypeAlias = dict[str, argparse._MutuallyExclusiveGroup]


@dataclass(frozen=True)
class _Use:
    """A parameter as one model has it."""

    model: str
    parameter: Parameter
    default: Any

    def said(self) -> str:
        """Its default in words; none if there is nothing to say."""
        if self.default is None:
            return self.parameter.none if isinstance(self.parameter.none, str) else ""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if isinstance(self.default, tuple):
            return (":" if isinstance(self.default[0], str) else "x").join(map(str, self.default))
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def add_detector_options(
    parser: argparse.ArgumentParser,
    group: argparse._ArgumentGroup | None = None,
    *,
    backbone: str,
    several: bool = False,
    model_group: argparse._MutuallyExclusiveGroup | None = None,
    without: Collection[str] = (),
) -> None:
    """Options for the parameters of every registered model; those not given are left to it.

    To be called last: an option of the command itself is not given up for a parameter, which is
    then called ``--detector-NAME``. The default model's options go to ``group``, others to a group
    for the models that have them; ``backbone`` is the command's own default, ``several`` says
    whether it takes several models, ``model_group`` holds an option that stands in the place
    of ``--model``, ``without`` are parameters that the command has no use for.
    """
    group = parser.add_argument_group("detector") if group is None else group
    sets: _Sets = {}
    if several:
        group.add_argument(
            "--model",
            nargs="+",
            default=[_DEFAULT_MODEL],
            metavar="MODEL[:BACKBONE]",
            help="one detector, or several compared in one table (default: patchcore); pyimgano"
            " models lists them",
        )
    else:
        (model_group or group).add_argument(
            "--model",
            default=_DEFAULT_MODEL,
            metavar="MODEL",
            help="the detector (default: patchcore); pyimgano models lists them",
        )
    groups = {}
    for name, uses in _uses(backbone).items():
        models = tuple(use.model for use in uses)
        if name in without:
            continue
        if models[0] == _DEFAULT_MODEL:
            _add_option(group, name, uses, sets)
            continue
        if models not in groups:
            groups[models] = parser.add_argument_group(f"detector, only for {_some(models)}")
        _add_option(groups[models], name, uses, sets)
    parser.set_defaults(default_backbone=backbone)


def add_options_of(
    model: str, parser: argparse.ArgumentParser, *, backbone: str, without: Collection[str]
) -> None:
    """Options of a command for one model alone, but for parameters that it has no use for."""
    group = parser.add_argument_group("comparison")
    sets: _Sets = {}
    for name, uses in _uses(backbone, [model]).items():
        if name not in without:
            _add_option(group, name, uses, sets)
    parser.set_defaults(model=model, default_backbone=backbone)


def _uses(backbone: str, models: Sequence[str] | None = None) -> dict[str, list[_Use]]:
    """Parameters that have an option, by name, in the order of declaration: of all models."""
    from pyimgano.models import create_model, list_models

    found: dict[str, list[_Use]] = {}
    models = list_models() if models is None else models
    for model in sorted(models, key=lambda name: (name != _DEFAULT_MODEL, name)):
        try:
            detector = create_model(model)
            defaults = detector.get_params()
        except Exception:  # of somebody's own: the error is told when it is asked for
            continue
        for name, parameter in getattr(detector, "PARAMETERS", {}).items():
            default = defaults.get(name)
            if name == "backbone" and default is not None:
                default = backbone
            if isinstance(parameter, Parameter) and parameter.option:
                found.setdefault(name, []).append(_Use(model, parameter, default))
    return found


def _add_option(
    group: argparse._ArgumentGroup, name: str, uses: Sequence[_Use], sets: _Sets
) -> None:
    first = uses[0].parameter
    target: argparse._ActionsContainer = group
    if first.one_of:
        if first.one_of not in sets:
            sets[first.one_of] = group.add_mutually_exclusive_group()
        target = sets[first.one_of]
    kinds = [use.parameter for i, use in enumerate(uses) if use.parameter not in _kinds(uses[:i])]
    kind = first if len(kinds) == 1 else Either(*kinds)
    settings: dict[str, Any] = {"metavar": first.metavar or name.upper()}
    if isinstance(kind, Flag):
        settings = {"action": argparse.BooleanOptionalAction}
    elif isinstance(kind, Choice):
        settings = {"choices": kind.known}
    else:
        settings["type"] = typed(kind, bounded=False)
    if kind.several:
        settings["nargs"] = "+"
    settings["help"] = (first.help + _defaults(uses)).replace("%", "%%")
    dashed = name.replace("_", "-")
    for flags in (first.flags or (f"--{dashed}",), (f"--detector-{dashed}",)):
        try:
            target.add_argument(*flags, dest=_PREFIX + name, default=argparse.SUPPRESS, **settings)
            return
        except (argparse.ArgumentError, ValueError):
            continue  # an option of the command has that name, or no option can


def _kinds(uses: Sequence[_Use]) -> list[Parameter]:
    return [use.parameter for use in uses]


def _defaults(uses: Sequence[_Use]) -> str:
    """The first model's default, and those that others have in its place."""
    models: dict[str, list[str]] = {}
    for use in uses:
        if said := use.said():
            models.setdefault(said, []).append(use.model)
    parts = [
        said if uses[0].model in having else f"{said} for {_some(having)}"
        for said, having in models.items()
    ]
    return f" (default: {'; '.join(parts)})" if parts else ""


def _some(models: Sequence[str]) -> str:
    return models[0] if len(models) == 1 else f"{models[0]} and {len(models) - 1} more"


def _useless(backbone: Any) -> tuple[str, ...]:
    """Options that a kind of backbone has no use for, although others in a comparison may."""
    from pyimgano.features.build import takes

    known = takes(backbone)
    options = ("layers", "weights", "normalization", "position_embedding", "device", "engine")
    return tuple(x for x in options if x not in known)


def detector_specs(args: argparse.Namespace) -> list[ModelSpec]:
    """The models of ``--model``, each with those of the given options that it has.

    An option that no model of the command has is an InvalidInputError.
    """
    from pyimgano.models import create_model
    from pyimgano.pipelines.comparison import ModelSpec

    specs = [ModelSpec.parse(m) for m in ([args.model] if type(args.model) is str else args.model)]
    given = {
        name.removeprefix(_PREFIX): value
        for name, value in vars(args).items()
        if name.startswith(_PREFIX)
    }
    unused = set(given)
    found = []
    for spec in specs:
        detector = create_model(spec.model)
        known, declared = detector.get_params(), getattr(detector, "PARAMETERS", {})
        if not spec.parameters.keys() <= known.keys():
            raise InvalidInputError(f"--model {spec.title}: {spec.model} has no backbone to choose")
        # A model whose own default is None (anomalib's) knows best what suits it.
        own = {} if known.get("backbone") is None else {"backbone": args.default_backbone}
        own |= {k: _checked(k, declared.get(k), v) for k, v in given.items() if k in known}
        own |= spec.parameters
        if len(specs) > 1 and "backbone" in own:
            own = {k: v for k, v in own.items() if k not in _useless(own["backbone"])}
        unused -= set(own)
        found.append(replace(spec, parameters=own))
    if unused:
        option = "--" + min(unused).replace("_", "-")
        raise InvalidInputError(
            f"{option}: {' and '.join(s.model for s in specs)} has no such option"
        )
    return found


def _checked(name: str, parameter: Parameter | None, value: Any) -> Any:
    """What was given for an option as one model has it; an error names the option."""
    if parameter is None:
        return value
    if isinstance(value, list) and not parameter.several and len(value) == 1:
        value = value[0]  # other models take several words for it
    check_bounds((parameter.flags or ("--" + name.replace("_", "-"),))[0], parameter, value)
    return value
