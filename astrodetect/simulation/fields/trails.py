"""Single exposures of the night sky with trails of satellites and asteroids."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from astrodetect.simulation.fields.field import Field
from astrodetect.simulation.fields.stars import StarScene
from astrodetect.simulation.psf import add_streak, streak_flux

Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class TrailScene(StarScene):
    """A star field with straight trails; settings as in `StarScene`, with fewer stars.

    The list holds the trails alone, with both ends inside the field. Pieces of what crosses the edge end
    there.

    Raises
    ------
    ValueError
        Lengths or signals are not in order.
    """

    #: Stars per 256 x 256 pixels brighter than `anchor`.
    density: Annotated[float, Ge(0)] = 15.0
    #: Mean number of trails in a field.
    trails: Annotated[float, Ge(0)] = 2.0
    #: Length of trails that end inside, pixels; drawn log-uniformly.
    lengths: tuple[Positive, Positive] = (20.0, 400.0)
    #: Part of the trails that crosses the whole field.
    crossing: Annotated[float, Ge(0), Le(1)] = 0.4
    #: Signal-to-noise of a trail in an aperture of 2 full widths at half maximum diameter on its middle;
    #: drawn log-uniformly.
    signals: tuple[Positive, Positive] = (2.0, 30.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lengths", "signals"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name} is {low:g} to {high:g}; expected low <= high")

    def make(self, rng: np.random.Generator) -> Field:
        """Make a field; the same state of `rng` gives the same one."""
        stars = StarScene(**{field.name: getattr(self, field.name) for field in fields(StarScene)})
        light = stars.background()
        drawn, _, _ = stars.add_stars(light, rng)
        rows = [self._trail(light, rng) for _ in range(rng.poisson(self.trails))]
        columns = {name: np.array([row[name] for row in rows]) for name in (rows or [_row()])[0]}
        return Field(self.expose(light, rng), columns, self.header(), len(drawn))

    def _trail(self, light: Any, rng: np.random.Generator) -> dict[str, Any]:
        start, end = self._ends(rng)
        length = math.dist(start, end)
        snr = math.exp(rng.uniform(*np.log(self.signals)))
        flux = streak_flux(snr, length, self.fwhm, self.level)
        add_streak(light, start, end, flux, self.fwhm)
        return _row(start, end, flux, snr, self.fwhm)

    def _ends(self, rng: np.random.Generator) -> tuple[tuple[float, float], tuple[float, float]]:
        """Draw both ends, x before y, and cut them off at the edges."""
        height, width = self.shape
        if rng.random() < self.crossing:
            length = 2.0 * math.hypot(height, width)
        else:
            length = math.exp(rng.uniform(*np.log(self.lengths)))
        while True:
            x, y, angle = rng.uniform(0, width - 1), rng.uniform(0, height - 1), rng.uniform(0, math.pi)
            dx, dy = length / 2 * math.cos(angle), length / 2 * math.sin(angle)
            ends = _clipped((x - dx, y - dy), (x + dx, y + dy), width, height)
            if math.dist(*ends) >= min(self.lengths[0], 0.5 * min(self.shape)):
                return ends


def _clipped(
    start: tuple[float, float], end: tuple[float, float], width: int, height: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Cut a line, whose middle lies in a field, off at its edges."""
    low, high = 0.0, 1.0
    for a, b, size in ((start[0], end[0], width), (start[1], end[1], height)):
        if a != b:
            enters, leaves = sorted(((0 - a) / (b - a), (size - 1 - a) / (b - a)))
            low, high = max(low, enters), min(high, leaves)
    return (
        (start[0] + low * (end[0] - start[0]), start[1] + low * (end[1] - start[1])),
        (start[0] + high * (end[0] - start[0]), start[1] + high * (end[1] - start[1])),
    )


def _row(
    start: tuple[float, float] = (0, 0),
    end: tuple[float, float] = (0, 0),
    flux: float = 0.0,
    snr: float = 0.0,
    fwhm: float = 1.0,
) -> dict[str, Any]:
    """Give the truth of a trail: the shape is that of a Gaussian with the same full widths."""
    (x0, y0), (x1, y1) = start, end
    return {
        "label": "streak",
        "x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "flux": flux, "major": math.dist(start, end) + fwhm,
        "minor": fwhm, "theta": math.degrees(math.atan2(y1 - y0, x1 - x0)) % 180,
        "x_min": min(x0, x1) + 0.5 - fwhm, "y_min": min(y0, y1) + 0.5 - fwhm,
        "x_max": max(x0, x1) + 0.5 + fwhm, "y_max": max(y0, y1) + 0.5 + fwhm,
        "peak": flux / (math.dist(start, end) or 1.0) / (fwhm * math.sqrt(math.pi / math.log(16))),
        "snr": snr, "difficult": False, "blended": False,
        "x_first": x0, "y_first": y0, "x_last": x1, "y_last": y1,
    }  # fmt: skip
