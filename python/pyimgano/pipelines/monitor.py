"""Whether the images of a run of ``predict`` have left what was learnt, from its records."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pyimgano.calibration.drift import Change, Place, ShareTest, ValueTest
from pyimgano.errors import InvalidInputError
from pyimgano.images.health import LIGHT
from pyimgano.images.health_range import HealthTally
from pyimgano.models.base import Detector
from pyimgano.utils.text import counted, printable

_SIGNALS = (*LIGHT, "score", "defects", "warnings")
#: Bytes of a line: a record has a few hundred, with regions a few thousand.
_LONGEST = 2**20


@dataclass(frozen=True)
class Drift:
    """A signal that has left what it was.

    Attributes
    ----------
    signal
        ``"brightness"``, ``"contrast"``, ``"sharpness"``, ``"red_green"`` or ``"blue_green"``
        (white balance), ``"score"`` of images that are ok, ``"defects"`` (share of images with one)
        or ``"warnings"`` (share of images with one).
    change
        Where it began, and how the values changed; records count from 1.
    """

    signal: str
    change: Change

    def describe(self) -> str:
        """One line for people."""
        word = "higher" if self.change.rises else "lower"
        if self.signal in ("defects", "warnings"):
            before, since = (f"{100 * x:.0f} %" for x in (self.change.before, self.change.since))
        else:
            before, since = (f"{x:.3g}" for x in (self.change.before, self.change.since))
        was = "" if math.isnan(self.change.before) else f", before {before}"
        return (
            f"{self.signal} {word} since about record {self.change.begin.record:,}"
            f" ({printable(self.change.begin.path)}): {since}{was}; certain at record"
            f" {self.change.seen.record:,}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        before = self.change.before
        return {
            "direction": "higher" if self.change.rises else "lower",
            "begin": self.change.begin.record,
            "path": self.change.begin.path,
            "seen": self.change.seen.record,
            "before": None if math.isnan(before) else before,
            "since": self.change.since,
        }


class _Signal:
    """One test over the records that have its value, until it tells a change."""

    def __init__(self, name: str, test: ValueTest | ShareTest) -> None:
        self.name, self.n = name, 0
        self.drift: Drift | None = None
        self._test = test

    def add(self, value: Any, place: Place) -> Drift | None:
        """Take the next value; the drift if it is told with this one."""
        self.n += 1
        if self.drift is not None or (change := self._test.add(value, place)) is None:
            return None
        self.drift = Drift(self.name, change)
        return self.drift


class Monitor:
    """Follows the records of one detector, one after the other; memory does not grow with them.

    Parameters
    ----------
    detector
        The one that made them: its held-out scores and the figures of its training images are what
        the first records are compared with. None: what comes first is what later ones are compared
        with.
    false_alarm_every
        Without a change at least so many images pass, on average, before any signal tells one.

    Raises
    ------
    InvalidInputError
        ``false_alarm_every`` is below 1.
    """

    def __init__(
        self, detector: Detector | None = None, *, false_alarm_every: int = 10_000
    ) -> None:
        if false_alarm_every < 1:
            raise InvalidInputError(f"false_alarm_every must be 1 or more, got {false_alarm_every}")
        self.false_alarm_every = false_alarm_every
        self.n_records = self.n_scored = self.n_defects = self.n_warned = 0
        self.health = HealthTally()
        self._known = None if detector is None else detector.threshold_
        self._threshold: float | None = None
        limit = float(false_alarm_every * len(_SIGNALS))
        learnt = {} if detector is None else _learnt(detector)
        self._signals = {
            name: _Signal(
                name,
                ShareTest(limit=limit)
                if name == "warnings"
                else ValueTest(learnt.get(name, ()), limit=limit, seed=number),
            )
            for number, name in enumerate(_SIGNALS)
        }

    @property
    def drifts(self) -> list[Drift]:
        """What has left what it was, in the order in which it was told."""
        found = [one.drift for one in self._signals.values() if one.drift is not None]
        return sorted(found, key=lambda drift: drift.change.seen.record)

    def add(self, record: Mapping[str, Any]) -> list[Drift]:
        """Take the next record; what is told with this one.

        Raises
        ------
        InvalidInputError
            It is no record of ``predict``, or one of another detector.
        """
        values = _values(record)
        if values is not None:
            self._check_threshold(values["threshold"])
        self.n_records += 1
        if values is None:
            return []
        self.n_scored += 1
        self.n_defects += values["defects"]
        self.n_warned += bool(record["warnings"])
        self.health.add(record["warnings"])
        place = Place(self.n_records, str(record["path"]))
        told = (
            signal.add(values[name], place)
            for name, signal in self._signals.items()
            if values[name] is not None
        )
        return [drift for drift in told if drift is not None]

    def lines(self) -> list[str]:
        """The report for people."""
        shares = ""
        if n := self.n_scored:
            shares = (
                f", {self.n_defects:,} with a defect ({100 * self.n_defects / n:.1f} %),"
                f" {self.n_warned:,} with a warning ({100 * self.n_warned / n:.1f} %)"
            )
        failed = self.n_records - self.n_scored
        lines = [
            f"{counted(self.n_records, 'record')}, {failed:,} not scored{shares}",
            *self.health.lines(),
        ]
        width = max(map(len, self._signals))
        for name, signal in self._signals.items():
            state = "as before"
            if signal.drift is not None:
                state = signal.drift.describe().removeprefix(f"{name} ")
            elif not signal.n:
                state = "not in these records"
            lines.append(f"{name:<{width}}  {state}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "n_records": self.n_records,
            "n_failed": self.n_records - self.n_scored,
            "n_scored": self.n_scored,
            "n_defects": self.n_defects,
            "n_warned": self.n_warned,
            "health": self.health.lines(),
            "false_alarm_every": self.false_alarm_every,
            "compared_with": "earlier records" if self._known is None else "detector",
            "signals": {
                name: {"n": one.n, "drift": None if one.drift is None else one.drift.to_json()}
                for name, one in self._signals.items()
            },
        }

    def _check_threshold(self, threshold: float) -> None:
        if self._known is not None and threshold != self._known:
            raise InvalidInputError(
                f"its threshold is {threshold:g}, the detector's {self._known:g}: it is of another"
                " detector, or of one before it was calibrated"
            )
        if self._threshold is not None and threshold != self._threshold:
            raise InvalidInputError(
                f"its threshold is {threshold:g}, before it was {self._threshold:g}: records of two"
                " detectors are to be monitored apart"
            )
        self._threshold = threshold


def read_records(lines: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbers of lines, from 1, and their JSON objects, as they come; empty lines are passed over.

    Raises
    ------
    InvalidInputError
        A line is no JSON object; it names the line.
    """
    number = 0
    while line := lines.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise InvalidInputError(f"line {number:,}: longer than {_LONGEST:,} bytes")
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            cut = "" if line.endswith(b"\n") else ": the file ends within it"
            raise InvalidInputError(f"line {number:,}: not JSON{cut}") from None
        if not isinstance(record, dict):
            raise InvalidInputError(f"line {number:,}: no record of predict, but JSON of its own")
        yield number, record


