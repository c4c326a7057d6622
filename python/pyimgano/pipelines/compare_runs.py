"""Two finished runs on the same images: what differs, and by how much more than chance."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pyimgano.errors import InvalidInputError
from pyimgano.metrics.catalogue import column_infos, info_or_key
from pyimgano.reporting.difference import Difference, RunDifference
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.report import relative_path
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, Summary
from pyimgano.reporting.saved import read_run
from pyimgano.statistics import Estimate, joint_interval, joint_p_value
from pyimgano.utils.text import shown


def compare_runs(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    metrics: Sequence[str] | None = None,
    by: Sequence[str] = (),
) -> RunDifference:
    """Compare the results of two benchmark runs, category by category and over all.

    Both runs were tested on the same images, so each figure's difference is taken on those: by
    DeLong's paired test for the AUROC of images, in closed form for means of numbers per image,
    and else from resamples that both runs drew alike.

    Parameters
    ----------
    a, b
        Folders of results, or ``results.json`` files.
    metrics
        Keys; None: those in tables that both runs have.
    by
        See :func:`~pyimgano.reporting.subsets.subsets`: rows of parts of each category.

    Returns
    -------
    RunDifference

    Raises
    ------
    InvalidInputError
        One holds no results; nothing can be compared, for the runs have no category or metric in
        common, or have measured pixels differently; a category was tested on other images, of which
        one is named.
    """
    one, two = read_run(a), read_run(b)
    names = shown(a), shown(b)
    found = RunDifference(f"{names[0]} ({one.detector})", f"{names[1]} ({two.detector})")
    pairs = list(_pairs(one, two, names, found.notes))
    keys = _keys(pairs, metrics, names)
    _check_pixels(one, two, keys, names)
    for first, second in pairs:
        _check_images(first, second, (one.root, two.root), names)
    differences: dict[tuple[str, int | None], list[Estimate | None]] = {}
    for first, second in pairs:
        for key in keys:
            row, how = _row(first, second, key)
            found.rows.append(row)
            if not math.isnan(row.difference):
                differences.setdefault((key, first.shots), []).append(how)
        found.rows.extend(_subset_rows(first, second, keys, by))
    found.rows.extend(list(_means(found.rows, differences)))
    found.notes.extend(_unknown(found.rows, names, (one, two)))
    if by and not any(row.subset for row in found.rows):
        found.notes.append(f"the set knows nothing to part its images by: {', '.join(by)}")
    return found


def _pairs(
    one: BenchmarkResult, two: BenchmarkResult, names: tuple[str, str], notes: list[str]
) -> Iterator[tuple[Summary, Summary]]:
    """Categories that finished in both, and notes of the others."""
    sides = [{(r.category, r.shots): r for r in run.rows if r.groups} for run in (one, two)]
    if not sides[0].keys() & sides[1].keys():
        raise InvalidInputError(
            f"{names[0]} and {names[1]} have no finished category in common:"
            f" {_listed(sides[0].values())}; {_listed(sides[1].values())}"
        )
    for own, other, name in ((0, 1, names[0]), (1, 0, names[1])):
        alone = [r for key, r in sides[own].items() if key not in sides[other]]
        if alone:
            notes.append(f"only in {name}: {_listed(alone)}")
    for key, first in sides[0].items():
        if key in sides[1]:
            yield first, sides[1][key]


def _listed(rows: Iterable[Summary]) -> str:
    return ", ".join(row.title for row in rows) or "none"


def _keys(
    pairs: Sequence[tuple[Summary, Summary]],
    wanted: Sequence[str] | None,
    names: tuple[str, str],
) -> list[str]:
    have = [dict.fromkeys(k for pair in pairs for k in pair[side].keys) for side in (0, 1)]
    for key in wanted or ():
        for own, name in zip(have, names, strict=True):
            if key not in own:
                raise InvalidInputError(f"{name} has no {key!r}: it has {', '.join(own) or 'none'}")
    both = [key for key in have[0] if key in have[1]]
    if not both:
        raise InvalidInputError(
            f"{names[0]} and {names[1]} have no metric in common:"
            f" {', '.join(have[0]) or 'none'}; {', '.join(have[1]) or 'none'}"
        )
    if wanted:
        return list(dict.fromkeys(wanted))
    shown_ = {info.key for info in column_infos(both)} & set(both)
    return [key for key in both if key in shown_] or both


def _check_pixels(
    one: BenchmarkResult, two: BenchmarkResult, keys: Sequence[str], names: tuple[str, str]
) -> None:
    of_pixels = [key for key in keys if info_or_key(key).of == "pixel"]
    for setting, default in (("metric_size", "native"), ("integration_limit", None)):
        was, now = getattr(one, setting), getattr(two, setting)
        if of_pixels and was != now:
            raise InvalidInputError(
                f"{names[0]} and {names[1]} measure pixels differently: {setting} is"
                f" {default if was is None else was} in one, {default if now is None else now} in"
                " the other; name metrics of images, such as auroc, to compare those"
            )


def _check_images(
    first: Summary, second: Summary, roots: tuple[str, str], names: tuple[str, str]
) -> None:
    """The same images with the same labels, in every seed of both."""
    lists = [
        ([(relative_path(i.path, root), i.label) for i in run.images], name)
        for row, root, name in zip((first, second), roots, names, strict=True)
        for group in row.groups
        for run in group
    ]
    want, here = lists[0]
    for images, name in lists[1:]:
        if images == want:
            continue
        for own, other, at, lacking in ((want, images, here, name), (images, want, name, here)):
            known = set(other)
            missing = [one for one in own if one not in known]
            if missing:
                path, label = missing[0]
                raise InvalidInputError(
                    f"{first.title}: {at} and {lacking} were tested on different images:"
                    f" {shown(path)} (label {label}) is in {at} alone"
                )
        raise InvalidInputError(
            f"{first.title}: {here} and {name} have their images in different orders"
        )


def _row(first: Summary, second: Summary, key: str) -> tuple[Difference, Estimate | None]:
    """A category's row, and how the difference varies."""
    row = Difference(first.category, first.shots, "", key, first.mean(key), second.mean(key))
    how = _between(first.estimates(key), second.estimates(key), _drew_alike(first, second, key))
    return _with(row, how), how


