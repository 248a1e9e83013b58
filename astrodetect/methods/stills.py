"""Streaks in a single image: long, thin, straight, even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window
from astrodetect.core.detections import ROW, Detections
from astrodetect.core.geometry import clip_box
from astrodetect.methods.candidates import clipped_box
from astrodetect.methods.look import Look
from astrodetect.methods.measure import trail_width
from astrodetect.methods.scores import line_sums
from astrodetect.methods.streaks import Line

#: Length of the short lines that a search begins with (px).
_SEED = 25
#: Pixels count from minus to plus that much, so that a star on the way proves nothing.
_CLIP = 5.0
#: Coefficients of the logistic function of `still_features`: fitted by ``benchmarks/fit_stills.py``.
COEFFICIENTS = (-10.319, 6.585, -1.217, 7.972, -5.393, -3.023, -5.246)


@dataclass(frozen=True)
class Streak:
    """A streak in a single image.

    Attributes
    ----------
    line : Line
        Where it is.
    mean : float
        Mean significance of its pixels.
    fill : float
        Share of its length that stands out.
    rough : float
        Scatter of the brightness along it over its mean: a row of stars is rough.
    beside : float
        Mean significance beside it, of the brighter side.
    width : float
        FWHM (px).
    """

    line: Line
    mean: float
    fill: float
    rough: float
    beside: float
    width: float

    @property
    def features(self) -> NDArray[np.float64]:
        """What the probability is a function of."""
        return np.array(
            [
                1.0,
                np.log10(max(self.line.length, 1.0) / 20.0),
                np.log10(np.clip(self.mean - max(self.beside, 0.0), 0.05, 5.0)),
                self.fill,
                np.log10(max(self.width, 1.0) / 3.0),
                np.log10(min(max(self.rough, 0.1), 3.0)),
                float(np.clip(self.beside / max(self.mean, 0.5), -1, 1)),
            ]
        )

    @property
    def probability(self) -> float:
        """Probability that it is a streak."""
        return float(1 / (1 + np.exp(-np.dot(COEFFICIENTS, self.features))))


def find_streak(z: NDArray[np.float32], image: NDArray[Any], rows: slice, columns: slice) -> Streak | None:
    """Find the straightest bright line through a patch and follow it over the frame.

    Parameters
    ----------
    z : (H, W) float32 array
        Significance of the whole frame.
    image : (H, W) array
        Frame minus background (ADU).
    rows, columns : slice
        The patch.

    Returns
    -------
    Streak or None
    """
    sums = line_sums(z[rows, columns])
    direction, y, x = (int(v) for v in np.unravel_index(int(np.argmax(sums)), sums.shape))
    if sums[direction, y, x] < 2:
        return None
    angle = np.pi * direction / len(sums)
    line = Line(
        (float(rows.start + y), float(columns.start + x)), (float(np.sin(angle)), float(np.cos(angle))),
        (0.0,), (0.0,),
        -_SEED / 2, _SEED / 2,
    )  # fmt: skip
    return followed(line, z, image)


def followed(line: Line, z: NDArray[np.float32], image: NDArray[Any]) -> Streak | None:
    """Follow a line that lies on a streak to its ends, and describe it.

    Parameters
    ----------
    line : Line
        Straight; from `first` to `last` it is on the streak.
    z, image
        See `find_streak`.

    Returns
    -------
    Streak or None
        None if it is no brighter than what surrounds it, or too short.
    """
    for _ in range(4):
        longer = _grown(line, z)
        if longer is None:
            return None
        line = longer
    return _described(line, z, image)


def line_profile(
    line: Line, z: NDArray[np.float32], s: NDArray[Any], offsets: NDArray[Any]
) -> NDArray[np.float64]:
    """Give significance (len(s), len(offsets)) at distances from the line, NaN outside the frame."""
    y, x = line.position(s)
    dy, dx = line.direction_yx
    # Halves always up: rint would take every other pixel twice on a line between two columns.
    iy = np.floor(y[:, None] + offsets * dx + 0.5).astype(np.int64)
    ix = np.floor(x[:, None] - offsets * dy + 0.5).astype(np.int64)
    seen = (iy >= 0) & (iy < z.shape[0]) & (ix >= 0) & (ix < z.shape[1])
    values = z[np.where(seen, iy, 0), np.where(seen, ix, 0)].astype(np.float64)
    return np.where(seen, np.clip(values, -_CLIP, 4 * _CLIP), np.nan)


def _grown(line: Line, z: NDArray[np.float32]) -> Line | None:
    """Take a line as far as it is brighter than not, and fit it again."""
    reach = float(np.hypot(*z.shape))
    s = np.arange(np.floor(-reach), np.ceil(reach) + 1)
    y, x = line.position(s)
    s = s[(y > -0.5) & (y < z.shape[0] - 0.5) & (x > -0.5) & (x < z.shape[1] - 0.5)]
    known = (s >= line.first) & (s <= line.last)
    if known.sum() < 5:
        return None
    value = np.nanmean(np.minimum(line_profile(line, z, s, np.arange(-1.0, 1.5)), _CLIP), axis=1)
    usual = float(np.clip(np.median(value[known]), 0.7, 3.0))
    # A normal distribution about `usual` against one about 0, both of the same width.
    ratio = usual * value - usual**2 / 2
    total = np.concatenate([[0.0], np.cumsum(np.clip(ratio, -2.0, 2.0))])
    middle = int(np.flatnonzero(known)[known.sum() // 2])
    start, end = int(np.argmin(total[: middle + 1])), middle + 1 + int(np.argmax(total[middle + 1 :]))
    if end - start < 5:
        return None
    s = s[start:end]
    offsets = np.arange(-3.0, 3.5)
    weight = np.nan_to_num(np.clip(line_profile(line, z, s, offsets), 0, _CLIP)) ** 2
    each = weight.sum(axis=1)
    aside = (weight * offsets).sum(axis=1) / np.maximum(each, 1e-9)
    # The line is straight: two coefficients.
    slope, shift = np.polyfit(s, aside, 1, w=np.sqrt(np.minimum(each, 50.0)) + 1e-6)
    y, x = line.position(np.array([s[0], s[-1]]))
    dy, dx = line.direction_yx
    off = np.polyval([slope, shift], np.array([s[0], s[-1]]))
    y, x = y + off * dx, x - off * dy
    length = float(np.hypot(y[1] - y[0], x[1] - x[0]))
    if length < 4:
        return None
    direction = (float((y[1] - y[0]) / length), float((x[1] - x[0]) / length))
    return replace(
        line,
        origin_yx=(float(y.mean()), float(x.mean())),
        direction_yx=direction,
        first=-length / 2,
        last=length / 2,
    )


def _described(line: Line, z: NDArray[np.float32], image: NDArray[Any]) -> Streak:
    s = np.arange(line.first, line.last + 0.5)
    on = np.nanmean(line_profile(line, z, s, np.arange(-1.0, 1.5)), axis=1)
    clear = np.array([5.0, 6.0, 7.0, 8.0])
    sides = []
    for side in (clear, -clear):
        values = np.minimum(line_profile(line, z, s, side), _CLIP)
        sides.append(float(np.nanmean(values)) if np.isfinite(values).any() else 0.0)
    mean = float(np.nanmedian(on))
    pieces = [float(part.mean()) for part in np.array_split(on, max(2, len(on) // 8))]
    rough = float(np.std(pieces)) / max(float(np.mean(pieces)), 0.3)
    return Streak(line, mean, float(np.mean(on > 0.8)), rough, max(sides), trail_width(line, image))


def search_streaks(
    look: Look, corners_yx: NDArray[np.int64], size: tuple[int, int], scores: Sequence[float]
) -> list[tuple[Streak, float]]:
    """Find lines in patches, each once, with the score of its patch.

    Parameters
    ----------
    look, corners_yx, size, scores
        See `find_streaks`.
    """
    z = look.z.copy()
    found: list[tuple[Streak, float]] = []
    for (top, left), score in zip(corners_yx.tolist(), scores, strict=True):
        down, right = clip_box(top, size[0], z.shape[0])[0], clip_box(left, size[1], z.shape[1])[0]
        if down.stop - down.start < 3 or right.stop - right.start < 3:
            continue
        streak = find_streak(z, look.image, down, right)
        if streak is None or streak.line.length < 8:
            continue
        found.append((streak, float(score)))
        take_out(z, streak)
    return found


def find_streaks(
    window: Window, look: Look, corners_yx: NDArray[np.int64], size: tuple[int, int], scores: Sequence[float]
) -> Detections:
    """Find streaks in the patches of a single image.

    Parameters
    ----------
    window : Window
        Of one frame.
    look : Look
        The same as significance.
    corners_yx : (K, 2) int array
        First pixels of the patches.
    size : (int, int)
        Height and width of the patches.
    scores : sequence of float
        Of the patches.

    Returns
    -------
    Detections
        Labelled ``streak``, or ``noise`` where that is more probable.
    """
    return streak_table(search_streaks(look, corners_yx, size, scores), window, look)


def streak_table(found: Sequence[tuple[Streak, float]], window: Window, look: Look) -> Detections:
    """Give streaks and their scores as detections; see `find_streaks`."""
    rows = [_row(streak, window, look, score) for streak, score in found]
    if not rows:
        return Detections.empty()
    numbers = np.arange(len(rows))
    tracks = {
        ROW: numbers,
        "frame": np.full(len(rows), window.start),
        "time": np.full(len(rows), window.times[0]),
        "x": np.array([(row["x_start"] + row["x_end"]) / 2 for row in rows]),
        "y": np.array([(row["y_start"] + row["y_end"]) / 2 for row in rows]),
        "flux": np.array([row["flux"] for row in rows]),
        "background": np.array([row.pop("background") for row in rows]),
        "n_saturated": np.array([row["n_saturated"] for row in rows]),
    }
    return Detections({name: [row[name] for row in rows] for name in rows[0]}, tracks)


def take_out(z: NDArray[np.float32], streak: Streak) -> None:
    """Set the significance of a streak's pixels to 0, in place."""
    line, half = streak.line, streak.width + 2
    yy, xx = np.mgrid[: z.shape[0], : z.shape[1]]
    s, off = line.coordinates(yy, xx)
    z[(np.abs(off) <= half) & (s >= line.first - 3) & (s <= line.last + 3)] = 0