def watch(monitor: Monitor, lines: BinaryIO, name: str) -> Iterator[Drift]:
    """Each change as soon as it is told by the records of a file or stream of that name.

    What was read before an error stays in the monitor.

    Raises
    ------
    InvalidInputError
        A line is no record, or of another detector than those before; there is no record.
    """
    try:
        for number, record in read_records(lines):
            try:
                told = monitor.add(record)
            except InvalidInputError as error:
                raise InvalidInputError(f"line {number:,}: {error}") from None
            yield from told
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}, {error}") from None
    if not monitor.n_records:
        raise InvalidInputError(f"{name} holds no records")


def _values(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The value of each signal, None where it has none; None for an image without a score."""
    if not isinstance(record.get("path"), str):
        raise InvalidInputError("no record of predict: it has no path")
    if "error" in record:
        return None
    score, predicted, told = (record.get(k) for k in ("score", "predicted", "warnings"))
    threshold, health = record.get("threshold", ...), record.get("health", {})
    if not (
        _is_number(score)
        and (predicted == 0 or predicted == 1)
        and (threshold is None or _is_number(threshold))
        and isinstance(told, list)
        and all(isinstance(line, str) for line in told)
        and isinstance(health, dict)
        and all(health.get(k) is None or _is_number(health[k]) for k in LIGHT)
    ):
        raise InvalidInputError(
            "no record of predict: score, predicted, threshold, warnings or health are missing or"
            " of another kind"
        )
    return {
        **{k: health.get(k) for k in LIGHT},
        "score": None if predicted else score,
        "defects": int(predicted),
        "warnings": bool(told),
        "threshold": math.inf if threshold is None else float(threshold),
    }


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _learnt(detector: Detector) -> dict[str, list[float]]:
    """Values of the training images; scores of those that are ok, as of the records."""
    scores = detector.decision_scores_
    found = {"score": [float(x) for x in scores if x <= detector.threshold_]}
    images: Iterable[Any] = () if detector.health_ is None else detector.health_.images
    lights = [one.light() for one in images]
    for name in LIGHT:
        values = (light[name] for light in lights)
        found[name] = [float(value) for value in values if value is not None]
    return found
