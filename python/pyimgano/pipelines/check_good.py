"""Look at good photos before they are learnt from, and learn without those that nobody wants."""

import fnmatch
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyimgano.errors import (
    InvalidInputError,
    RegionWarning,
    RepeatedImageWarning,
    ThresholdWarning,
)
from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_images
from pyimgano.models import create_model
from pyimgano.models.base import Detector
from pyimgano.models.good_photos import GoodPhotos, describe_good
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.reporting.good_page import GOOD, write_good_page
from pyimgano.reporting.image_page import (
    DEFAULT_IMAGES,
    ImagePage,
    Words,
    check_most,
    check_page_target,
)
from pyimgano.utils.notes import noting
from pyimgano.utils.text import shown

#: In place of a file name: the photos that stand apart from the rest.
ODD = "odd"
#: Warnings of a fit that belong to what is said of the photos.
_NOTED = (ThresholdWarning, RepeatedImageWarning, RegionWarning)


class Learning:
    """A detector that learns from good photos, and the page about them, if there is to be one.

    Parameters that do not fit, what ``check`` refuses in the detector, and a page that cannot be
    written are errors before anything is learnt.
    """

    def __init__(
        self,
        model: str,
        report: str | os.PathLike[str] | None,
        *,
        report_images: int = DEFAULT_IMAGES,
        check: Callable[[Detector], object] | None = None,
        on_plan: Callable[[str], object] | None = None,
        **parameters: Any,
    ) -> None:
        self.detector = create_model(model, **parameters)
        if check is not None:
            check(self.detector)
        self.detector.validate()
        self._on_plan = on_plan
        check_most(report_images)
        self._page = None if report is None else check_page_target(report)
        self._most = report_images

    def fit(self, paths: Sequence[str], leave_out: Sequence[str] = ()) -> GoodPhotos:
        """Learn, see :func:`fit_good`; with tiles, what it will cost is told before."""
        tiled = isinstance(self.detector, PatchDetector) and self.detector.is_tiled
        if self._on_plan is not None and tiled:
            plan = self.detector.plan(paths)
            for line in plan.lines():
                self._on_plan(line)
            plan.check()
        return fit_good(self.detector, paths, leave_out)

    def page(self, words: Words, groups: Sequence[str]) -> ImagePage | None:
        """A page of images that will be scored, if there is to be one."""
        if self._page is None:
            return None
        return ImagePage(self._page, self.detector, words, most=self._most, groups=groups)

    def write_page(self, good: GoodPhotos, words: Words = GOOD) -> None:
        """Write the page, if there is to be one."""
        if self._page is not None:
            write_good_page(self._page, good, self.detector, words, self._most)

    @property
    def skipped(self) -> list[str]:
        """Unreadable photos that were left out."""
        return [shown(path) for path in self.detector.skipped_]


def fit_good(detector: Detector, paths: Sequence[str], leave_out: Sequence[str] = ()) -> GoodPhotos:
    """Fit a detector on good photos and tell of them.

    ``leave_out`` is as for :func:`~pyimgano.pipelines.check_good.run_check_good`. An
    InvalidInputError says that no photo has such a name, or that none is left.
    """
    patterns = [one for one in leave_out if one != ODD]
    kept, dropped = _part(paths, patterns)
    with noting(*_NOTED) as notes:
        detector.fit(kept)
    if ODD in leave_out:
        apart = {photo.name for photo in describe_good(detector).odd if photo.apart}
        if apart:
            dropped += [path for path in kept if shown(path) in apart]
            with noting(*_NOTED) as notes:
                detector.fit([path for path in kept if shown(path) not in apart])
    return describe_good(detector, [shown(path) for path in dropped], notes)


def _part(paths: Sequence[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The photos to learn from, and those that a pattern names."""
    dropped: set[str] = set()
    for pattern in patterns:
        found = {path for path in paths if _names(pattern, path)}
        if not found:
            raise InvalidInputError(
                f"cannot leave out {shown(pattern)}: no good photo is called so"
            )
        dropped |= found
    if len(dropped) == len(paths):
        raise InvalidInputError("every good photo is left out: none remains to learn from")
    return [p for p in paths if p not in dropped], [p for p in paths if p in dropped]


def _names(pattern: str, path: str) -> bool:
    names = (path, os.path.basename(path))
    return pattern in names or any(fnmatch.fnmatchcase(name, pattern) for name in names)


@dataclass(frozen=True)
class GoodCheck:
    """What was found: the photos, unreadable ones, and other files and folders that were left
    out.
    """

    good: GoodPhotos
    skipped: list[str]
    left_out: LeftOut


def run_check_good(
    sources: Sources,
    *,
    report: str | os.PathLike[str] | None = None,
    report_images: int = DEFAULT_IMAGES,
    leave_out: Sequence[str] = (),
    model: str = "patchcore",
    strict: bool = False,
    verbose: bool = False,
    on_plan: Callable[[str], object] | None = None,
    **model_kwargs: Any,
) -> GoodCheck:
    """Score each good photo by a detector that has learnt from all the others.

    Parameters
    ----------
    sources
        As for :func:`~pyimgano.images.sources.stream_images`.
    report
        HTML page about the photos, with pictures; None: no page.
    report_images
        Photos with pictures on the page, odd ones and the highest scores first.
    leave_out
        Photos not to learn from: names or paths, with ``*`` and ``?`` as in a shell; ``"odd"`` for
        those that stand apart, which takes a second fit.
    strict
        Raise if a file or folder is left out that somebody could miss.
    verbose
        Progress bars.
    on_plan
        Called with lines that say what a fit with tiles will cost, before it begins.
    model, **model_kwargs
        Name of the detector, and its parameters.

    Raises
    ------
    DatasetError
        A source has no images; or, with ``strict``, something was left out.
    ImageReadError
        Names every file that cannot be read.
    OutputError
        The page cannot be written; known before anything is learnt.
    """
    with LeftOut.counted(strict) as left_out:
        paths = gather_images(sources, left_out=left_out)
    learning = Learning(
        model,
        report,
        report_images=report_images,
        verbose=verbose,
        on_plan=on_plan,
        **model_kwargs,
    )
    good = learning.fit(paths, leave_out)
    learning.write_page(good)
    return GoodCheck(good, learning.skipped, left_out)
