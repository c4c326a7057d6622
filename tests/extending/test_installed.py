"""What another distribution adds is used like what the package brings along."""

from __future__ import annotations

import csv
import json
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model, load
from pyimgano.errors import DetectorFileError
from pyimgano.extend import PatchDetector
from tests.extending.conftest import FITTED, HELP, Installed
from tests.extending.plugin.pyimgano_example_plugin.backbone import Edges
from tests.extending.plugin.pyimgano_example_plugin.detector import Extremes
from tests.extending.plugin.pyimgano_example_plugin.scorer import Deviation
from tests.extending.support import python

#: Loads the detectors, has them score what the layout lists, and checks the plugin's own one.
_USE = """
import json, sys, pyimgano
from pyimgano.datasets import load_dataset
from pyimgano.extend import check_detector

files, root = json.loads(sys.argv[1])
paths, labels, masks = load_dataset("trays", root, "north").get_test_paths()
scores = [pyimgano.load(file).decision_function(paths).tolist() for file in files]
check_detector(pyimgano.create_model("extremes", side=16))
print(json.dumps([scores, labels.tolist()]))
"""


@pytest.fixture(scope="session")
def used(installed: Installed) -> dict[str, Any]:
    """What a second process makes of the files that the first one wrote."""
    files = [f"{installed.out / name}.pyimgano" for name in FITTED]
    scores, labels = python(installed.site, _USE, [files, str(installed.trays)])
    return {"labels": labels, **dict(zip(FITTED, scores, strict=True))}


def test_all_of_it_takes_part_without_an_error(installed: Installed) -> None:
    worked = [*FITTED, "benchmark", *(f"{name} --help" for name in HELP), "models"]
    failed = {name: installed.told[name].err for name in worked if installed.told[name].code}
    assert failed == {}


@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize("name", FITTED)
def test_detectors_score_in_a_new_process_as_objects_do_in_this_one(
    installed: Installed, used: dict[str, Any], name: str
) -> None:
    detector: Any = {
        "deviation": PatchDetector(scorer=Deviation(), backbone="embedded", image_size=48),
        "edges": create_model("patchcore", backbone=Edges(), image_size=48),
        "extremes": Extremes(side=32),
        "table": create_model("patchcore", backbone="embedded", image_size=48),
    }[name]
    north = installed.trays / "north"
    detector.fit([north / f"{i}.png" for i in range(4)])
    expected = detector.decision_function([north / f"{i}.png" for i in range(4, 8)])
    np.testing.assert_allclose(used[name], expected, rtol=1e-5)
    assert used["labels"] == [0, 0, 1, 1]
    assert max(used[name][:2]) < min(used[name][2:])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deviation", "unknown scorer 'deviation'"),
        ("edges", "backbone 'edges' is not registered here: import"),
        ("extremes", "unknown kind of detector 'extremes'"),
        ("table", "'knn_backend' is 'table', not \"auto\""),
    ],
)
def test_where_it_is_not_installed_the_file_says_what_is_missing(
    installed: Installed, name: str, told: str
) -> None:
    with pytest.raises(DetectorFileError, match=told):
        load(f"{installed.out / name}.pyimgano")


@pytest.fixture
def runs(installed: Installed) -> dict[str, Any]:
    """The benchmark's results by model."""
    results = json.loads((installed.out / "benchmark/results.json").read_text())
    return {one["model"]: one for one in results["runs"]}


def test_benchmarks_name_backbone_search_and_parameters(runs: dict[str, Any]) -> None:
    parameters = {name: one["parameters"] for name, one in runs.items()}
    assert parameters["deviation"]["backbone"] == "embedded"
    assert parameters["patchcore"]["backbone"] == "edges"
    assert parameters["patchcore"]["knn_backend"] == "table"
    assert parameters["extremes"]["side"] == 32


def test_benchmarks_have_what_the_layout_tells(runs: dict[str, Any]) -> None:
    for name in ("deviation", "patchcore"):
        for tray, one in zip(("north", "south"), runs[name]["categories"], strict=True):
            assert (one["category"], one["n_train"], one["n_test"], one["n_defect"]) == (
                *(tray, 4, 4, 2),
            )
            assert one["metrics"]["auroc"] == 1.0
            assert one["metrics"]["aupro"] > 0.8
            last = one["images"][-1]
            assert (last["defect_type"], last["group"], last["attributes"]) == (
                *("blot", "p3", {"side": "top"}),
            )


def test_tables_files_and_the_page_have_the_metric(
    installed: Installed, runs: dict[str, Any]
) -> None:
    north, _ = runs["deviation"]["categories"]
    assert set(north["metrics"]) == {"auroc", "aupro", "contrast"}
    assert north["metrics"]["contrast"] > 1.2
    assert "Contrast" in installed.told["benchmark"].out
    with (installed.out / "benchmark/results.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["contrast"]) == north["metrics"]["contrast"]
    # A run that names no metrics has none of a plugin's.
    told = json.loads(installed.told["broken layout"].out)
    (south,) = [one for one in told["categories"] if one["error"] is None]
    assert {"auroc", "aupro"} <= set(south["metrics"])
    assert "contrast" not in south["metrics"]


@pytest.mark.parametrize(
    "word", ["Contrast", "deviation:embedded", "extremes", "trays", "knn_backend"]
)
def test_the_page_has_all_of_it(installed: Installed, word: str) -> None:
    page = (installed.out / "benchmark/report.html").read_text()
    assert word in page
    assert len(page) > 10_000


@pytest.mark.parametrize("command", HELP)
def test_help_has_the_names_and_the_parameters(installed: Installed, command: str) -> None:
    said = " ".join(installed.told[f"{command} --help"].out.split())
    assert "detector, only for extremes:" in said
    assert "--side S side that images are brought to (default: 64)" in said
    assert "--end {bright,dark} which pixels count (default: bright)" in said
    if command == "benchmark":
        assert "synthetic, trays, vad, visa" in said
        assert "contrast" in said


def test_listings_have_the_models(installed: Installed) -> None:
    assert "Standard deviations from the mean patch" in installed.told["models"].out
    assert "The brightest or darkest pixel" in installed.told["models"].out


@pytest.mark.parametrize(
    ("about", "told"),
    [
        (
            "bad number",
            "pyimgano benchmark: error: --side must be an integer from 8 to 1,024, got 4\n",
        ),
        ("bad choice", "argument --end: invalid choice: 'left'"),
        ("unknown layout", "unknown dataset 'tray'; did you mean 'trays' or"),
    ],
)
def test_what_cannot_be_is_one_line(installed: Installed, about: str, told: str) -> None:
    assert installed.told[about].code == 2
    assert told in installed.told[about].err
    assert "Traceback" not in installed.told[about].err


def test_a_table_without_a_column_fails_its_tray_alone(installed: Installed) -> None:
    told = installed.told["broken layout"]
    assert told.code == 1
    assert told.err == (
        "pyimgano benchmark: north failed: layout 'trays' failed with KeyError: 'defect'\n"
    )
    assert json.loads(told.out)["categories"][1]["error"] is None
