"""Look at good photos before they are learnt from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_images
from pyimgano.models.good_photos import GoodPhotos
from pyimgano.pipelines.good_photos import Learning


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
    leave_out: Sequence[str] = (),
    model: str = "patchcore",
    strict: bool = False,
    verbose: bool = False,
    **model_kwargs: Any,
) -> GoodCheck:
    """Score each good photo by a detector that has learnt from all the others.

    Parameters
    ----------
    sources
        As for :func:`~pyimgano.images.sources.stream_images`.
    report
        HTML page about the photos, with pictures; None: no page.
    leave_out
        Photos not to learn from: names or paths, with ``*`` and ``?`` as in a shell; ``"odd"`` for
        those that stand apart, which takes a second fit.
    strict
        Raise if a file or folder is left out that somebody could miss.
    verbose
        Progress bars.
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
    learning = Learning(model, report, verbose=verbose, **model_kwargs)
    good = learning.fit(paths, leave_out)
    learning.write_page(good)
    return GoodCheck(good, learning.skipped, left_out)
