"""Patches of tiles on one grid, against those of the whole image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pyimgano.errors import BackboneError, InvalidInputError
from pyimgano.extend import BackboneInfo, LayerInfo
from pyimgano.features import build_features
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.tiled import TiledPatches
from tests.conftest import texture


class Cells:
    """Means of cells of 4 and 8 pixels: a network that sees nothing beyond a cell."""

    def __init__(self, strides: Sequence[int] = (4, 8), *, lost: int = 0) -> None:
        self.lost = lost
        self.batches: list[tuple[int, ...]] = []
        layers = tuple(LayerInfo(f"by{s}", 3, s) for s in strides)
        self.info = BackboneInfo("cells", layers, ((0.5,) * 3, (0.5,) * 3), size_multiple=8)

    def layer_maps(self, batch: np.ndarray) -> list[np.ndarray]:
        self.batches.append(batch.shape)
        n, c, height, width = batch.shape
        maps = []
        for side in (layer.stride or 8 for layer in self.info.layers):
            cells = batch.reshape(n, c, height // side, side, width // side, side)
            found = cells.mean(axis=(3, 5))
            maps.append(found[:, :, : found.shape[2] - self.lost])
        return maps


class SaysNothing:
    """An extractor of somebody's own, from before there were tiles."""

    needs_fit = False


def image(seed: int, size: tuple[int, int]) -> np.ndarray:
    return texture(seed, size).astype(np.float32) / 255


@pytest.mark.parametrize("size", [(64, 64), (64, 104), (200, 72), (152, 152), (8, 160)])
def test_tiles_give_what_the_whole_gives(size: tuple[int, int]) -> None:
    # Averages over 3 x 3 places of 8 pixels: 16 from a border, nothing knows of it.
    plain = LayerPatches(Cells())
    whole = plain.extract_batch([image(1, size)])[0]
    tiled = TiledPatches(plain, tile=64, overlap=32).extract_batch([image(1, size)])[0]
    assert (tiled.shape, tiled.parts) == (whole.shape, whole.parts)
    np.testing.assert_allclose(tiled.rows, whole.rows, rtol=0, atol=1e-6)


def test_without_overlap_only_patches_at_the_seams_differ() -> None:
    plain = LayerPatches(Cells())
    whole = plain.extract_batch([image(2, (128, 128))])[0].array
    tiled = TiledPatches(plain, tile=64, overlap=0).extract_batch([image(2, (128, 128))])[0].array
    differs = np.abs(tiled - whole).max(axis=2) > 1e-6
    assert differs[14:18].any()
    assert differs[:, 14:18].any()
    near = np.zeros(32, bool)
    near[12:20] = True
    assert not differs[~near][:, ~near].any()


@pytest.mark.parametrize(("backbone", "overlap"), [("embedded", 288), ("filterbank", 96)])
def test_a_constant_image_has_no_seams(backbone: str, overlap: int) -> None:
    plain = build_features(backbone)
    tiled = TiledPatches(plain, tile=336, overlap=overlap)
    flat = np.full((336, 384), 102, np.uint8)
    if plain.needs_fit:
        tiled.fit([flat, texture(1, (336, 384))])
    assert tiled.n_tiles(*flat.shape) > 1
    row = tiled.extract_batch([flat])[0].array[20]
    # From the network's own border on, which sees zeros beyond the image.
    inner = row[18:-18]
    assert np.abs(inner - inner[0]).max() <= 1e-5 * np.abs(row).max()


def test_the_embedded_network_sees_no_farther_than_half_of_256_pixels() -> None:
    plain = build_features("embedded", layers=["layer2"])
    pixels = image(3, (272, 400))
    whole = plain.extract_batch([pixels])[0].array
    tiled = TiledPatches(plain, tile=336, overlap=256).extract_batch([pixels])[0].array
    assert whole.shape == tiled.shape == (34, 50, 128)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-3 * np.abs(whole).max())


def test_stored_pixels_become_floats_tile_by_tile() -> None:
    plain = LayerPatches(Cells())
    tiled = TiledPatches(plain, tile=64, overlap=32, bit_depth=12)
    stored = texture(4, (128, 96))
    expected = plain.extract_batch([stored.astype(np.float32) / 255])[0].rows
    np.testing.assert_allclose(tiled.extract_batch([stored])[0].rows, expected, atol=1e-6)
    deep = stored.astype(np.uint16) * 16
    np.testing.assert_allclose(
        tiled.extract_batch([deep])[0].rows,
        plain.extract_batch([deep.astype(np.float32) / 4095])[0].rows,
        atol=1e-6,
    )
    grey = tiled.extract_batch([stored[..., 0]])[0].rows
    three = np.repeat(stored[..., :1], 3, axis=2)
    np.testing.assert_array_equal(grey, tiled.extract_batch([three])[0].rows)


def test_no_pass_has_more_tiles_than_the_batch_size() -> None:
    backbone = Cells()
    patches = LayerPatches(backbone, batch_size=3)
    tiled = TiledPatches(patches, tile=64, overlap=0, batch_size=3)
    tiled.extract_batch([image(5, (128, 256))])
    assert tiled.n_tiles(128, 256) == 8
    assert backbone.batches == [(3, 3, 64, 64), (3, 3, 64, 64), (2, 3, 64, 64)]


def test_size_and_overlap_are_brought_to_what_the_network_takes() -> None:
    tiled = TiledPatches(LayerPatches(Cells()), tile=71, overlap=9)
    assert (tiled.tile, tiled.overlap) == (64, 16)
    auto = TiledPatches(LayerPatches(Cells()))
    assert (auto.tile, auto.overlap) == (1024, 128)
    assert TiledPatches(LayerPatches(Cells()), tile=128).overlap == 32


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [(64, 64, "smaller than the tiles by 8"), (64, 57, "smaller than"), (7, 0, "at least 8")],
)
def test_tiles_that_cannot_be_cut_are_refused(tile: int, overlap: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        TiledPatches(LayerPatches(Cells()), tile=tile, overlap=overlap)


def test_a_network_whose_grids_do_not_meet_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="known stride"):
        TiledPatches(LayerPatches(Cells((0,))))
    with pytest.raises(InvalidInputError, match="known stride"):
        TiledPatches(SaysNothing())  # type: ignore[arg-type]
    short = TiledPatches(LayerPatches(Cells(lost=1)), tile=64, overlap=0)
    with pytest.raises(BackboneError, match="cells gives 15 x 16 patches of 6 features.* 16 x 16"):
        short.extract_batch([image(6, (128, 64))])


def test_an_image_that_is_no_whole_number_of_steps_is_refused() -> None:
    tiled = TiledPatches(LayerPatches(Cells()), tile=64, overlap=0)
    with pytest.raises(InvalidInputError, match='multiples of 8 pixels, got 66 x 64.*"fit"'):
        tiled.extract_batch([image(7, (66, 64))])
