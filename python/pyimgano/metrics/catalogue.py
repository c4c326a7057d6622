"""Metrics by the names of their figures."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from pyimgano.errors import InvalidInputError, InvalidTypeError, PyimganoError
from pyimgano.kernels import DefectPixels
from pyimgano.metrics.aupimo import Aupimo
from pyimgano.metrics.base import Metric, MetricInfo, Of
from pyimgano.metrics.class_f1 import ClassF1
from pyimgano.metrics.pixels import PixelSweep
from pyimgano.metrics.scores import ImageRanking
from pyimgano.metrics.seg_f1 import SegF1
from pyimgano.metrics.spro import Spro
from pyimgano.metrics.sweep import Swept, Together
from pyimgano.registry import Entry, Registry, from_plugin

#: In place of a name: every figure that is registered.
ALL = "all"

_METRICS: Registry[Metric] = Registry("metric")
#: The keys in order, and whether a run that names no metric computes them.
_KEYS: dict[str, bool] = {}


@dataclass(frozen=True)
class Selection:
    """A metric, and those of its figures that somebody wants."""

    metric: Metric
    keys: tuple[str, ...]

    @property
    def of(self) -> Of:
        """Whether it is one of images or of pixels."""
        return self.metric.infos[0].of

    @property
    def takes_defects(self) -> bool:
        """Whether it counts single defects, which :meth:`with_defects` gives it."""
        return getattr(self.metric, "takes_defects", False)

    def with_defects(self, defects: Sequence[DefectPixels]) -> "Selection":
        """The same, with the single defects of the test images."""
        if not isinstance(self.metric, Together):
            return self
        return replace(self, metric=replace(self.metric, defects=defects))

    def titles(self, keys: Iterable[str]) -> str:
        """How tables call some of the figures; those that tables leave out only if there are none
        else."""
        infos = [info for info in self.metric.infos if info.key in set(keys)]
        return ", ".join(i.title for i in [i for i in infos if i.in_table] or infos)


def register_metric(metric: Metric, *, overwrite: bool = False) -> None:
    """Make a metric known to ``--metrics``, tables, CSV, JSON and pages.

    A benchmark that names no metrics computes it too, unless it was registered by the entry point
    of an installed package: what is installed changes no result.

    Parameters
    ----------
    metric : ImageMetric or PixelMetric
        Called once per category. If it is a dataclass with a field ``integration_limit``, that
        setting of a run takes the field's place.
    overwrite
        Replace figures of the same keys.

    Raises
    ------
    InvalidTypeError, InvalidInputError
        It is no metric; its facts are impossible, or one of its keys is taken.
    """
    infos = _checked_infos(metric)
    for info in infos:
        if info.key in _KEYS and not overwrite:
            raise InvalidInputError(f"metric {info.key!r} is registered already")
    for info in infos:
        _METRICS.add(Entry(info.key, metric, info.title), overwrite=overwrite)
        _KEYS.setdefault(info.key, not from_plugin())


def list_metrics(of: Of | None = None) -> list[str]:
    """Keys of all figures, or of those of images or pixels, the package's own first."""
    known = _METRICS.names()
    return [k for k in _KEYS if k in known and of in (None, metric_info(k).of)]


def default_metrics() -> list[str]:
    """Keys of the figures that a run computes which names none."""
    return [key for key, always in _KEYS.items() if always]


def metric_info(key: str) -> MetricInfo:
    """Facts about a figure.

    Raises
    ------
    UnknownNameError
        Nothing of that key is registered; lists the nearest.
    """
    metric = _metric(key)
    (info,) = metric.infos if "@" in key else (i for i in metric.infos if i.key == key)
    return info


def _metric(key: str) -> Metric:
    """What gives a figure; that of ``KEY@LIMIT`` is made."""
    name, at, limit = key.partition("@")
    metric = _METRICS.get(name).value
    if not at:
        return metric
    make = metric_info(name).at
    if make is None:
        raise InvalidInputError(f"metric {name!r} has no limit: {key!r}")
    try:
        number = float(limit)
    except ValueError as error:
        raise InvalidInputError(f"the limit in metric {key!r} is no number") from error
    made: Metric = make(number)
    return made


