"""Images without the smoothness of their noise: what an interferometer's beam hides becomes plain.

Noise of an interferometer is as smooth as its beam. To divide by the beam in the Fourier plane makes it
white and sources narrow: pixels then say as much of a source as they know, each by itself. Sources no larger
than the beam stand out from such an image far better, and their axes and angles can be read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from astrodetect.methods.ellipses import FWHM_IN_SIGMA

#: Least transfer of the beam that is divided by; below, rounding of the pixels would be all that is seen.
_LEAST = 0.003
#: Part of its highest value below which a kernel is cut off.
_CUT = 2e-3
_GRID = 256


def sharpening_kernel(width: float) -> NDArray[np.float64]:
    """Give the kernel that undoes a Gaussian along one axis.

    Its transfer is ``B / (B^2 + b^2)`` (Wiener), B that of the Gaussian and b what B is for the shortest
    waves that pixels hold, so that nothing jumps there and the kernel stays short.

    Parameters
    ----------
    width : float
        Full width at half maximum of the Gaussian, pixels.

    Returns
    -------
    (2 r + 1,) float64 array
        Symmetric, with the sum 1.
    """
    wave = np.fft.rfftfreq(_GRID)
    passed = np.exp(-2 * (np.pi * wave * width / FWHM_IN_SIGMA) ** 2)
    least = max(float(passed[-1]), _LEAST)
    whole = np.fft.irfft(passed / (passed**2 + least**2), _GRID)[: _GRID // 2]
    reach = int(np.flatnonzero(np.abs(whole) > _CUT * np.abs(whole).max())[-1])
    # A kernel that ends of a sudden would let waves of all lengths through too strongly or too weakly.
    fading = np.clip(2 - 2 * np.arange(reach + 1) / (reach + 1), 0, 1)
    half = whole[: reach + 1] * np.sin(np.pi / 2 * fading) ** 2
    kernel = np.concatenate([half[:0:-1], half])
    return np.asarray(kernel / kernel.sum())


class Sharpening(nn.Module):
    """Undoes a Gaussian beam, axis by axis.

    Parameters
    ----------
    widths : sequence of float
        Full width at half maximum along each axis, in the order of an image's axes ([z,] y, x), pixels.

    Attributes
    ----------
    reach : list of int
        Pixels to both sides that a value depends on, along each axis.
    """

    def __init__(self, widths: Sequence[float]) -> None:
        super().__init__()
        self.reach: list[int] = []
        for axis, width in enumerate(widths):
            kernel = torch.from_numpy(sharpening_kernel(width)).float()
            self.reach.append(len(kernel) // 2)
            shape = [1, 1, *(len(kernel) if own == axis else 1 for own in range(len(widths)))]
            self.register_buffer(f"kernel_{axis}", kernel.view(shape), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Give sharpened images (B, C, [D,] H, W), 0 where a kernel meets an edge or what is no number."""
        convolve = functional.conv2d if images.ndim == 4 else functional.conv3d
        gone = ~torch.isfinite(images)
        sharp = torch.where(gone, 0.0, images).flatten(0, 1)[:, None]
        for axis, reach in enumerate(self.reach):
            if sharp.shape[2 + axis] <= 2 * reach:
                return torch.zeros_like(images)
            sharp = convolve(sharp, getattr(self, f"kernel_{axis}"))
        sharp = sharp.view(*images.shape[:2], *sharp.shape[2:])
        edges = [edge for reach in reversed(self.reach) for edge in (reach, reach)]
        sharp = functional.pad(sharp, edges)
        return torch.where(self._near(gone), 0.0, sharp) if gone.any() else sharp

    def _near(self, gone: Tensor) -> Tensor:
        """Tell which pixels have one of those that are gone within reach."""
        pool = functional.max_pool2d if gone.ndim == 4 else functional.max_pool3d
        return pool(gone.float(), [2 * r + 1 for r in self.reach], 1, self.reach) > 0