def _between(
    first: Sequence[Estimate | None], second: Sequence[Estimate | None], alike: bool
) -> Estimate | None:
    if len(first) != 1 or len(second) != 1:
        return None
    a, b = first[0], second[0]
    if a is None or b is None or (a.influences is None) != (b.influences is None):
        return None
    return b - a if alike or a.influences is not None else None


def _drew_alike(first: Summary, second: Summary, key: str) -> bool:
    """Whether all seeds of both runs drew the same resamples."""
    runs: list[CategoryResult] = [r for s in (first, second) for g in s.groups for r in g]
    found = {str(r.resampling.get("digest")) for r in runs if key in r.metrics}
    return len(found) == 1


def _with(row: Difference, how: Estimate | None) -> Difference:
    if how is None:
        return row
    return replace(row, interval=how.interval, p_value=how.p_value)


def _subset_rows(
    first: Summary, second: Summary, keys: Sequence[str], by: Sequence[str]
) -> Iterator[Difference]:
    others = {(one.by, one.name): one for one in second.parts(by)}
    for one in first.parts(by):
        name = one.by, one.name
        for key in (k for k in one.keys if k in keys and name in others):
            a, b = one.estimate(key), others[name].estimate(key)
            values = [math.nan if e is None else e.value for e in (a, b)]
            row = Difference(first.category, first.shots, one.name, key, values[0], values[1])
            yield _with(row, _between([a], [b], alike=False))


def _means(
    rows: Sequence[Difference],
    differences: dict[tuple[str, int | None], list[Estimate | None]],
) -> Iterator[Difference]:
    """The mean over categories of each figure, where several have it."""
    for (key, shots), found in differences.items():
        if len(found) < 2:
            continue
        own = [
            r for r in rows
            if r.metric == key and r.shots == shots and not r.subset
            and not math.isnan(r.difference)
        ]  # fmt: skip
        yield Difference(
            None,
            shots,
            "",
            key,
            math.fsum(r.a for r in own) / len(own),
            math.fsum(r.b for r in own) / len(own),
            joint_interval(found),
            joint_p_value(found),
        )


def _is_single(images: Sequence[ImageResult]) -> bool:
    """Whether there is one good, or one defect, image alone."""
    return 1 in Counter(image.label for image in images).values()


def _unknown(
    rows: Sequence[Difference], names: tuple[str, str], runs: tuple[BenchmarkResult, ...]
) -> Iterator[str]:
    """Why figures have no interval, as far as that is the runs' doing."""
    single = dict.fromkeys(
        row.title
        for one in runs
        for row in one.rows
        if row.groups and _is_single(row.groups[0][0].images)
    )
    if single:
        yield f"no interval for {', '.join(single)}: a single good or a single defect image"
    lacking = dict.fromkeys(
        info_or_key(r.metric).title for r in rows
        if r.interval is None and not r.subset and not math.isnan(r.difference)
    )  # fmt: skip
    without = [name for name, run in zip(names, runs, strict=True) if not run.intervals]
    if lacking and without:
        yield (f"no interval of {', '.join(lacking)}: run {' and '.join(without)} with --intervals")
    elif lacking and runs[0].intervals != runs[1].intervals:
        yield (
            f"no interval of {', '.join(lacking)}: the runs drew {runs[0].intervals} and"
            f" {runs[1].intervals} resamples"
        )