def column_infos(keys: Iterable[str], *, asked: Iterable[str] = ()) -> list[MetricInfo]:
    """The figures that a table of these has columns for, in order.

    Of ``keys``, which some result holds, one that nothing is known of goes by its key. ``asked`` is
    what the run was asked for; empty: every figure of interest.
    """
    named = dict.fromkeys(asked)
    wanted = {*(named or default_metrics()), *keys}
    found = [info_or_key(k) for k in dict.fromkeys((*_KEYS, *named, *keys)) if k in wanted]
    return [info for info in found if info.in_table or info.key in named]


def info_or_key(key: str) -> MetricInfo:
    """Facts about a figure; of one that nobody registered here, only its key."""
    if _METRICS.find(key.partition("@")[0]) is not None:
        with suppress(PyimganoError):  # a result of before may hold any limit
            return metric_info(key)
    return MetricInfo(key, key, "image")


def select_metrics(
    names: Sequence[str | Selection] | None = None, **settings: Any
) -> list[Selection]:
    """The metrics that give some figures, each once.

    ``names`` are keys, ``KEY@LIMIT`` such as ``"aupro@0.05"`` among them, or ``"all"``; None: the
    package's own and whatever the program registered. What another process chose, where they may
    not be registered here, stays as it is. ``settings`` are those of the run, such as
    ``integration_limit``, for metrics with such a field. An unknown key is an UnknownNameError that
    lists the nearest, an empty list or an impossible limit an InvalidInputError.
    """
    chosen_before = [one for one in names or () if isinstance(one, Selection)]
    if chosen_before:
        return chosen_before
    if names is None:
        keys = default_metrics()
    elif not names or isinstance(names, str):
        raise InvalidInputError(f"metrics must be a list of names, got {names!r}")
    else:
        keys = list_metrics() if ALL in names else list(dict.fromkeys(map(str, names)))
    chosen: dict[int | str, tuple[Metric, list[str]]] = {}
    for key in keys:
        info = metric_info(key)  # its key has the limit as everybody writes it
        metric = _metric(key)
        own = chosen.setdefault(info.key if "@" in key else id(metric), (metric, []))[1]
        own += [info.key] if info.key not in own else []
    return _joined([Selection(_with(one, settings), tuple(own)) for one, own in chosen.values()])


def _joined(selections: list[Selection]) -> list[Selection]:
    """Those that share a sweep as one, in the first's place."""
    swept = [one for one in selections if isinstance(one.metric, Swept)]
    if not swept:
        return selections
    keys = tuple(key for one in swept for key in one.keys)
    together = Selection(Together(tuple(one.metric for one in swept)), keys)  # type: ignore[misc]
    at = selections.index(swept[0])
    before, after = selections[:at], [s for s in selections[at:] if s not in swept]
    return [*before, together, *after]


def _with(metric: Metric, settings: dict[str, Any]) -> Metric:
    if not is_dataclass(metric) or isinstance(metric, type):
        return metric
    own = {f.name for f in fields(metric)} & settings.keys()
    return replace(metric, **{name: settings[name] for name in own}) if own else metric


def _checked_infos(metric: Metric) -> tuple[MetricInfo, ...]:
    name = type(metric).__name__
    infos = getattr(metric, "infos", None)
    if isinstance(metric, type) or not callable(metric):
        raise InvalidTypeError(f"a metric is an object that can be called, got {metric!r}")
    if not isinstance(infos, tuple) or not infos or not all(type(i) is MetricInfo for i in infos):
        raise InvalidTypeError(f"{name}.infos must be a tuple of MetricInfo, got {infos!r}")
    for info in infos:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", info.key) or info.key == ALL:
            raise InvalidInputError(
                f"{name}: a key is lower-case letters, digits and underscores, got {info.key!r}"
            )
        if info.of not in ("image", "pixel"):
            raise InvalidInputError(f"{name}: of must be 'image' or 'pixel', got {info.of!r}")
    if len({i.of for i in infos}) > 1 or len({i.key for i in infos}) < len(infos):
        raise InvalidInputError(f"{name}.infos must be of one kind, with a key each")
    return infos


_FOR_ALL: tuple[Metric, ...] = (ImageRanking(), PixelSweep())
#: For those who ask: each needs something that not every set or detector has.
_IF_NAMED: tuple[Metric, ...] = (ClassF1(), SegF1(), Aupimo(), Spro())
for _own in (*_FOR_ALL, *_IF_NAMED):
    register_metric(_own)
# Also where it is a plugin that imports this module first.
_KEYS.update((info.key, True) for one in _FOR_ALL for info in one.infos)
_KEYS.update((info.key, False) for one in _IF_NAMED for info in one.infos)
