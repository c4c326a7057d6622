"""Networks of timm: what sides of images must be a multiple of."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra timm")
pytest.importorskip("timm", reason="needs the extra timm")

from pyimgano.features.backbones.timm import TimmBackbone  # noqa: E402


@pytest.mark.parametrize(
    ("name", "multiple", "only"),
    [
        ("xcit_nano_12_p16_224", 16, (None, None)),
        ("resmlp_12_224", 16, (224, 224)),
        ("mixer_s32_224", 32, (224, 224)),
        ("vit_tiny_r_s16_p8_224", 32, (None, None)),  # patches of 8 on a stem of stride 4
        ("vit_tiny_patch16_224", 16, (None, None)),
    ],
)
def test_images_are_of_whole_strides(
    name: str, multiple: int, only: tuple[int | None, int | None]
) -> None:
    backbone = TimmBackbone(name, pretrained=False, layers=["blocks.0"])
    assert (backbone.info.size_multiple, backbone.info.fixed_size) == (multiple, only)
    side = only[0] or 2 * multiple
    (found,) = backbone.layer_maps(np.zeros((1, 3, side, side), np.float32))
    assert found.shape[2:] == (side // multiple, side // multiple)
    with torch.inference_mode():
        fixed = backbone.body_at(side, side)(torch.zeros(1, 3, side, side))["blocks.0"]
    np.testing.assert_allclose(fixed.numpy(), found.numpy(), atol=1e-5)
