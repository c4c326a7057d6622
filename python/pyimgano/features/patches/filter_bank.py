"""Patch features that need no neural network, no weights file and no download."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features.base import PatchGrid, Spacing
from pyimgano.features.patches._filters import (
    ORIENTED,
    PER_LEVEL,
    Array,
    Cells,
    blur_grid,
    cells,
    ramp,
)
from pyimgano.features.patches._lighting import Lighting
from pyimgano.utils.parameters import Count, ListOf, Number, Parameter
from pyimgano.utils.params import ParamsMixin

_LEAST_SIDE = 8
_FINEST_SIGMA = 0.6
_ENERGY_SIGMA = 1.0
# So few rows that the BLAS stays on the calling thread: twenty times faster than starting its
# threads on a busy machine, and the same result for any number of them.
_GEMM_ROWS = 8
_SAMPLE_ROWS = 65_536
_LEAST_SAMPLE, _MOST_SAMPLE = 4, 64
#: Least standard deviation that a feature is divided by: oriented, brightness, two colours.
_FLOORS = np.array([1e-4] * ORIENTED + [1e-3] + [5e-3] * 2)


class FilterBank(ParamsMixin):
    """Oriented derivatives, brightness and colour at several scales, tuned on the normal images.

    Per image: brightness and two colour differences divided by brightness, in a pyramid; on each
    level first and second derivatives in four directions, split by sign; all of it averaged over
    cells of ``stride`` pixels. Then the part of the image's lighting (contrast, brightness,
    colour cast, brightness ramp) that varies among the normal images is taken out, strong
    responses are compressed relative to their neighbourhood, and averages over wider
    neighbourhoods are appended. What results is standardised on the normal images and projected
    on their principal axes, largest first; the length of what the axes leave out is the last
    feature, so that a patch unlike any normal one in a direction in which these do not vary stays
    far from all of them.

    Parameters
    ----------
    stride : int
        Distance of neighbouring patches in pixels.
    levels : int
        Octaves of the pyramid.
    neighborhoods : tuple of float
        Gaussian averages over neighbouring cells, in cells, besides the cell itself.
    compression : float
        Exponent in [0, 1] of the division by the local energy of the same level: 0 keeps contrast
        as it is, 1 keeps only the pattern where the energy is high.
    finest_weight : float
        Weight of the finest level's features against all others.
    color_weight : float
        Weight of the colour features against all others.
    n_components : int
        Principal axes kept.

    Attributes
    ----------
    lighting_ : Lighting
        What is nuisance in the lighting of the normal images.
    energy_ : ndarray
        float32 (levels,): root mean square energy of each level.
    mean_, scale_ : ndarray
        float32 (n,): mean of the n measured features; what their deviations are multiplied by.
    axes_ : ndarray
        float32 (n, min(n_components, n)): principal axes, orthonormal.

    Notes
    -----
    Sources: pooled, half-rectified oriented derivatives: Lowe (2004), "Distinctive image features
    from scale-invariant keypoints", section 6; Tola, Lepetit and Fua (2010), "DAISY", section 3.
    Division by local energy: Heeger (1992), "Normalization of cell responses in cat striate
    cortex"; Dalal and Triggs (2005), section 6.4. Colour divided by brightness: Gevers and
    Smeulders (1999), "Color-based object recognition", section 2.

    ``fit`` reads the images once. It keeps six numbers per image and the responses of a random
    sample of the images, at most about 65,000 cells unless four images have more.

    ``extract`` changes no state, so several threads may share a fitted object.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "stride": Count(1, 64, stored=Count(4, 64)),
        "levels": Count(1, 8, stored=Count(1, 5)),
        "neighborhoods": ListOf(
            Number(0, 16, open_low=True), stored=ListOf(Number(0, 16, open_low=True), 0, 3)
        ),
        "compression": Number(0, 1),
        "finest_weight": Number(0, 1e3),
        "color_weight": Number(0, 1e3),
        "n_components": Count(stored=Count(1, 2**20)),
    }

    needs_fit = True

    def __init__(
        self,
        *,
        stride: int = 6,
        levels: int = 3,
        neighborhoods: tuple[float, ...] = (4 / 3,),
        compression: float = 0.3,
        finest_weight: float = 0.6,
        color_weight: float = 0.5,
        n_components: int = 80,
    ) -> None:
        self.stride = stride
        self.levels = levels
        self.neighborhoods = neighborhoods
        self.compression = compression
        self.finest_weight = finest_weight
        self.color_weight = color_weight
        self.n_components = n_components

    @property
    def n_features_out(self) -> int:
        """Length of one patch's feature vector."""
        n = self.n_measured
        return n if self.n_components >= n else self.n_components + 1

    @property
    def n_measured(self) -> int:
        """Length of a patch's vector before the projection on the principal axes."""
        return self.levels * PER_LEVEL * (1 + len(self.neighborhoods))

    @property
    def spacing(self) -> Spacing:
        """Where cells lie, and all levels of the pyramid have their pixels."""
        return Spacing(self.stride, math.lcm(self.stride, 2 ** (self.levels - 1)))

    def fit(self, images: Iterable[Array], *, random_state: int = 0) -> Self:
        """Learn lighting, scale and principal axes from normal images, in one pass.

        They are float32 (H, W, 3), RGB in [0, 1], at the size that `extract` will be given;
        ``random_state`` decides which are kept where there are more than the sample holds. A
        parameter out of range, an image of an unusable shape, or no image at all is an
        InvalidInputError.
        """
        self.check_params()
        light, sample = self._read(images, np.random.default_rng(random_state))
        self.lighting_ = Lighting().fit(light)
        power = np.mean([self._energy(one.values, one.light) for one in sample], axis=0)
        self.energy_ = np.sqrt(np.maximum(power, 1e-10)).astype(np.float32)
        self._fit_axes(sample)
        return self

    def extract(self, image: Array) -> Array:
        """Patch features of one image, float32 (H, W, 3), RGB in [0, 1], of at least 8 x 8 pixels.

        Returns float32 (h, w, n_features_out); h = round(H / stride), w = round(W / stride), at
        least 1.
        """
        measured = self._cells(image)  # first: of images that are too small nothing is learnt
        if not hasattr(self, "axes_"):
            raise NotFittedError("FilterBank: call fit before extract")
        features = self._describe_cells(measured)
        shape = features.shape
        rows = (features.reshape(-1, shape[-1]) - self.mean_) * self.scale_
        out = np.empty((*shape[:2], self.n_features_out), dtype=np.float32)
        n_axes = self.axes_.shape[1]
        turned = out.reshape(len(rows), -1)
        for start in range(0, len(rows), _GEMM_ROWS):
            block = slice(start, start + _GEMM_ROWS)
            turned[block, :n_axes] = rows[block] @ self.axes_
        if n_axes < turned.shape[1]:
            squares = np.square(rows).sum(axis=1) - np.square(turned[:, :n_axes]).sum(axis=1)
            turned[:, n_axes] = np.sqrt(np.maximum(squares, 0))
        return out

    def check_size(self, height: int, width: int) -> None:
        """Refuse images that are too small for the filters."""
        if min(height, width) < _LEAST_SIDE:
            raise InvalidInputError(
                f"the filter bank needs images of at least {_LEAST_SIDE} x {_LEAST_SIDE} pixels,"
                f" got {height} x {width}: set image_size"
            )

    def extract_batch(self, images: Sequence[Array]) -> list[PatchGrid]:
        """Patch features of each image, d is ``n_features_out``."""
        return [PatchGrid.of(self.extract(image)) for image in images]

    def describe(self) -> dict[str, Any]:
        """Parameters, ready for JSON."""
        found = {"backbone": "filterbank", **self.get_params()}
        return found | {"neighborhoods": list(self.neighborhoods)}

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Fitted arrays by name."""
        if not hasattr(self, "axes_"):
            raise NotFittedError("FilterBank: call fit before get_state")
        state: dict[str, NDArray[Any]] = {
            "mean": self.mean_,
            "scale": self.scale_,
            "axes": self.axes_,
            "energy": self.energy_,
        }
        state.update({f"light_{k}": v for k, v in self.lighting_.get_state().items()})
        return state

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `get_state` returned, on an object with the same parameters."""
        expected = (self.n_measured, min(self.n_components, self.n_measured))
        axes = np.asarray(state["axes"], dtype=np.float32)
        if axes.shape != expected:
            raise InvalidInputError(f"state holds axes of shape {axes.shape}, expected {expected}")
        self.mean_ = np.asarray(state["mean"], dtype=np.float32)
        self.scale_ = np.asarray(state["scale"], dtype=np.float32)
        self.energy_ = np.asarray(state["energy"], dtype=np.float32)
        self.lighting_ = Lighting()
        self.lighting_.set_state({k: state[f"light_{k}"] for k in ("mean", "shrink", "reach")})
        self.axes_ = axes

    def _cells(self, image: Array) -> Cells:
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < _LEAST_SIDE:
            raise InvalidInputError(
                f"image must be (H, W, 3) with H and W of at least {_LEAST_SIDE}, got {image.shape}"
            )
        pixels = np.ascontiguousarray(image, dtype=np.float32)
        return cells(pixels, stride=self.stride, levels=self.levels, sigma=_FINEST_SIGMA)

    def _read(
        self, images: Iterable[Array], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], list[Cells]]:
        """Lighting of all images, and a uniform sample of them (reservoir sampling)."""
        light: list[NDArray[np.float64]] = []
        sample: list[tuple[int, Cells]] = []
        capacity = _MOST_SAMPLE
        for number, image in enumerate(images):
            one = self._cells(image)
            light.append(one.light)
            if not number:
                rows = one.values.shape[0] * one.values.shape[1]
                capacity = int(np.clip(_SAMPLE_ROWS // rows, _LEAST_SAMPLE, _MOST_SAMPLE))
            if number < capacity:
                sample.append((number, one))
            elif (slot := int(rng.integers(number + 1))) < capacity:
                sample[slot] = (number, one)
        if not light:
            raise InvalidInputError("FilterBank.fit needs at least one image, got none")
        return np.array(light), [one for _, one in sorted(sample, key=lambda pair: pair[0])]

    def _relit(self, values: Array, light: NDArray[np.float64]) -> Array:
        """Responses as the image would give them under more usual light."""
        removable = self.lighting_.removable(light)
        log_gain, offsets, slopes = removable[0], removable[1:4], removable[4:]
        relit = values.copy()
        if slopes.any():
            relit[..., : ORIENTED + 1] /= ramp(values.shape[:2], slopes)[:, :, None, None]
        relit[..., ORIENTED:] -= np.asarray(self.lighting_.mean_[1:4] + offsets, dtype=np.float32)
        relit[..., : ORIENTED + 1] *= np.float32(np.exp(-log_gain))
        return relit

    def _energy(self, values: Array, light: NDArray[np.float64]) -> NDArray[np.float64]:
        oriented = self._relit(values, light)[..., :ORIENTED].astype(np.float64)
        return np.asarray((oriented**2).sum(axis=-1).mean(axis=(0, 1)))

    def _describe_cells(self, one: Cells) -> Array:
        values = self._relit(one.values, one.light)
        if self.compression:
            energy = np.sqrt(np.square(values[..., :ORIENTED]).sum(axis=-1))
            local = blur_grid(energy, _ENERGY_SIGMA)
            factor = (self.energy_ / (local + self.energy_)) ** np.float32(self.compression)
            values[..., :ORIENTED] *= factor[..., None]
        flat = values.reshape(*values.shape[:2], -1)
        return np.concatenate([flat, *(blur_grid(flat, s) for s in self.neighborhoods)], axis=-1)

    def _fit_axes(self, sample: Sequence[Cells]) -> None:
        n = self.n_measured
        total, products, count = np.zeros(n), np.zeros((n, n)), 0
        for one in sample:
            rows = self._describe_cells(one).reshape(-1, n).astype(np.float64)
            total += rows.sum(axis=0)
            products += rows.T @ rows
            count += len(rows)
        mean = total / count
        covariance = products / count - np.outer(mean, mean)
        blocks = 1 + len(self.neighborhoods)
        weight = np.ones((self.levels, PER_LEVEL))
        weight[0] *= self.finest_weight
        weight[:, -2:] *= self.color_weight
        floor = np.tile(_FLOORS**2, self.levels * blocks)
        deviation = np.sqrt(np.maximum(np.diag(covariance), floor))
        scale = np.tile(weight.ravel(), blocks) / deviation
        _, axes = np.linalg.eigh(covariance * np.outer(scale, scale))
        axes = axes[:, ::-1][:, : self.n_components]
        largest = np.abs(axes).argmax(axis=0)
        axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
        self.mean_ = mean.astype(np.float32)
        self.scale_ = scale.astype(np.float32)
        self.axes_ = np.ascontiguousarray(axes, dtype=np.float32)
