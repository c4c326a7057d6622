"""A backbone from another package serves detectors by its name or as an object."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model, load
from pyimgano.errors import (
    BackboneError,
    DetectorFileError,
    InvalidInputError,
    UnknownNameError,
)
from pyimgano.extend import Normalization, check_backbone, list_backbones, register_backbone
from pyimgano.features.backbones.named import BACKBONES
from pyimgano.features.build import build_features
from pyimgano.features.normalization import normalised
from tests.conftest import texture, with_blot
from tests.extending.plugin.pyimgano_example_plugin.backbone import Edges

TRAIN = [texture(i, (48, 48)) for i in range(9)]
TEST = [texture(30, (48, 48)), with_blot(texture(31, (48, 48)))]


def model(**params: Any) -> Any:
    return create_model("patchcore", **{"backbone": "edges", "image_size": 48, **params})


@pytest.fixture
def edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backbone "edges", registered for one test."""
    monkeypatch.setattr(BACKBONES, "_entries", dict(BACKBONES._entries))
    register_backbone("edges", Edges)


@pytest.mark.parametrize("given", ["edges", Edges(), Edges(stride=2)])
def test_a_detector_scores_alike_after_loading(edges: None, given: Any, tmp_path: Path) -> None:
    detector = model(backbone=given).fit(TRAIN)
    assert detector.backbone is given
    detector.save(tmp_path / "lid.pyimgano")
    loaded = load(tmp_path / "lid.pyimgano")
    expected = detector.decision_function(TEST)
    np.testing.assert_array_equal(loaded.decision_function(TEST), expected)
    again = loaded.get_params()["backbone"]
    assert again == "edges" if given == "edges" else again.stride == given.stride


def test_a_layer_that_is_a_mean_already_is_not_averaged_again() -> None:
    class Averaged(Edges):
        """The edges as they are, in part."""

        def __init__(self, *averaged: str) -> None:
            super().__init__()
            layers = tuple(replace(e, averaged=e.name in averaged) for e in self.info.layers)
            self.info = replace(self.info, layers=layers)

    image = TEST[1].astype(np.float32) / 255
    names = [layer.name for layer in Edges().info.layers]
    none, first, both = (
        build_features(Averaged(*names[:n])).extract_batch([image])[0].array for n in range(3)
    )
    batch = normalised([image], Edges().info.normalization)
    maps = Edges().layer_maps(batch)
    n_first = maps[0].shape[1]
    np.testing.assert_array_equal(first[..., :n_first], maps[0][0].transpose(1, 2, 0))
    np.testing.assert_array_equal(first[..., n_first:], none[..., n_first:])
    np.testing.assert_array_equal(both[..., :n_first], first[..., :n_first])
    assert np.abs(both[..., n_first:] - none[..., n_first:]).max() > 0.01
    assert np.abs(first[..., :n_first] - none[..., :n_first]).max() > 0.01


def test_what_was_learnt_is_in_the_file(edges: None, tmp_path: Path) -> None:
    class Weighted(Edges):
        """Edges with a weight per channel."""

        kind = "weighted"
        weight = np.ones(6, np.float32)

        def layer_maps(self, batch: Any) -> Any:
            return [one * self.weight[:, None, None] for one in super().layer_maps(batch)]

        def to_state(self) -> dict[str, Any]:
            return {"weight": self.weight}

        @classmethod
        def from_state(cls, parameters: Any, state: Any) -> Any:
            found = cls(**parameters)
            found.weight = state["weight"]
            return found

    register_backbone("weighted", Weighted)
    ours = Weighted()
    ours.weight = np.arange(6, dtype=np.float32)
    detector = model(backbone=ours).fit(TRAIN)
    detector.save(tmp_path / "lid.pyimgano")
    loaded = load(tmp_path / "lid.pyimgano")
    expected = detector.decision_function(TEST)
    np.testing.assert_array_equal(loaded.decision_function(TEST), expected)

    # Another class under the same name is told by its info, and a function is none that files hold.
    class Larger(Weighted):
        def __init__(self, stride: int) -> None:
            super().__init__(2 * stride)

    register_backbone("weighted", Larger, overwrite=True)
    with pytest.raises(OSError, match="backbone 'weighted' is not the one that the detector was"):
        load(tmp_path / "lid.pyimgano")
    register_backbone("weighted", lambda: Weighted(), overwrite=True)
    with pytest.raises(DetectorFileError, match="registered as none that files hold"):
        load(tmp_path / "lid.pyimgano")
    # Larger's own kind is registered for somebody else.
    with pytest.raises(InvalidInputError, match="is a Larger, which is not registered as storable"):
        model(backbone=Larger(2)).fit(TRAIN).save(tmp_path / "other.pyimgano")


