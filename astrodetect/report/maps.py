"""All tracks at once: over the frame of each camera, and over the sky where directions are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.report.drawing import track_points
from astrodetect.report.markup import count, text
from astrodetect.report.palette import colour_class
from astrodetect.report.rows import Shown

#: Most tracks of a map, and most points of one.
_MOST_TRACKS, _MOST_POINTS = 5000, 16
_SKY = 240.0


@dataclass
class Maps:
    """Tracks of accepted detections, added up recording by recording."""

    frames: dict[tuple[str, int, int], list[tuple[Shown, NDArray[np.float64]]]] = field(default_factory=dict)
    sky: list[tuple[Shown, NDArray[np.float64]]] = field(default_factory=list)
    equatorial: list[tuple[Shown, NDArray[np.float64]]] = field(default_factory=list)

    def add(self, recording: dict[str, Any], shown: Shown) -> None:
        """Add an accepted detection."""
        width, height = int(recording.get("width", 0)), int(recording.get("height", 0))
        points = track_points(shown.row, shown.track)
        if width > 0 and height > 0 and len(points):
            key = (str(recording.get("camera", "")), height, width)
            _add(self.frames.setdefault(key, []), shown, points)
        for names, kept in ((("az", "alt"), self.sky), (("ra", "dec"), self.equatorial)):
            directions = _directions(shown, names)
            if len(directions):
                _add(kept, shown, directions)

    def html(self) -> str:
        """Give the maps; the empty string if no track is known."""
        drawn = [_frame_map(key, tracks) for key, tracks in sorted(self.frames.items())]
        if self.sky:
            drawn.insert(0, _sky_map(self.sky))
        if self.equatorial:
            drawn.append(_equatorial_map(self.equatorial))
        if not drawn:
            return ""
        return (
            '<section aria-labelledby="maps"><h2 id="maps" class="part">All tracks</h2>\n'
            f'<div class="maps">{"".join(drawn)}</div>{self._legend()}</section>\n'
        )

    def _legend(self) -> str:
        """Give the colours of the labels that are there."""
        kinds = [*self.frames.values(), self.sky, self.equatorial]
        labels = sorted({one.label for tracks in kinds for one, _ in tracks})
        items = "".join(
            f'<li class="{colour_class(label)}"><span aria-hidden="true"></span>{text(label)}</li>'
            for label in labels
        )
        return f'<ul class="legend" aria-label="Colours of the labels">{items}</ul>'


def _add(kept: list[tuple[Shown, NDArray[np.float64]]], shown: Shown, points: NDArray[np.float64]) -> None:
    if len(kept) < _MOST_TRACKS:
        step = np.unique(np.linspace(0, len(points) - 1, _MOST_POINTS).astype(np.int64))
        kept.append((shown, points[step]))


def _directions(shown: Shown, names: tuple[str, str]) -> NDArray[np.float64]:
    """Give the directions (n, 2) of a track in degrees, or of its ends."""
    if all(name in shown.track for name in names):
        points = np.column_stack([np.asarray(shown.track[name], dtype=np.float64) for name in names])
    else:
        points = np.array([[shown.value(f"{name}_{end}") for name in names] for end in ("start", "end")])
    points = points[np.isfinite(points).all(axis=1)]
    return points if len(points) > 1 else points[:0]


def _lines(tracks: Sequence[tuple[Shown, NDArray[np.float64]]], radius: float) -> str:
    """Give tracks as lines with a dot where each begins; each leads to its detection."""
    drawn = []
    for one, points in tracks:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = points[0]
        drawn.append(
            f'<a href="#{one.anchor}" data-label="{text(one.label)}">'
            f"<title>{text(one.label)} {one.name}</title>"
            f'<g class="{colour_class(one.label)}"><polyline points="{path}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2g}"/></g></a>'
        )
    return "".join(drawn)


def _figure(box: str, inner: str, said: str, kind: str) -> str:
    return (
        f'<figure class="map"><svg class="{kind}" viewBox="{box}" role="group" aria-label="{said}">'
        f"<title>{said}</title>{inner}</svg><figcaption>{said}</figcaption></figure>\n"
    )


def _frame_map(key: tuple[str, int, int], tracks: Sequence[tuple[Shown, NDArray[np.float64]]]) -> str:
    camera, height, width = key
    whose = text(camera) or "the camera"
    said = f"{count(len(tracks), 'track')} over the frame of {whose}, {width}\u00d7{height} px"
    inner = f'<rect class="field" x="-0.5" y="-0.5" width="{width}" height="{height}"/>'
    inner += _lines(tracks, max(width, height) / 160)
    return _figure(f"-0.5 -0.5 {width} {height}", inner, said, "frame-map")


def sky_xy(az: NDArray[np.float64], alt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give places (n, 2) on the map of the sky seen from below: zenith in the middle, north up, east left.

    Parameters
    ----------
    az, alt : (n,) float64 arrays
        Degrees; azimuth from north over east. Zenith distance is proportional to the distance from
        the middle.

    Examples
    --------
    >>> sky_xy(np.array([0.0, 90.0]), np.array([0.0, 0.0])).round(6).tolist()
    [[-0.0, -240.0], [-240.0, -0.0]]
    """
    radius = _SKY * (90 - alt) / 90
    angle = np.radians(az)
    return np.column_stack([-radius * np.sin(angle), -radius * np.cos(angle)])


