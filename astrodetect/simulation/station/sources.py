"""Points and swarms of points in front of a station, drawn with its blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.objects import Conditions
from astrodetect.simulation.psf import FloatImage, add_points
from astrodetect.simulation.sources import MovingSource
from astrodetect.simulation.station.lens import Psf
from astrodetect.simulation.truth import TrackPoint

#: Electrons in a frame from which the wings of a source are drawn.
_WINGS_FROM = 3000.0


@dataclass
class StationSource(MovingSource):
    """A source with a path and a light curve, blurred as the station's lens does.

    Parameters
    ----------
    psf : Psf
        The lens' blur; `fwhm` is that of its core, or of what is larger.
    blur : float
        Further width (px): out of focus, or large.
    kind : str
        What it is, by name; the truth calls it so.
    """

    psf: Psf = field(kw_only=True)
    blur: float = field(default=0.0, kw_only=True)
    kind: str = field(default="", kw_only=True)

    def render(self, image: FloatImage, frame: int) -> None:
        """Add its trail in one exposure."""
        self.draw(image, self.samples(frame))

    def draw(self, image: FloatImage, samples: tuple[Floats, Floats, Floats] | None) -> None:
        """Add points of x, y and flux, blurred."""
        if samples is None:
            return
        x, y, flux = samples
        bright = float(flux.sum()) > _WINGS_FROM
        for chosen, at_x, at_y, part, fwhm in self.psf.parts(x, y, self.blur, wings=bright):
            add_points(image, at_x, at_y, flux[chosen] * part, fwhm)

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Give mean position, flux and signal-to-noise; light in tail and wings misses the aperture."""
        point = super().observe(frame, conditions)
        if point is None:
            return None
        centre = self.psf.centre_xy
        outward = min(1.2, float(np.hypot(point.x - centre[0], point.y - centre[1])) / self.psf.radius)
        core = (1 - 0.7 * self.psf.coma * outward) * (1 - self.psf.wings)
        return point._replace(snr=point.snr * core)


class Body(NamedTuple):
    """One point of a swarm.

    Attributes
    ----------
    times : (n,) float64 array
        Frames, rising.
    x, y : (n,) float64 array
        Pixels at these times.
    light : (n,) float64 array
        Electrons per frame at these times.
    """

    times: Floats
    x: Floats
    y: Floats
    light: Floats


@dataclass
class Swarm(StationSource):
    """Many points that are one object: the fragments of a meteor, the sparks of fireworks.

    Parameters
    ----------
    bodies : sequence of Body
        All that belongs to it.
    glow : sequence of Body
        What it leaves behind: it is seen, and is not part of the truth.
    """

    bodies: Sequence[Body] = field(default=(), kw_only=True)
    glow: Sequence[Body] = field(default=(), kw_only=True)

    def render(self, image: FloatImage, frame: int) -> None:
        """Add its trail in one exposure, and what it has left behind."""
        self.draw(image, self._all_of(self.bodies, frame))
        self.draw(image, self._all_of(self.glow, frame))

    def samples(self, frame: int) -> tuple[Floats, Floats, Floats] | None:
        """Give x, y and flux of the instants of all points in one exposure, or None without light."""
        return self._all_of(self.bodies, frame)

    def _all_of(self, bodies: Sequence[Body], frame: int) -> tuple[Floats, Floats, Floats] | None:
        pieces = [piece for body in bodies if (piece := self._piece(body, frame)) is not None]
        if not pieces:
            return None
        x, y, flux = (np.concatenate(values) for values in zip(*pieces, strict=True))
        return (x, y, flux) if flux.sum() > 0 else None

    def _piece(self, body: Body, frame: int) -> tuple[Floats, Floats, Floats] | None:
        start, end = max(frame, body.times[0]), min(frame + self.duty, body.times[-1])
        if end <= start:
            return None
        x, y = (np.interp((start, end), body.times, values) for values in (body.x, body.y))
        n = max(4, int(3 * np.hypot(x[1] - x[0], y[1] - y[0])))
        times = start + (np.arange(n) + 0.5) * ((end - start) / n)
        light = np.interp(times, body.times, body.light)
        flux = light * (self.scale * (end - start) / (self.duty * n))
        return np.interp(times, body.times, body.x), np.interp(times, body.times, body.y), flux
