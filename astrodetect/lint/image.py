"""Places in the image: zeros, places outside, and y that counts from the bottom.

A camera that is not mirrored shows the sky in one sense of turning only; y from the bottom turns it over.
Which sense a file has shows where several tracks together span the image, in an all-sky image about the
zenith, or where the file says where the camera points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from astrodetect.events.directions import Floats, separation
from astrodetect.lint.notes import Notes
from astrodetect.lint.positions import Positions
from astrodetect.sky.frames import vectors

#: The flipped track must lie this much nearer to where it should be, and the other this far away (of cy).
_NEARER, _FAR = 0.25, 0.1
#: Fields (deg) that count as those of an all-sky lens, and as those of an ordinary one.
_ALL_SKY, _ORDINARY = 150.0, 100.0
#: Tracks that move by less (deg) say nothing about the orientation.
_SHORTEST = 1.0


class Pointing(NamedTuple):
    """Where a camera points, as a file states it, in degrees; NaN where it does not.

    ``corrected`` are the positions of the track (or None) with mistakes undone.
    """

    az: float
    alt: float
    rotation: float
    width: float
    height: float
    corrected: Positions | None


@dataclass(frozen=True)
class _Track:
    """A track in the image and on the sky, without gaps."""

    x: Floats
    y: Floats
    az: Floats
    alt: Floats


def check_image(
    lines: Sequence[int],
    columns: Mapping[str, Floats],
    size: tuple[float, float],
    pointing: Pointing,
    notes: Notes,
) -> None:
    """Look at the places in the image of one meteor.

    Parameters
    ----------
    lines : sequence of int
        Lines of the n rows.
    columns : mapping of str to (n,) array
        ``x_image, y_image, azimuth, altitude``, those that are there.
    size : (float, float)
        Width and height of the frame; NaN if unknown.
    pointing : Pointing
        What is known of the direction of the camera.
    notes : Notes
        Where to write findings and corrections.
    """
    if "x_image" not in columns or "y_image" not in columns:
        return
    x, y, rows = columns["x_image"], columns["y_image"], np.asarray(lines)
    zero = (x == 0) & (y == 0)
    for line in rows[zero].tolist():
        notes.cells[line, "x_image"] = notes.cells[line, "y_image"] = "nan"
    notes.add_rows("zero-pixels", rows[zero].tolist(), ["x_image and y_image are 0"] * int(zero.sum()),
                   fixable=True)  # fmt: skip
    outside = np.flatnonzero(_outside(x, size[0]) | _outside(y, size[1]))
    what = [f"({x[i]:g}, {y[i]:g}) lies outside of {size[0]:g} x {size[1]:g}" for i in outside]
    notes.add_rows("outside-image", rows[outside].tolist(), what)
    if pointing.corrected is None or "azimuth" not in columns:
        return
    good = np.isfinite(x + y) & ~zero & np.isfinite(columns["azimuth"] + columns["altitude"])
    if len(pointing.corrected) == len(rows) and good.sum() >= 2 and not len(outside):
        p = pointing.corrected
        _check_sense(rows, y, _Track(x[good], y[good], p.az[good], p.alt[good]), size, pointing, notes)


def _outside(values: Floats, size: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        outside: NDArray[np.bool_] = (values < -1.0) | (values > size)  # false where the size is not known
    return outside


def _check_sense(
    rows: Floats, y: Floats, track: _Track, size: tuple[float, float], pointing: Pointing, notes: Notes
) -> None:
    width, height = size
    if not np.isfinite(width + height):
        return
    flipped = _flipped_by_pointing(track, size, pointing)
    sure = flipped is not None
    if flipped is None:
        flipped = _flipped_all_sky(track, size)
        sure = flipped is not None
    if flipped is None:
        flipped = _flipped_if_upright(track, width)
    if not flipped:
        return
    what = "y_image counts from the bottom: the track would move on the sky the other way"
    if sure:
        for line, value in zip(rows.tolist(), y, strict=True):
            if np.isfinite(value):
                notes.cells[line, "y_image"] = f"{height - 1.0 - float(value):.3f}"
    remedy = "" if sure else "write cy - 1 - y; or the camera stands upside down, and all is well"
    notes.add("y-from-bottom", int(rows[0]), what, remedy, fixable=sure)


def _flipped_by_pointing(track: _Track, size: tuple[float, float], pointing: Pointing) -> bool | None:
    """Compare with where the centre of the field, its size and its rotation put the track."""
    width, height = size
    if not np.all(np.isfinite(pointing[:4])) or not 0 < pointing.width < _ALL_SKY:
        return None
    right, up = _tangent(track.az, track.alt, pointing.az, pointing.alt)
    scale = width / pointing.width
    misses = {}
    for flip in (False, True):
        y = height - 1.0 - track.y if flip else track.y
        misses[flip] = min(
            float(np.median(np.hypot(
                width / 2 + scale * (right * np.cos(turn) - up * np.sin(turn)) - track.x,
                height / 2 - scale * (right * np.sin(turn) + up * np.cos(turn)) - y,
            )))
            for turn in np.radians([pointing.rotation, -pointing.rotation])
        )  # fmt: skip
    if misses[True] < _NEARER * misses[False] and misses[False] > _FAR * height:
        return True
    return False if misses[False] < _FAR * height else None


def _tangent(az: Floats, alt: Floats, centre_az: float, centre_alt: float) -> tuple[Floats, Floats]:
    """Give degrees to the right (east) and up from a centre, along arcs."""
    there, centre = vectors(az, alt), vectors(centre_az, centre_alt)
    east = vectors(centre_az + 90.0, 0.0)
    up = np.cross(centre, east)
    distance = separation(there, np.broadcast_to(centre, there.shape))
    angle = np.arctan2(there @ east, there @ up)
    return distance * np.sin(angle), distance * np.cos(angle)


def _flipped_all_sky(track: _Track, size: tuple[float, float]) -> bool | None:
    """Look at the sense in which azimuth goes round the middle of an all-sky image."""
    zenith = 90.0 - track.alt
    dx, dy = track.x - size[0] / 2, track.y - size[1] / 2
    radius = np.hypot(dx, dy)
    scale = radius / np.maximum(zenith, 1.0)
    if np.median(zenith) < 15.0 or np.ptp(scale) > 0.15 * np.median(scale):
        return None
    if not _ALL_SKY < min(size) / np.median(scale) * 1.2 < 3 * _ALL_SKY:
        return None
    round_image = np.ptp(np.unwrap(np.arctan2(dy, dx))[[0, -1]])
    turned = np.unwrap(np.arctan2(dy, dx))
    azimuth = np.unwrap(np.radians(track.az))
    if abs(azimuth[-1] - azimuth[0]) < np.radians(2.0) or round_image < np.radians(1.0):
        return None
    return bool((turned[-1] - turned[0]) * (azimuth[-1] - azimuth[0]) > 0)


def _flipped_if_upright(track: _Track, width: float) -> bool | None:
    """Compare the direction of motion in the image and over the horizon, as an upright camera sees it."""
    length = float(separation(vectors(track.az[0], track.alt[0]), vectors(track.az[-1], track.alt[-1])))
    pixels = float(np.hypot(track.x[-1] - track.x[0], track.y[-1] - track.y[0]))
    if length < _SHORTEST or pixels <= 0 or width / pixels * length > _ORDINARY or track.alt.max() > 55.0:
        return None
    right, up = _tangent(track.az, track.alt, float(track.az[0]), float(track.alt[0]))
    sky = complex(right[-1], up[-1])
    image = complex(track.x[-1] - track.x[0], track.y[0] - track.y[-1])
    turned, turned_flipped = (abs(np.degrees(np.angle(i / sky))) for i in (image, image.conjugate()))
    return bool(turned > 60.0 and turned_flipped < 20.0)


def sense_of(tracks: Sequence[tuple[Floats, Floats, Floats, Floats]]) -> int:
    """Give 1 if several tracks show the sky as a camera does, -1 if mirrored, 0 if they do not say.

    Parameters
    ----------
    tracks : sequence of (x, y, az, alt)
        Pixels (y downward) and degrees of each track, all of one camera.
    """
    x, y, az, alt = (np.concatenate(columns) for columns in zip(*tracks, strict=True))
    middle = vectors(az, alt).mean(axis=0)
    length = float(np.linalg.norm(middle))
    if length < 0.5 or len(x) < 6:
        return 0
    centre_az = float(np.degrees(np.arctan2(middle[1], middle[0])))
    centre_alt = float(np.degrees(np.arcsin(middle[2] / length)))
    right, up = _tangent(az, alt, centre_az, centre_alt)
    design = np.stack([right, up, np.ones(len(x))], axis=1)
    if np.linalg.svd(design[:, :2] - design[:, :2].mean(axis=0), compute_uv=False)[-1] < np.sqrt(len(x)):
        return 0
    solution = np.linalg.lstsq(design, np.stack([x, y], axis=1), rcond=None)[0]
    rest = np.stack([x, y], axis=1) - design @ solution
    spread = np.stack([x, y], axis=1).std(axis=0)
    if np.any(rest.std(axis=0) > 0.3 * spread):
        return 0
    return 1 if np.linalg.det(solution[:2]) < 0 else -1
