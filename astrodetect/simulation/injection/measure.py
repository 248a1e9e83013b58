"""What a recording's own frames say of the camera: level, noise, gain, blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.stages import FrameSource
from astrodetect.methods.ellipses import FWHM_IN_SIGMA
from astrodetect.methods.noise import ROUNDING
from astrodetect.simulation.objects import Conditions
from astrodetect.simulation.psf import FloatImage

#: Frames that are looked at, in pairs that follow each other.
_PAIRS = 16
#: Half width (px) over which the noise is averaged.
_AROUND = 12
#: Blur where there are too few stars (px), and how many there have to be.
_FWHM, _FEWEST = 2.2, 5
#: The brightest stars that are fitted, and half the side of the piece of picture around each (px).
_MOST, _STAMP = 80, 7


@dataclass(frozen=True)
class Surroundings:
    """What meteors are put into.

    Attributes
    ----------
    level : (H, W) float32 array
        Mean of the frames (ADU).
    variance : (H, W) float32 array
        Of a pixel from frame to frame (ADU²), smoothed; of independent pixels that are as noisy together.
    open : (H, W) float32 array
        1 where meteors can be seen, 0 where a mask says that they cannot.
    fwhm : float
        Of stars (px).
    n_stars : int
        From which it was taken; 0: it is a guess.
    gain : float
        Electrons per ADU; infinite where the frames do not show it, so that added light has no noise.
    top : float
        Highest pixel value; infinite if there is none.
    """

    level: FloatImage
    variance: FloatImage
    open: FloatImage
    fwhm: float
    n_stars: int
    gain: float
    top: float

    @property
    def conditions(self) -> Conditions:
        """As the objects of a simulation want it: the noise is that of the frames."""
        return Conditions(self.variance, self.open, self.open, 0.0, 1.0)

    def describe(self) -> str:
        """Say in one line what was measured."""
        noise = math.sqrt(float(np.median(self.variance)))
        width = (
            f"{self.fwhm:.1f} px ({self.n_stars} stars)" if self.n_stars else f"{self.fwhm:.1f} px (assumed)"
        )
        gain = f"{self.gain:.2g} electrons/ADU" if math.isfinite(self.gain) else "unknown gain"
        return f"level {float(np.median(self.level)):.1f} ADU, noise {noise:.2f} ADU, {gain}, stars {width}"


def measure_frames(source: FrameSource, stream: Stream, fwhm: float | None = None) -> Surroundings:
    """Measure a recording that is open and arrives as frames.

    Parameters
    ----------
    source : FrameSource
        It.
    stream : Stream
        What is known of it.
    fwhm : float, optional
        Of stars, if it is known (px).

    Raises
    ------
    AstrodetectError
        It has fewer than two frames.
    """
    pairs = _pairs(source, stream)
    if not pairs:
        raise AstrodetectError(f"{source.recording.path}: has fewer than two frames; meteors need several")
    level = np.mean(np.stack([0.5 * (a + b) for a, b in pairs]), axis=0)
    width, n_stars = (fwhm, 0) if fwhm is not None else _fwhm(level, stream)
    variance = aperture_variance([b - a for a, b in pairs], width)
    return surroundings(level, variance, stream, width, n_stars)


def aperture_variance(differences: Sequence[FloatImage], fwhm: float) -> FloatImage:
    """Give the variance that pixels would have if they were independent and an aperture as noisy as it is.

    Compressed video has little noise in each pixel, but neighbours share it.

    Parameters
    ----------
    differences : sequence of (H, W) float32 array
        Of frames that follow each other.
    fwhm : float
        Half the diameter of the aperture (px).

    Returns
    -------
    (H, W) float32 array
    """
    from scipy.ndimage import uniform_filter

    side = max(2, round(math.sqrt(math.pi) * fwhm))
    total = np.zeros_like(differences[0])
    for difference in differences:
        square = np.maximum(np.square(uniform_filter(difference, side)) * side**2, 0)
        # What moves or flashes is no noise: what is far beyond the usual counts as the largest of it.
        some = square[square > 0]
        total += np.minimum(square, 25 * float(np.median(some)) if len(some) else 0.0)
    return np.asarray(total / (2 * len(differences)), dtype=np.float32)


def _pairs(source: FrameSource, stream: Stream) -> list[tuple[FloatImage, FloatImage]]:
    """Give pairs of frames that follow each other, evenly spread if the number of frames is known."""
    n = stream.n_frames
    wanted = set(np.linspace(0, n - 2, _PAIRS).astype(int).tolist()) if n > 1 else set(range(0, 999, 7))
    kept: list[tuple[int, FloatImage]] = []
    for frame in source.frames():
        if frame.index in wanted or frame.index - 1 in wanted:
            kept.append((frame.index, np.array(frame.data, dtype=np.float32)))
        if len(kept) > 4 * _PAIRS:
            break
    return [(a, b) for (i, a), (j, b) in pairwise(kept) if j == i + 1 and i in wanted]


def surroundings(
    level: NDArray[Any], variance: NDArray[Any], stream: Stream, fwhm: float | None = None, n_stars: int = 0
) -> Surroundings:
    """Bring together what was measured.

    Parameters
    ----------
    level, variance : (H, W) array
        Mean (ADU), and variance from frame to frame (ADU²), of each pixel.
    stream : Stream
        Mask, saturation and type of the pixels.
    fwhm : float, optional
        Of stars, if it is known (px).
    n_stars : int
        From how many it was taken.
    """
    from scipy.ndimage import uniform_filter

    rounded = ROUNDING**2 if stream.dtype.kind in "ui" else 0.0
    smooth = uniform_filter(variance.astype(np.float32), 2 * _AROUND + 1) + np.float32(rounded)
    closed = np.zeros(level.shape, dtype=bool) if stream.mask is None else stream.mask
    measured, n_stars = (fwhm, n_stars) if fwhm is not None else _fwhm(level, stream)
    top = stream.saturation
    if not math.isfinite(top):
        top = float(np.iinfo(stream.dtype).max) if stream.dtype.kind in "ui" else math.inf
    least = max(float(smooth[~closed].min()) if (~closed).any() else 0.0, 1e-6)
    return Surroundings(
        level.astype(np.float32), np.maximum(smooth, np.float32(least)), (~closed).astype(np.float32),
        measured, n_stars, _gain(level[~closed], smooth[~closed]), top,
    )  # fmt: skip


def _fwhm(level: NDArray[Any], stream: Stream) -> tuple[float, int]:
    """Give the width of stars, and of how many it is the median."""
    from astrodetect.sky.stars import find_stars

    try:
        stars = find_stars(level, stream.mask, saturation=stream.saturation)
    except AstrodetectError:
        return _FWHM, 0
    good = stars[~stars.saturated & (stars.elongation < 0.35) & (stars.snr > 10)]
    widths = [_fitted(level, round(x), round(y)) for x, y in zip(good.x[:_MOST], good.y[:_MOST], strict=True)]
    known = [width for width in widths if width is not None]
    if len(known) < _FEWEST:
        return _FWHM, 0
    return float(np.median(known)), len(known)


def _fitted(level: NDArray[Any], x: int, y: int) -> float | None:
    """Fit a round Gaussian to a star; None where none fits: an edge, a lamp, a double star."""
    from scipy.optimize import least_squares

    if not (_STAMP <= y < level.shape[0] - _STAMP and _STAMP <= x < level.shape[1] - _STAMP):
        return None
    stamp = level[y - _STAMP : y + _STAMP + 1, x - _STAMP : x + _STAMP + 1].astype(np.float64)
    rows, columns = np.mgrid[-_STAMP : _STAMP + 1, -_STAMP : _STAMP + 1]

    def off(values: NDArray[np.float64]) -> NDArray[np.float64]:
        height, at_x, at_y, sigma, below = values
        model = height * np.exp(-((columns - at_x) ** 2 + (rows - at_y) ** 2) / (2 * sigma**2)) + below
        return np.asarray((model - stamp).ravel(), dtype=np.float64)

    below = float(np.median(stamp))
    found = least_squares(off, [float(stamp.max()) - below, 0.0, 0.0, 1.2, below], max_nfev=60)
    height, at_x, at_y, sigma, _ = found.x
    spread = float(np.sqrt(np.mean(found.fun**2)))
    fits = height > 0 and math.hypot(at_x, at_y) < 2 and spread < 0.08 * height
    width = FWHM_IN_SIGMA * abs(float(sigma))
    return width if fits and 0.8 < width < 8 else None


def _gain(level: NDArray[Any], variance: NDArray[Any]) -> float:
    """Give electrons per ADU by the slope of variance against level (photon transfer)."""
    edges = np.quantile(level, np.linspace(0.02, 0.98, 13))
    places = np.digitize(level, edges)
    inside = [places == i for i in range(1, 13) if np.count_nonzero(places == i) > 100]
    bins = [(float(np.median(level[chosen])), float(np.median(variance[chosen]))) for chosen in inside]
    if len(bins) < 4:
        return math.inf
    x, y = np.array(bins).T
    if np.ptp(x) < 2:
        return math.inf
    slope = float(np.polyfit(x, y, 1)[0])
    # Compression and gamma bend the relation; then the light is added without noise of its own.
    agrees = float(np.corrcoef(x, y)[0, 1]) > 0.7
    return 1 / slope if slope > 1e-3 and agrees else math.inf