def _sky_map(tracks: Sequence[tuple[Shown, NDArray[np.float64]]]) -> str:
    drawn = [(one, sky_xy(points[:, 0], points[:, 1])) for one, points in tracks]
    rings = "".join(
        f'<circle class="ring" r="{_SKY * (90 - alt) / 90:.1f}"/>'
        f'<text x="3" y="{-_SKY * (90 - alt) / 90 + 13:.1f}">{alt}\u00b0</text>'
        for alt in (30, 60)
    )
    names = "".join(
        f'<text x="{x}" y="{y}" text-anchor="middle">{name}</text>'
        for name, x, y in (("N", 0, -246), ("S", 0, 256), ("E", -252, 5), ("W", 252, 5))
    )
    said = f"{count(len(tracks), 'track')} over the sky: zenith in the middle, north up, east left"
    inner = f'<circle class="field" r="{_SKY}"/>{rings}{names}{_lines(drawn, 3)}'
    return _figure("-265 -265 530 530", inner, said, "sky-map")


def hammer_xy(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give places (n, 2) in the equal-area projection of Hammer, right ascension growing to the left.

    Parameters
    ----------
    ra, dec : (n,) float64 arrays
        Degrees. The middle is at 180 deg, 0 deg; the map is 2 times 240 wide and 240 high.

    Examples
    --------
    >>> hammer_xy(np.array([180.0, 360.0]), np.array([0.0, 0.0])).round(3).tolist()
    [[-0.0, -0.0], [-240.0, -0.0]]
    """
    longitude, latitude = np.radians(ra - 180) / 2, np.radians(dec)
    scale = _SKY / np.sqrt(1 + np.cos(latitude) * np.cos(longitude))
    return np.column_stack([-scale * np.cos(latitude) * np.sin(longitude), -scale / 2 * np.sin(latitude)])


def _equatorial_map(tracks: Sequence[tuple[Shown, NDArray[np.float64]]]) -> str:
    grid = []
    for ra in range(0, 361, 60):
        line = hammer_xy(np.full(37, float(ra)), np.linspace(-90, 90, 37))
        grid.append(line)
        grid.append(hammer_xy(np.linspace(0, 360, 73), np.full(73, ra / 2 - 90.0)))
    rings = "".join(
        f'<polyline class="ring" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in line)}"/>' for line in grid
    )
    names = "".join(
        f'<text x="{x + 2:.1f}" y="-3">{ra}\u00b0</text>'
        for ra in (60, 120, 180, 240, 300)
        for x, _ in hammer_xy(np.array([float(ra)]), np.zeros(1))
    )
    drawn = [
        (one, part)
        for one, points in tracks
        for part in _unwrapped(hammer_xy(np.mod(points[:, 0], 360), points[:, 1]))
    ]
    said = f"{count(len(tracks), 'track')} by right ascension and declination (ICRS)"
    inner = f'<ellipse class="field" rx="{_SKY}" ry="{_SKY / 2}"/>{rings}{names}{_lines(drawn, 2.5)}'
    return _figure("-250 -130 500 260", inner, said, "sky-map wide")


def _unwrapped(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut a line where it leaves the map on one side and comes back on the other."""
    jumps = np.flatnonzero(np.abs(np.diff(points[:, 0])) > _SKY / 2) + 1
    return [part for part in np.split(points, jumps) if len(part) and math.isfinite(part.sum())]
