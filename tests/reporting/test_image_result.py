"""One image: the same words in every result."""

from __future__ import annotations

import json
import math
import os

import numpy as np

from pyimgano.postprocess import find_regions
from pyimgano.reporting.image_result import ImageResult
from pyimgano.reporting.records import record_of
from pyimgano.types import Prediction, Unreadable

DEFECT = Prediction("a.png", 2.5, 1, None, ("darker: 3 times",))


def test_label_is_the_truth_and_predicted_the_verdict() -> None:
    unknown, missed = ImageResult.of("a.png", DEFECT), ImageResult("b.png", 1, 0.5, 0)
    assert unknown.to_json() == {
        "path": "a.png",
        "label": None,
        "score": 2.5,
        "predicted": 1,
        "verdict": "defect",
        "warnings": ["darker: 3 times"],
    }
    assert (missed.label, missed.predicted, missed.verdict) == (1, 0, "ok")


def test_only_what_is_known_is_told() -> None:
    heat = np.array([[0, 3], [0, 0]], np.float32)
    whole = ImageResult.of(
        "a.png",
        DEFECT,
        label=0,
        threshold=math.inf,
        ms=1.23456,
        regions=find_regions(heat, 1.0),
        pictures={"map": "maps/1.tiff"},
        group="part 7",
    )
    plain = record_of(whole)
    assert (plain["threshold"], plain["ms"], plain["n_regions"]) == (None, 1.235, 1)
    assert (plain["map"], plain["group"]) == ("maps/1.tiff", "part 7")
    assert {"pictures", "defect_type", "attributes", "metrics"}.isdisjoint(plain)


def test_an_image_without_a_score_has_its_path_and_the_reason() -> None:
    one = ImageResult.of("a.png", Unreadable("a.png", "it is empty"))
    assert one.to_json() == {"path": "a.png", "error": "it is empty"}
    assert (one.verdict, one.predicted, math.isnan(one.score)) == (None, None, True)


def test_a_name_that_is_not_utf_8_survives() -> None:
    plain = ImageResult.of(os.fsdecode(b"caf\xe9.png"), DEFECT).to_json()
    assert (plain["path"], plain["path_base64"]) == ("caf\\xe9.png", "Y2Fm6S5wbmc=")


def test_json_gives_it_back() -> None:
    one = ImageResult("b.png", 1, 0.5, 0, {"image": "i.webp"}, "dent", metrics={"peak": 2.0})
    assert ImageResult.from_json(json.loads(json.dumps(one.to_json()))) == one
