"""Networks of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError
from pyimgano.kernels.arguments import at_least, float32_array, threads

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network, with zeros around the map it is applied to.

    Its map has 1 / ``stride`` of that one's height and width, rounded up.

    Attributes
    ----------
    weights
        float32 (outputs, inputs, side, side), cross-correlation; ``side`` is odd, at most 15.
    bias
        float32 (outputs,).
    stride
        1 or 2.
    source
        What it is applied to: 0 is the image, i + 1 convolution i, which comes before.
    residual
        What is added to its outputs, numbered alike; not the image.
    relu
        Whether negative values, the residual added, become 0.
    """

    weights: Array
    bias: Array
    stride: int = 1
    source: int = 0
    residual: int | None = None
    relu: bool = True


class ConvolutionalNetwork:
    """A network of convolutions, made ready once and run on images of any size.

    Parameters
    ----------
    convolutions : sequence of Convolution
        In an order in which they can be computed. Their weights are copied.
    outputs : sequence of int
        Numbers of the convolutions, from 0, whose maps `run` gives.
    channels : int
        Channels of the images.

    Raises
    ------
    InvalidInputError
        (a ValueError) on shapes that do not fit each other, kernels that are even or not square,
        strides other than 1 and 2, sources that do not come before.
    InvalidTypeError
        (a TypeError) if weights or biases are not float32.

    Notes
    -----
    Computed in float32; the same bits for any number of threads and of images at once, and for
    AVX2, AVX-512 and NEON. On x86-64 without AVX2 product and sum are each rounded, which differs
    in the last digits. Threads may share a network.

    Maps between the layers are kept from one run to the next, up to 384 MiB; what is above that is
    freed when a run ends.

    Kernels of 3 x 3 with stride 1 go by Winograd's F(4 x 4, 3 x 3), which takes a quarter of the
    products. Its rounding errors are larger than those of plain sums: about 1e-6 of the largest
    value for each convolution.

    References
    ----------
    A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4.

    Examples
    --------
    The mean of 3 x 3 pixels, zeros beyond the border:

    >>> import numpy as np
    >>> from pyimgano.kernels import Convolution, ConvolutionalNetwork
    >>> mean = Convolution(np.full((1, 1, 3, 3), 1 / 9, np.float32), np.zeros(1, np.float32))
    >>> network = ConvolutionalNetwork([mean], [0], channels=1)
    >>> network.run(np.full((1, 1, 3, 4), 9, np.float32))[0][0, 0].round(3)
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]], dtype=float32)
    """

    def __init__(
        self, convolutions: Sequence[Convolution], outputs: Sequence[int], *, channels: int = 3
    ) -> None:
        given = [
            (
                float32_array(f"weights of convolution {i}", one.weights, 4),
                float32_array(f"bias of convolution {i}", one.bias, 1),
                at_least("stride", one.stride, 1),
                at_least("source", one.source, 0),
                None if one.residual is None else at_least("residual", one.residual, 0),
                bool(one.relu),
            )
            for i, one in enumerate(convolutions)
        ]
        self._channels = at_least("channels", channels, 1)
        self._network = _rust.ConvolutionalNetwork(
            self._channels, given, [at_least("outputs", at, 0) for at in outputs]
        )

    def run(self, batch: ArrayLike, *, n_threads: int | None = None) -> list[Array]:
        """The maps of the outputs.

        Parameters
        ----------
        batch : array-like of float32, shape (n, channels, H, W)
            Used in place where C-contiguous. NaN and infinity are taken: each makes NaN of the
            values that it reaches and, by Winograd's tiles, of some beside them.
        n_threads : int, optional
            Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

        Returns
        -------
        list of ndarray
            For each output float32 (n, channels, h, w). The channels of a place lie together in
            memory: ``map.transpose(0, 2, 3, 1)`` is C-contiguous.

        Raises
        ------
        InvalidInputError
            (a ValueError) on a bad shape, other channels, images without pixels.
        InvalidTypeError
            (a TypeError) if `batch` is not float32.
        """
        images = float32_array("batch", batch, 4)
        if images.shape[1] != self._channels:
            raise InvalidInputError(
                f"batch must have {self._channels} channels, got shape {images.shape}"
            )
        maps = self._network.run(images, threads(n_threads))
        return [one.transpose(0, 3, 1, 2) for one in maps]
