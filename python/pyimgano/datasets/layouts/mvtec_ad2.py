"""The MVTec AD 2 layout (Heckler-Kram et al., "The MVTec AD 2 Dataset", 2025)."""

from pathlib import Path
from typing import Any

from pyimgano.datasets.base import Sample
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.listing import Listing

#: Objects, and how many images each private test set has of them.
PRIVATE_IMAGES = {
    "can": 321,
    "fabric": 314,
    "fruit_jelly": 255,
    "rice": 277,
    "sheet_metal": 142,
    "vial": 276,
    "wallplugs": 232,
    "walnuts": 228,
}
#: Test sets whose labels only the authors' server has.
PRIVATE_SETS = ("test_private", "test_private_mixed")


class MVTecAD2Layout(FolderLayout):
    """``<object>/{train/good, validation/good, test_public, test_private, test_private_mixed}``.

    ``test_public`` holds ``good``, ``bad`` and, in ``ground_truth/bad``, ``<stem>_mask.png``. The
    images of the private sets lie loose in their folders. Files are called
    ``<number>_<light>.png``: the light, which changes, is an attribute.

    Parameters
    ----------
    name, test
        Name of the set, and the test set that it reads; one of ``PRIVATE_SETS`` has no labels.
    """

    has_validation = True

    def __init__(self, name: str, test: str) -> None:
        super().__init__(name, typed=False, archives=("mvtec_ad_2",))
        self.test = test
        self.truth = f"{test}/ground_truth"

    def attributes_of(self, place: Path) -> dict[str, Any]:
        """The light that an image was taken in, as its name says it."""
        _, _, light = place.stem.partition("_")
        return {"light": light} if light else {}

    def _list_test(self, found: Listing[Sample], folder: Path) -> None:
        if self.test not in PRIVATE_SETS:
            super()._list_test(found, folder)
            return
        test = folder / self.test
        self._check_half(test, folder.name, "test")
        found += self._samples(found.images_in(test), test, "test", None)


#: The set with its public test images, and those with the private ones.
MVTEC_AD2 = (
    MVTecAD2Layout("mvtec_ad2", "test_public"),
    *(MVTecAD2Layout(name.replace("test", "mvtec_ad2"), name) for name in PRIVATE_SETS),
)
