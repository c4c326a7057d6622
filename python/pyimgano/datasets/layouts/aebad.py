"""The AeBAD layout (Zhang et al., "Industrial Anomaly Detection with Domain Shift", 2023)."""

from pathlib import Path
from typing import Any

from pyimgano.datasets.base import Sample, Split
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.listing import Listing
from pyimgano.errors import DatasetError
from pyimgano.images.walk import visible_folders
from pyimgano.utils.text import shown

_VIDEOS = "AeBAD_V"
#: Folders of a video's test frames.
_LABELS = {"good": 0, "anomaly": 1}


class AeBADLayout(FolderLayout):
    """Blades of engines, as photos (``AeBAD_S``) and as frames of videos (``AeBAD_V``).

    - ``AeBAD_S/train/good/<shift>``, ``test/{good, <defect>}/<shift>``, masks of the same names in
      ``ground_truth/<defect>/<shift>``. The shift, ``same`` or what differs from the training
      images, is an attribute.
    - ``AeBAD_V/train/good/<video>``, ``test/<video>/{good, anomaly}``, without masks. The video is
      an attribute.
    """

    def __init__(self) -> None:
        super().__init__("aebad", archives=("AeBAD",))

    def attributes_of(self, place: Path) -> dict[str, Any]:
        """The folder below that of the label: the shift."""
        return {"shift": place.parts[0]} if len(place.parts) > 1 else {}

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, labels, masks, defects and shifts; no masks of videos."""
        if category != _VIDEOS:
            return super().samples(root, category)
        found: Listing[Sample] = Listing()
        folder = self.base(root) / category
        train, test = folder / "train" / self.good, folder / "test"
        with found.part("train"):
            self._check_half(train, category, "training")
            found += [_frame(path, train, "train", 0) for path in found.images_in(train)]
        with found.part("test"):
            self._check_half(test, category, "test")
            for video in visible_folders(test):
                for kind in visible_folders(test / video):
                    if kind not in _LABELS:
                        raise DatasetError(
                            f"{shown(test / video / kind)} gives no label: expected"
                            f" {' or '.join(_LABELS)}"
                        )
                    paths = found.images_in(test / video / kind)
                    found += [_frame(path, test, "test", _LABELS[kind]) for path in paths]
        return found


def _frame(path: str, folder: Path, split: Split, label: int) -> Sample:
    """A frame, with the video whose folder it is in."""
    video = Path(path).relative_to(folder).parts[0]
    return Sample(path, split, label, attributes={"video": video})


AEBAD = AeBADLayout()