def _brighter_half(values: NDArray[Any]) -> float:
    return float(np.mean(np.sort(values)[len(values) // 2 :])) if len(values) else 0.0


def _row(streak: Streak, window: Window, look: Look, score: float) -> dict[str, Any]:
    line, width = streak.line, streak.width
    (y0, y1), (x0, x1) = line.position(np.array([line.first, line.last]))
    left, top, right, bottom = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    box = clipped_box(left - width, top - width, right + width + 1, bottom + width + 1,
                      window.shape)  # fmt: skip
    rows, columns = slice(int(box[1]), int(np.ceil(box[3]))), slice(int(box[0]), int(np.ceil(box[2])))
    yy, xx = np.mgrid[rows, columns]
    s, off = line.coordinates(yy, xx)
    mine = (np.abs(off) <= width) & (s >= line.first) & (s <= line.last)
    value = np.asarray(look.image[rows, columns], dtype=np.float64)
    raw = np.asarray(window.planes["max"][rows, columns])
    probability = streak.probability
    is_streak = probability >= 0.5
    # In an aperture of 2 FWHM about a point of the trail, as for a frame of a film.
    aperture = min(np.pi * width**2, 2 * width * max(line.length, 1.0))
    saturation = window.stream.saturation
    return {
        "frame_start": window.start, "frame_end": window.start,
        "x_start": float(x0), "y_start": float(y0), "x_end": float(x1), "y_end": float(y1),
        **dict(zip(("x_min", "y_min", "x_max", "y_max"), box, strict=True)),
        "label": "streak" if is_streak else "noise",
        "probability": probability if is_streak else 1 - probability,
        "score": score, "n_frames": 1, "speed": float("nan"),
        "peak": float(value[mine].max(initial=0.0)), "flux": float(value[mine].sum()),
        "snr": _brighter_half(look.z[rows, columns][mine]) * float(np.sqrt(aperture)) / 1.5,
        "n_saturated": int((raw[mine] >= saturation).sum()) if np.isfinite(saturation) else 0,
        "background": float(np.median(np.asarray(window.planes["background"])[rows, columns])),
        "evidence": streak.mean * line.length, "contrast": streak.fill, "width": width,
        "area": float(mine.sum()), "common": 1.0,
    }  # fmt: skip
