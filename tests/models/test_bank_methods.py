"""AnomalyDINO and SuperADD: memory banks, by their recipes and beside anomalib's."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchGrid
from pyimgano.models.anomalydino import AnomalyDINO
from pyimgano.models.superadd import SuperADD
from tests.conftest import texture, with_blot
from tests.models.cells import Cells

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

SIDE = 160
TRAIN = [texture(i, (SIDE, SIDE)) for i in range(3)]
TEST = [texture(30, (SIDE, SIDE)), with_blot(texture(31, (SIDE, SIDE)))]


def batch(images: list[np.ndarray]) -> np.ndarray:
    scaled = (np.array(images, np.float32) / np.float32(255) - 0.5) / np.float32(0.25)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def layers(images: list[np.ndarray], stride: int = 8) -> list[np.ndarray]:
    """Of each layer (n, h, w, c)."""
    return [one.transpose(0, 2, 3, 1) for one in Cells(stride).layer_maps(batch(images))]


def tokens(images: list[np.ndarray], stride: int = 8) -> np.ndarray:
    return np.concatenate(layers(images, stride), axis=3)


def test_anomalydino_s_preset_is_the_recipe() -> None:
    detector = AnomalyDINO(backbone=Cells(32), preset="paper").fit([TRAIN[0]])
    large = cv2.resize(TRAIN[0], (448, 448))
    turned = [large]
    for i in range(1, 8):
        turn = cv2.getRotationMatrix2D(((SIDE - 1) / 2,) * 2, 45 * i, 1)
        one = cv2.warpAffine(TRAIN[0], turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
        turned.append(cv2.resize(one, (448, 448)))
    bank = tokens(turned, 32).reshape(-1, 12).astype(float)
    assert detector.scorer_.memory_bank_.shape == bank.shape == (8 * 14 * 14, 12)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    for image, found in zip(TEST, detector.iter_predict(TEST), strict=True):
        rows = tokens([cv2.resize(image, (448, 448))], 32).reshape(-1, 12).astype(float)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        far = 1 - (rows @ bank.T).max(axis=1)
        # The largest floor(0.01 x 196) of them: one.
        assert found.score == pytest.approx(far.max(), rel=2e-3)


@pytest.mark.parametrize(
    ("size", "seen"),
    [((100, 228), (448, 1021)), ((300, 150), (896, 448)), ((600, 900), (448, 672))],
)
def test_anomalydino_s_preset_keeps_the_aspect_and_cuts_right_and_bottom(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    image = texture(0, size)
    detector = AnomalyDINO(backbone=Cells(14), preset="paper", references="plain").fit([image] * 2)
    loaded = detector._preprocessor.load(image)
    assert loaded.geometry.resized == seen
    kept = tuple(side // 14 * 14 for side in seen)
    assert loaded.pixels.shape == (*kept, 3)
    grown = seen[0] > size[0]
    large = cv2.resize(
        image.astype(np.float32) / 255,
        seen[::-1],
        interpolation=cv2.INTER_LINEAR if grown else cv2.INTER_AREA,
    )
    np.testing.assert_allclose(loaded.pixels, large[: kept[0], : kept[1]], atol=1e-5)
    assert detector.get_anomaly_map(image).shape == size


def test_superadd_s_preset_names_itself_where_its_tiles_are_changed() -> None:
    with pytest.raises(InvalidInputError, match="preset='paper' has tiles of 640 pixels that"):
        SuperADD(backbone=Cells(8), preset="paper", tile_overlap=32).fit(TRAIN)


def test_superadd_s_preset_learns_brighter_and_darker_copies_and_smooths_nothing() -> None:
    detector = SuperADD(backbone=Cells(8), preset="paper", image_size=32).fit(TRAIN)
    side = 96  # five eighths of 160 are 100, and in whole patches 96
    assert [len(bank.memory_bank_) for bank in detector.scorer_.banks_] == [2 * 3 * 12 * 12] * 2
    found = next(detector.iter_predict([TEST[1]]))
    rows, shape = detector._extract_patch_features(TEST[1])
    (scores,) = detector.scorer_.score([PatchGrid(rows, shape)])
    seen = cv2.resize(scores.distances, (side, side))
    np.testing.assert_allclose(found.anomaly_map, cv2.resize(seen, (SIDE, SIDE)), rtol=1e-6)
    assert found.score == pytest.approx(np.sort(seen, axis=None)[-9:].mean(dtype=float))


@pytest.mark.parametrize("length", [40, 41, 64, 65, 88, 100, 160])
def test_superadd_s_preset_cuts_tiles_as_the_paper_does(length: int) -> None:
    """A side of so many patches of 16 pixels, in tiles of 40 that overlap by 8 at each side."""
    features = SuperADD(backbone=Cells(16), preset="paper")
    tiled = features._seeing(features._build_features())
    windows = [across for _, across in tiled._tiles((640, 16 * length))]
    n = -(-(length - 40) // (40 - 2 * 8)) + 1
    starts = [i * (length - 40) // max(1, n - 1) for i in range(n)]
    assert [one.start // 16 for one in windows] == starts
    for one, start in zip(windows, starts, strict=True):
        before = [s + 40 - start for s in starts if s < start]
        after = [start + 40 - s for s in starts if s > start]
        first = start + (-(-before[-1] // 2) if before else 0)
        last = start + 40 - (after[0] // 2 if after else 0)
        assert (one.first // 16, one.last // 16) == (first, last)


@pytest.mark.parametrize("cls", [AnomalyDINO, SuperADD])
def test_a_defect_stands_out(cls: Any) -> None:
    detector = cls(backbone=Cells(8), image_size=SIDE).fit(TRAIN)
    good, bad = detector.iter_predict(TEST)
    assert bad.score > 1.5 * good.score
    row, column = np.unravel_index(np.argmax(bad.anomaly_map), (SIDE, SIDE))
    assert 12 <= row < 32
    assert 20 <= column < 40


def bare(torch: Any, cls: Any, **given: Any) -> Any:
    """anomalib's model without a network, which it would fetch."""
    model = cls.__new__(cls)
    torch.nn.Module.__init__(model)
    model.register_buffer("memory_bank", torch.empty(0))
    for name, value in given.items():
        setattr(model, name, value)
    return model


