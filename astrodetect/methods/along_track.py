"""What a moving object looks like from its own path: pictures that mean the same for every camera.

The trail is turned to lie along the rows, and the frames are looked at where the object is, or would be
before and after: what moves steadily stands still there, and what stands still moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Window

#: What the planes of the pictures are.
CHANNELS = ("trail", "when", "along", "aside")
#: Rows (pixels across the trail, or beside the object) and columns (steps of the trail, or of time).
ROWS, COLUMNS = 32, 64
#: Rows from the middle on which count as surroundings.
_FAR = 9.0
#: What is shown beyond both ends of a trail (parts of its length, px) and of its time (parts, frames).
_BEYOND, _LEAST_PIXELS, _LEAST_FRAMES = 0.25, 8.0, 6.0
#: A trail is sampled at most so many times within a column; the highest counts.
_FINEST = 6
#: Differences of time beyond this many frames tell nothing more.
_LATE = 8.0
#: A time is known where the trail stands so many standard deviations above its surroundings.
_BRIGHT = 1.5
#: The light at one place is the mean of three pixels, at right angles to the rows of a picture.
_SIDES = np.array([-1.0, 0.0, 1.0])

Floats = NDArray[np.float64]


class Path(NamedTuple):
    """A straight path, fitted to a track.

    Attributes
    ----------
    first, last : float
        Frames of the window in which it begins and ends.
    origin_yx, speed_yx : (2,) arrays
        Where it is in frame `first`, and pixels per frame.
    way_yx : (2,) array
        Unit vector of its direction.
    """

    first: float
    last: float
    origin_yx: Floats
    speed_yx: Floats
    way_yx: Floats

    @property
    def length(self) -> float:
        """Pixels from end to end."""
        return float(np.hypot(*self.speed_yx)) * (self.last - self.first)

    def at(self, frame: Floats) -> Floats:
        """Give where it is in frames, (n, 2)."""
        where: Floats = self.origin_yx + (frame - self.first)[:, None] * self.speed_yx
        return where


def path_of(track: Mapping[str, Any], start: int) -> Path:
    """Fit a straight path to a track by least squares.

    Parameters
    ----------
    track : mapping of str to (n,) array
        ``frame``, ``x``, ``y``; two points or more.
    start : int
        Frame of the recording that is the first of the window.
    """
    frame = np.asarray(track["frame"], np.float64) - start
    points = np.stack([np.asarray(track[axis], np.float64) for axis in "yx"], axis=1)
    late = frame - frame.mean()
    speed = (late @ (points - points.mean(axis=0))) / max(float(late @ late), 1e-9)
    norm = float(np.hypot(*speed))
    way = speed / norm if norm > 1e-6 else np.array([0.0, 1.0])
    origin = points.mean(axis=0) + (frame[0] - frame.mean()) * speed
    return Path(float(frame[0]), float(frame[-1]), origin, speed, way)


def pictures(track: Mapping[str, Any], window: Window) -> NDArray[np.float16]:
    """Give the pictures of one track.

    Parameters
    ----------
    track : mapping of str to (n,) array
        ``frame`` (of the recording), ``x``, ``y``; two points or more.
    window : Window
        With planes ``image``, ``max`` and ``background``, and frames; or ``argmax`` where there are none.

    Returns
    -------
    (4, 32, 64) float16 array
        ``trail``: maximum minus background, columns along the trail and a quarter of it beyond each end (8 px
        at least), rows the pixels across it. ``when``: by how many frames (eighths, between -1 and 1) the
        maximum fell later than the object passed there; 0 where nothing stands out. ``along`` and
        ``aside``: the light at the place of the object and up to 16 pixels before and behind it (along), to
        both sides of it (aside); columns are frames, from half of the duration before it to half of it after
        (6 frames at least). Light is in standard deviations of the surroundings in the picture,
        as inverse hyperbolic sine; 0 outside of the frame and of the window.
    """
    path = path_of(track, window.start)
    trail, when = _trail(path, window)
    frames = _times(path)
    inside = (frames >= 0) & (frames <= window.n_frames - 1)
    light = [_moving(path, window, frames, inside, way) for way in (path.way_yx, path.way_yx[::-1] * [1, -1])]
    return np.stack([trail, when, *light]).astype(np.float16)


def nothing() -> NDArray[np.float16]:
    """Give the pictures of what has no path."""
    return np.zeros((len(CHANNELS), ROWS, COLUMNS), np.float16)


def places_in_trail(path: Path, points_yx: Floats) -> tuple[Floats, Floats]:
    """Give the row and the column of points (..., 2) of the frame in the picture ``trail``."""
    beyond, step = _scale(path)
    from_origin = points_yx - path.origin_yx
    side = path.way_yx[::-1] * np.array([1.0, -1.0])
    return from_origin @ side + (ROWS - 1) / 2, (from_origin @ path.way_yx + beyond) / step - 0.5


def _scale(path: Path) -> tuple[float, float]:
    """Give the pixels that are shown beyond each end of a trail, and those of a column."""
    beyond = max(_LEAST_PIXELS, _BEYOND * path.length)
    return beyond, (path.length + 2 * beyond) / COLUMNS


def _offsets() -> Floats:
    from_middle: Floats = np.arange(ROWS, dtype=np.float64) - (ROWS - 1) / 2
    return from_middle


def _trail(path: Path, window: Window) -> tuple[Floats, Floats]:
    """Give the trail and its times, turned to lie along the rows."""
    beyond, step = _scale(path)
    fine = int(np.clip(np.ceil(step), 1, _FINEST))
    s = -beyond + step * (np.arange(COLUMNS * fine) + 0.5) / fine
    side = path.way_yx[::-1] * np.array([1.0, -1.0])
    points = path.origin_yx + s[None, :, None] * path.way_yx + _offsets()[:, None, None] * side
    rows, columns, seen = _pixels(points, window.shape)
    image = np.where(seen, np.asarray(window.planes["image"])[rows, columns], np.nan).astype(np.float64)
    pace = max(float(np.hypot(*path.speed_yx)), 1e-6)
    passed = np.broadcast_to(path.first + s / pace, image.shape)
    parts = [part.reshape(ROWS, COLUMNS, fine) for part in (image, rows, columns, passed)]
    best = np.nan_to_num(parts[0], nan=-np.inf).argmax(axis=2)[..., None]
    image, rows, columns, passed = (np.take_along_axis(part, best, axis=2)[..., 0] for part in parts)
    light: Floats = _standard(image)
    late: Floats = _when(window, rows, columns) - passed
    return light, np.where(light > np.arcsinh(_BRIGHT), np.clip(late / _LATE, -1, 1), 0)


def _when(window: Window, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Give the frame of the maximum of pixels."""
    if window.frames is None or "argmax" in window.planes:
        plane: NDArray[Any] = np.asarray(window.planes["argmax"])[rows, columns].astype(np.int64)
        return plane
    when: NDArray[Any] = window.frames[:, rows, columns].argmax(axis=0)
    return when


