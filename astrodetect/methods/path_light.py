"""The light along a path in all frames at once, and the path that has the most of it.

Of a faint object no frame tells where it is; all together do. The path is fitted to the frames
themselves: straight, with a speed that may change steadily, the light of each frame free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.methods.apertures import gap_of, signal_in
from astrodetect.methods.noise import ROUNDING
from astrodetect.methods.streaks import Line

#: Standard deviations of a Gaussian in its full width at half maximum.
_FWHM = 2.3548
#: Signal-to-noise from which on a frame says no more about the path in proportion to its square.
_CLEAR = 6.0
#: Half side of what is cut out at most (px); side of blocks of noise, and how many tell something.
_LARGEST, _BLOCK, _LEAST_BLOCKS = 48, 4, 8
#: Pixels of a cut-out from which its level and noise are taken, at least.
_SAMPLE = 250
#: Rounds of the fit; how much likelihood more makes another worth while.
_ROUNDS, _LITTLE = 3, 0.5
#: Distance at which the slope of the likelihood is taken, in standard deviations of the spot.
_STEP = 0.5
#: Frames from which on a change of speed is fitted.
_ENOUGH = 6
#: Typical lead halfway, as a part of the length: what loses a fifth of its speed has 0.025.
_LEAD = 0.025
#: Pixels of what is this wide (px) are binned, so that it is sampled as finely as what is half as wide.
_WIDE = 5.0


@dataclass(frozen=True)
class Motion:
    """A straight path between two frames, passed with a speed that changes steadily.

    Attributes
    ----------
    first, last : float
        Frames.
    start_yx, end_yx : (float, float)
        Where it is in them.
    lead : float
        How far it is ahead of a constant speed halfway (px).
    """

    first: float
    last: float
    start_yx: tuple[float, float]
    end_yx: tuple[float, float]
    lead: float = 0.0

    @property
    def length(self) -> float:
        """Distance between the ends (px)."""
        return float(np.hypot(self.end_yx[0] - self.start_yx[0], self.end_yx[1] - self.start_yx[1]))

    @property
    def direction_yx(self) -> tuple[float, float]:
        """Unit vector."""
        length = max(self.length, 1e-9)
        return (self.end_yx[0] - self.start_yx[0]) / length, (self.end_yx[1] - self.start_yx[1]) / length

    def along(self, frames: Any) -> NDArray[np.float64]:
        """Give the way from the start (px) at times (frames), also outside of the ends."""
        u = (np.asarray(frames, dtype=np.float64) - self.first) / max(self.last - self.first, 1e-9)
        # Outside it goes on at the speed that it had at the end.
        inside = np.clip(u, 0.0, 1.0)
        way: NDArray[np.float64] = inside * self.length + 4 * self.lead * inside * (1 - inside)
        way += (u - inside) * (self.length + 4 * self.lead * (1 - 2 * inside))
        return way

    def at(self, frames: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give y and x at times (frames)."""
        way, (dy, dx) = self.along(frames), self.direction_yx
        return self.start_yx[0] + way * dy, self.start_yx[1] + way * dx

    def between(self, first: float, last: float) -> Motion:
        """Give the same motion by its places in other frames."""
        (y0, y1), (x0, x1) = self.at([first, last])
        middle = self.along([first, 0.5 * (first + last), last])
        lead = float(middle[1] - 0.5 * (middle[0] + middle[2]))
        return Motion(first, last, (float(y0), float(x0)), (float(y1), float(x1)), lead)

    def moved(self, number: int, by: float) -> Motion:
        """Give it changed in one of five ways, by pixels: the ends aside and along, and the lead."""
        dy, dx = self.direction_yx
        step = ((dx * by, -dy * by), (dy * by, dx * by))[number // 2 if number < 4 else 0]
        if number == 4:
            return replace(self, lead=self.lead + by)
        if number % 2:
            return replace(self, end_yx=(self.end_yx[0] + step[0], self.end_yx[1] + step[1]))
        return replace(self, start_yx=(self.start_yx[0] + step[0], self.start_yx[1] + step[1]))

    def line(self, evidence: float) -> Line:
        """Give it as a line from half a frame before the first to half a frame after the last."""
        ends = self.first - 0.5, self.last + 0.5
        frames = np.linspace(ends[0], ends[1], 9)
        way = self.along(frames)
        when = np.polynomial.polynomial.polyfit(way, frames, 2 if self.lead else 1)
        first, last = (float(value) for value in self.along(ends))
        when_ = tuple(float(value) for value in when)
        return Line(self.start_yx, self.direction_yx, (0.0,), when_, first, last, evidence)


@dataclass(frozen=True)
class Cutouts:
    """What is cut out around a path, of several frames.

    Attributes
    ----------
    frames : (n,) int array
        In the window.
    signal : (n, k, k) float32 array
        Above the background, in units of the noise of a pixel; 0 where nothing is known.
    known : (n, k, k) bool array
        Where something is.
    noise : (n,) float32 array
        What this unit is in each frame (ADU).
    corner_yx : (n, 2) float array
        Centres of the first pixels.
    step : int
        Side of a pixel, in those of the frame.
    """

    frames: NDArray[np.int64]
    signal: NDArray[np.float32]
    known: NDArray[np.bool_]
    noise: NDArray[np.float32]
    corner_yx: NDArray[np.float64]
    step: int = 1

    def __getitem__(self, chosen: Any) -> Cutouts:
        return replace(
            self, frames=self.frames[chosen], signal=self.signal[chosen], known=self.known[chosen],
            noise=self.noise[chosen], corner_yx=self.corner_yx[chosen],
        )  # fmt: skip

    def inner(self, reach: float) -> Cutouts:
        """Give the middle alone, `reach` pixels of the frame to each side."""
        cut = max(self.signal.shape[1] // 2 - int(np.ceil(reach / self.step)), 0)
        part = np.s_[:, cut : self.signal.shape[1] - cut, cut : self.signal.shape[2] - cut]
        corner = self.corner_yx + cut * self.step
        return replace(self, signal=self.signal[part], known=self.known[part], corner_yx=corner)

    def binned(self, step: int) -> Cutouts:
        """Give it with pixels of `step` by `step`, also in units of their noise."""
        n, size = len(self.frames), self.signal.shape[1] // step
        blocks = n, size, step, size, step
        whole = np.s_[:, : size * step, : size * step]
        signal = self.signal[whole].reshape(blocks).sum(axis=(2, 4)) / np.float32(step)
        known = np.asarray(self.known[whole].reshape(blocks).all(axis=(2, 4)))
        corner = self.corner_yx + 0.5 * (step - 1)
        return replace(self, signal=signal, known=known, corner_yx=corner, step=step)


def cut_out(window: Window, motion: Motion, frames: range, width: float, restless: bool) -> Cutouts:
    """Cut out of frames what lies around a path.

    Parameters
    ----------
    window : Window
        With frames and the plane ``background``.
    motion : Motion
        The path.
    frames : range
        Of the window; those in which it is outside of the picture are left out.
    width : float
        FWHM across (px).
    restless : bool
        The light behind it changes: it is taken from the frames around each.

    Returns
    -------
    Cutouts
    """
    speed = motion.length / max(motion.last - motion.first, 1.0)
    reach = int(min(np.ceil(0.5 * speed + 2.5 * width + 4), _LARGEST))
    y, x = motion.at(np.array(frames))
    inside = (y >= 0) & (y <= window.shape[0] - 1) & (x >= 0) & (x <= window.shape[1] - 1)
    chosen, size = np.array(frames)[inside], 2 * reach + 1
    corner = np.stack([np.rint(y[inside]), np.rint(x[inside])], axis=1).astype(np.int64) - reach
    signal = np.full((len(chosen), size, size), np.nan, np.float32)
    gap = gap_of(speed, width) if restless else 0
    for part, frame, (top, left) in zip(signal, chosen.tolist(), corner.tolist(), strict=True):
        rows = slice(max(top, 0), min(top + size, window.shape[0]))
        columns = slice(max(left, 0), min(left + size, window.shape[1]))
        light, known = signal_in(window, frame, (rows, columns), gap)
        if window.mask is not None:
            known &= ~window.mask[rows, columns]
        light[~known] = np.nan
        part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = light
    level, noise = _level_and_noise(signal, _beside(motion, reach, speed, width), window)
    signal = (signal - level[:, None, None]) / noise[:, None, None]
    known = np.isfinite(signal)
    cutouts = Cutouts(chosen, np.where(known, signal, np.float32(0)), known, noise, corner.astype(np.float64))
    return cutouts.binned(int(2 * width / _WIDE)) if width >= _WIDE else cutouts


def _beside(motion: Motion, reach: int, speed: float, width: float) -> NDArray[np.bool_]:
    """Tell which pixels of a cut-out the object in its middle does not reach."""
    dy, dx = motion.direction_yx
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, aside = np.abs(y * dy + x * dx), y * dx - x * dy
    clear: NDArray[np.bool_] = np.hypot(np.maximum(along - 0.5 * speed, 0), aside) > 1.5 * width + 1.5
    return clear


def _level_and_noise(
    signal: NDArray[np.float32], beside: NDArray[np.bool_], window: Window
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the level of cut-outs (n, k, k) and the noise of a pixel in each.

    Both are taken beside the object. The noise of clouds, defocused stars and codecs is that of neighbouring
    pixels as well: the scatter of means over blocks tells by how much apertures are noisier for it.
    """
    chosen = np.flatnonzero(beside)
    chosen = chosen[:: max(len(chosen) // _SAMPLE, 1)]
    around = np.sort(signal.reshape(len(signal), -1)[:, chosen], axis=1)  # what is not known comes last
    count = np.isfinite(around).sum(axis=1)
    sums = np.cumsum(np.nan_to_num(around), axis=1, dtype=np.float64)
    squares = np.cumsum(np.square(np.nan_to_num(around)), axis=1, dtype=np.float64)
    each = np.arange(len(around))
    low, high = count // 4, np.maximum(3 * count // 4, count // 4 + 1)
    # The mean of the middle half resolves fractions of a grey level; light that belongs to something else
    # is in the upper tail.
    level = (sums[each, np.minimum(high, around.shape[1] - 1)] - sums[each, low]) / np.maximum(high - low, 1)
    lower = np.maximum((0.84 * count).astype(int), 1)
    mean, square = (total[each, lower - 1] / lower for total in (sums, squares))
    rounding = ROUNDING if window.planes["max"].dtype.kind in "ui" else 1e-6
    noise = np.maximum(np.sqrt(np.maximum(square - 2 * level * mean + level**2, 0)) / 0.858, rounding)
    side = signal.shape[1] // _BLOCK
    blocks = side, _BLOCK, side, _BLOCK
    whole = beside[: side * _BLOCK, : side * _BLOCK].reshape(blocks).all(axis=(1, 3))
    if whole.sum() >= _LEAST_BLOCKS:
        means = signal[:, : side * _BLOCK, : side * _BLOCK].reshape(-1, *blocks).mean(axis=(2, 4))[:, whole]
        means = np.where(np.isfinite(means), means, level[:, None])
        spread = np.median(np.abs(means - np.median(means, axis=1, keepdims=True)), axis=1)
        noise = np.maximum(noise, _BLOCK * 1.4826 * spread)
    return level.astype(np.float32), noise.astype(np.float32)


def light_along(cutouts: Cutouts, motion: Motion, width: float) -> NDArray[np.float64]:
    """Give the signal-to-noise of a trail of known width and place in each frame (matched filter).

    Parameters
    ----------
    cutouts : Cutouts
    motion : Motion
        The path; the trail of a frame goes from half a frame before it to half a frame after it.
    width : float
        FWHM across (px).

    Returns
    -------
    (n,) float64 array
        Of noise alone normally distributed around 0, with a standard deviation of 1.
    """
    from scipy.special import ndtr

    if not len(cutouts.frames):
        return np.zeros(0)
    sigma = width / _FWHM
    y, x = motion.at(cutouts.frames)
    half = 0.5 * (motion.along(cutouts.frames + 0.5) - motion.along(cutouts.frames - 0.5))
    pixel = cutouts.step * np.arange(cutouts.signal.shape[1])
    away = [
        ((pixel + (corner - place)[:, None]) / sigma).astype(np.float32)
        for corner, place in zip(cutouts.corner_yx.T, (y, x), strict=True)
    ]
    down, right = away[0][:, :, None], away[1][:, None, :]
    dy, dx = (np.float32(value) for value in motion.direction_yx)
    along, aside = down * dy + right * dx, down * dx - right * dy
    reach = np.maximum(half / sigma, 0.05).astype(np.float32)[:, None, None]
    trail = np.exp(-0.5 * np.square(aside)) * (ndtr(along + reach) - ndtr(along - reach))
    trail *= cutouts.known
    power = np.sqrt(np.einsum("nij,nij->n", trail, trail))
    found: NDArray[np.float64] = np.einsum("nij,nij->n", trail, cutouts.signal) / np.maximum(power, 1e-6)
    # Of a trail outside of the picture nothing is known.
    whole = power > 0.3 * power.max(initial=0.0)
    return np.where(whole, found, 0.0).astype(np.float64)


def fitted_motion(cutouts: Cutouts, motion: Motion, width: float) -> Motion:
    """Fit a path to the light in frames: the one with the highest likelihood, the light of each frame free.

    Newton's method, with the bend of the likelihood that a Gaussian spot has.

    Parameters
    ----------
    cutouts : Cutouts
        Of the frames in which the object is seen.
    motion : Motion
        Where it was thought to be.
    width : float
        FWHM across (px).

    Returns
    -------
    Motion
    """
    sigma = width / _FWHM
    step = _STEP * sigma
    speed = motion.length / max(motion.last - motion.first, 1.0)
    cutouts = cutouts.inner(0.5 * speed + 1.7 * width + 2)
    u = (cutouts.frames - motion.first) / max(motion.last - motion.first, 1)
    aside = np.stack([1 - u, u])
    along = aside if len(u) < _ENOUGH else np.stack([1 - u, u, 4 * u * (1 - u)])
    light = light_along(cutouts, motion, width)
    steady = (_LEAD * motion.length + 0.1) ** -2.0
    for _ in range(_ROUNDS):
        trail = sigma**2 + (motion.length / max(motion.last - motion.first, 1)) ** 2 / 12
        changed = motion
        for ways, terms, spread in (((0, 1), aside, sigma**2), ((2, 3, 4), along, trail)):
            forth, back = (
                light_along(cutouts, motion.moved(ways[0], by).moved(ways[1], by), width)
                for by in (step, -step)
            )
            weight = np.clip(light, 0.0, _CLEAR)
            slope = terms @ (weight * (forth - back) / (2 * step))
            bend = (terms * (weight * np.maximum(light, 0.0) / (2 * spread) + 1e-3)) @ terms.T
            if len(terms) == 3:
                slope[2] -= motion.lead * steady
                bend[2, 2] += steady
            moves = np.clip(np.linalg.solve(bend, slope), -2 * np.sqrt(spread), 2 * np.sqrt(spread))
            for way, by in zip(ways, moves.tolist(), strict=False):
                changed = changed.moved(way, by)
        new = light_along(cutouts, changed, width)
        gained = _likelihood(new) - _likelihood(light)
        if gained <= 0:
            break
        motion, light = changed, new
        if gained < _LITTLE:
            break
    return motion


def _likelihood(light: NDArray[np.float64]) -> float:
    """Give the logarithm of the likelihood ratio of light of free brightness; what is clear counts less."""
    positive = np.maximum(light, 0.0)
    limited = np.minimum(positive, _CLEAR)
    return float(np.sum(limited * (positive - 0.5 * limited)))