def test_a_file_with_a_device_of_the_search_alone_is_loaded(edges: None, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    detector = model(backbone="edges", knn_backend="torch", device="cpu:0").fit(TRAIN)
    detector.save(tmp_path / "lid.pyimgano")
    loaded = load(tmp_path / "lid.pyimgano")
    np.testing.assert_allclose(
        loaded.decision_function(TEST), detector.decision_function(TEST), rtol=1e-5
    )


def test_a_parameter_of_lists_is_in_the_file(edges: None, tmp_path: Path) -> None:
    class Scaled(Edges):
        kind = "scaled"
        PARAMETERS = {"scale": Normalization()}  # noqa: RUF012

        def __init__(self, scale: Any = "imagenet") -> None:
            super().__init__()
            self.scale = scale

    register_backbone("scaled", Scaled)
    scale = [[0.5, 0.5, 0.5], [0.25, 0.5, 1.0]]
    model(backbone=Scaled(scale)).fit(TRAIN).save(tmp_path / "lid.pyimgano")
    loaded: Any = load(tmp_path / "lid.pyimgano")
    assert loaded.backbone.scale == scale


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"weight": np.array([1.0, np.nan])}, "tensor 'features.weight' has values outside"),
        ({"weight": np.ones((0, 3))}, r"tensor 'features.weight' is float64 \(0, 3\)"),
        ({1: np.ones(3)}, "its backbone Learnt gives 1 as float64"),
        (None, "its backbone Learnt fails with AttributeError"),
    ],
)
def test_what_could_not_be_loaded_is_not_written(
    edges: None, state: Any, told: str, tmp_path: Path
) -> None:
    class Learnt(Edges):
        kind = "learnt"

        def to_state(self) -> Any:
            return dict(state.items())

    register_backbone("learnt", Learnt)
    fitted = model(backbone=Learnt()).fit(TRAIN)
    with pytest.raises(InvalidInputError, match=f"^PatchCore cannot be stored: {told}"):
        fitted.save(tmp_path / "lid.pyimgano")
    assert not (tmp_path / "lid.pyimgano").exists()


def test_an_object_that_nobody_registered_cannot_be_stored(tmp_path: Path) -> None:
    detector = model(backbone=Edges()).fit(TRAIN)
    with pytest.raises(InvalidInputError, match="'edges' is a Edges, which is not registered"):
        detector.save(tmp_path / "lid.pyimgano")
    assert not (tmp_path / "lid.pyimgano").exists()


def test_layers_are_chosen_out_of_its_info(edges: None) -> None:
    features: Any = build_features("edges", layers=["large"])
    assert features.layers == ("large",)
    grid = features.extract_batch([np.zeros((48, 64, 3), np.float32)])[0]
    assert (grid.shape, grid.rows.shape) == ((6, 8), (48, 6))
    with pytest.raises(UnknownNameError, match="layer of edges 'larg'; did you mean 'large'"):
        build_features("edges", layers=["larg"])


def test_sizes_and_options_that_it_does_not_take_are_errors(edges: None) -> None:
    with pytest.raises(InvalidInputError, match="edges cannot take an image of 44 x 48 .* of 8"):
        model(image_size=(44, 48)).validate()
    for backbone in ("edges", Edges()):
        with pytest.raises(InvalidInputError, match="'edges' has no use for device='cuda'"):
            model(backbone=backbone, device="cuda").validate()


def test_a_factory_gets_the_parameters_that_it_takes(edges: None) -> None:
    def build(weights: str | None = None) -> Edges:
        return Edges(stride=int(weights or 4))

    register_backbone("sized", build)
    features: Any = build_features("sized", weights="2")
    assert features.backbone.stride == 2
    register_backbone("empty", dict)
    with pytest.raises(BackboneError, match="backbone 'empty' is a dict, and that is none"):
        build_features("empty")


@pytest.mark.parametrize("factory", [None, lambda: {}["weights"]])
def test_a_factory_that_fails_is_named(edges: None, factory: Any) -> None:
    register_backbone("broken", factory)
    with pytest.raises(InvalidInputError, match="backbone 'broken' fails with (Type|Key)Error: "):
        model(backbone="broken").fit(TRAIN)


def test_a_normalization_may_be_an_array(edges: None) -> None:
    given = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

    def build(normalization: Any = None) -> Edges:
        np.testing.assert_array_equal(normalization, given)
        return Edges()

    register_backbone("scaled", build)
    model(backbone="scaled", normalization=np.array(given)).validate()


def test_names_are_listed_and_the_nearest_are_told(edges: None) -> None:
    assert {"edges", "embedded", "filterbank"} <= {*list_backbones()}
    with pytest.raises(InvalidInputError, match="backbone 'edges' is registered already"):
        register_backbone("edges", dict)
    pytest.importorskip("torchvision", reason="needs the extra torch")
    with pytest.raises(UnknownNameError, match="unknown backbone 'edgse'; did you mean 'edges'"):
        model(backbone="edgse").validate()


def test_it_passes_the_checks() -> None:
    check_backbone(Edges())


class Liar(Edges):
    """Gives ``answer(maps)`` in place of its maps."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def layer_maps(self, batch: Any) -> Any:
        return self.answer(super().layer_maps(batch))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda maps: maps[:1], "edges gives 1 maps for its 2 layers"),
        (lambda maps: None, "edges gives NoneType for its 2 layers"),
        (
            lambda maps: [m.astype(float) for m in maps],
            "'small' gives float64 (8, 6, 12, 12)",
        ),
        (lambda maps: [m[:, :5] for m in maps], "layer 'small' gives 5 channels, its info says 6"),
        (lambda maps: [m.repeat(2, 2) for m in maps], "maps of 24 x 12 for images of 48 x 48"),
        (lambda maps: [m * np.float32(np.nan) for m in maps], "'small' holds NaN or infinity"),
        (lambda maps: maps[5], "edges (a batch of shape (8, 3, 48, 48)) fails with IndexError"),
    ],
)
def test_a_lie_is_one_error_that_names_the_backbone(answer: Any, told: str) -> None:
    with pytest.raises(BackboneError, match=re.escape(told)):
        model(backbone=Liar(answer)).fit(TRAIN)


@pytest.mark.parametrize("given", [5, "", None, Edges, object()])
def test_what_is_no_backbone_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInputError, match="backbone must be the name of a network"):
        model(backbone=given).fit(TRAIN)