def _times(path: Path) -> Floats:
    beyond = max(_LEAST_FRAMES, 0.5 * (path.last - path.first))
    return np.rint(np.linspace(path.first - beyond, path.last + beyond, COLUMNS))


def _moving(path: Path, window: Window, frames: Floats, inside: NDArray[np.bool_], way: Floats) -> Floats:
    """Give the light along a line through the object, frame by frame, (32, 64)."""
    across = way[::-1] * np.array([1.0, -1.0])
    beside = _offsets()[:, None, None, None] * way + _SIDES[:, None] * across
    points = path.at(frames)[None, :, None] + beside
    rows, columns, seen = _pixels(points, window.shape)
    number = np.clip(frames, 0, window.n_frames - 1).astype(np.int64)[None, :, None]
    light = np.where(seen & inside[None, :, None], _light(window, number, rows, columns), np.nan)
    counted = np.isfinite(light).sum(axis=2)
    mean = np.where(counted > 0, np.nansum(light, axis=2) / np.maximum(counted, 1), np.nan)
    return _standard(mean)


def _light(window: Window, number: NDArray[np.int64], rows: Any, columns: Any) -> Floats:
    """Give pixels of frames above the background; of a reduced window what is known of each frame."""
    background = np.asarray(window.planes["background"])[rows, columns].astype(np.float64)
    if window.frames is not None:
        light: Floats = window.frames[number, rows, columns] - background
        return light
    highest = np.asarray(window.planes["max"])[rows, columns] - background
    return np.where(np.asarray(window.planes["argmax"])[rows, columns] == number, highest, 0.0)


def _pixels(points: Floats, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Give the pixels of points (..., 2), and whether they lie in the frame."""
    rows, columns = (np.rint(points[..., axis]).astype(np.int64) for axis in (0, 1))
    seen = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return np.where(seen, rows, 0), np.where(seen, columns, 0), seen


def _standard(light: Floats) -> Floats:
    """Give light in standard deviations of the rows far from the middle, compressed; 0 where not known."""
    far = light[np.abs(_offsets()) >= _FAR]
    far = far[np.isfinite(far)]
    if not len(far):
        return np.zeros_like(light)
    middle = float(np.median(far))
    spread = max(1.4826 * float(np.median(np.abs(far - middle))), 0.3)
    return np.nan_to_num(np.arcsinh((light - middle) / spread))