def agrees(ours: Any, theirs: Any, maps: Any = None) -> None:
    torch = pytest.importorskip("torch")
    found = theirs.eval()(torch.from_numpy(batch(TEST)))
    maps = np.array(ours.predict_anomaly_map(TEST) if maps is None else maps)
    expected = found.anomaly_map.numpy().reshape(maps.shape)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4 * expected.max())
    np.testing.assert_allclose(
        ours.decision_function(TEST), found.pred_score.numpy().ravel(), rtol=1e-4
    )


def test_anomalydino_agrees_with_anomalib_s() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    module = pytest.importorskip("anomalib.models.image.anomaly_dino.torch_model")

    def features(images: Any) -> Any:
        maps = [torch.from_numpy(one) for one in Cells(8).layer_maps(images.numpy())]
        return torch.cat(maps, dim=1).flatten(2).transpose(1, 2)

    theirs = bare(
        torch,
        module.AnomalyDINOModel,
        num_neighbours=1,
        masking=False,
        coreset_subsampling=False,
        embedding_store=[],
        patch_size=8,
        anomaly_map_generator=module.AnomalyMapGenerator(),
        extract_features=features,
    )
    theirs.train()(torch.from_numpy(batch(TRAIN)))
    theirs.fit()
    ours = AnomalyDINO(backbone=Cells(8), image_size=SIDE, coreset_ratio=1.0).fit(TRAIN)
    # anomalib repeats each distance over its patch where the paper and we interpolate.
    grids = [PatchGrid(*ours._extract_patch_features(image)) for image in TEST]
    repeated = [np.kron(one.distances, np.ones((8, 8))) for one in ours.scorer_.score(grids)]
    maps = [cv2.GaussianBlur(one.astype(np.float32), (0, 0), 4) for one in repeated]
    agrees(ours, theirs, maps)


def test_superadd_agrees_with_anomalib_s() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    module = pytest.importorskip("anomalib.models.image.super_add.torch_model")

    def features(images: Any) -> Any:
        maps = Cells(8).layer_maps(images.numpy())
        return [torch.from_numpy(one).permute(0, 2, 3, 1) for one in maps]

    theirs = bare(
        torch,
        module.SuperADDModel,
        layers=[0, 1],
        patch_exec=features,
        max_database_size=100_000,
        subsampling_iterations=100,
        score_quantile=1e-3,
        blur=module.GaussianBlur2d(kernel_size=(33, 33), sigma=(4.0, 4.0), channels=1),
        embedding_store=defaultdict(list),
        _compute_device=lambda: torch.device("cpu"),
    )
    theirs.train()(torch.from_numpy(batch(TRAIN)))
    theirs.subsample_embedding()
    ours = SuperADD(backbone=Cells(8), image_size=SIDE, coreset_ratio=1.0).fit(TRAIN)
    agrees(ours, theirs)
