"""What people light up: fireworks, lasers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from astrodetect.core.calibration import Floats
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.station.sources import Body, StationSource, Swarm
from astrodetect.simulation.station.vehicles import Maker
from astrodetect.simulation.station.view import Generator, View
from astrodetect.sky import frames

#: Fall (km/s²), and the rate at which air slows sparks (1/s).
_FALL, _SLOWING = 0.0098, 1.8


def fireworks(rng: Generator, view: View) -> list[SceneObject]:
    """Make a rocket that climbs and bursts into sparks, which slow down, fall and fade."""
    at, low = view.horizon(rng, 0.0)
    height = float(rng.uniform(0.08, 0.25))
    distance = min(log_uniform(rng, (0.5, 8.0)), height / np.tan(np.radians(min(low + 2.0, 80.0))))
    burst = distance * frames.vectors(at, 0.0) + np.array([0.0, 0.0, height])
    when = float(rng.uniform(0.1, 0.8)) * view.seconds
    candela = log_uniform(rng, (0.5, 40.0))
    bodies = [_climb(view, burst, when, candela * 0.5)]
    fade, speed = float(rng.uniform(0.5, 1.6)), float(rng.uniform(0.03, 0.07))
    for _ in range(int(rng.integers(25, 70))):
        out = rng.normal(size=3)
        velocity = speed * out / np.linalg.norm(out) * float(rng.uniform(0.85, 1.0))
        bodies.append(_spark(view, burst, velocity, when, fade, candela * float(rng.uniform(0.5, 1.5))))
    kept = [body for body in bodies if body is not None]
    if not kept:
        return []
    first, last = min(body.times[0] for body in kept), max(body.times[-1] for body in kept)
    station = view.station
    return [
        Swarm(
            "flash", lambda t: (t, t), np.zeros_like, float(first), float(last), 0.0, station.psf.fwhm,
            station.duty, "air", psf=station.psf, blur=1.0, kind="fireworks", bodies=kept,
        )
    ]  # fmt: skip


def _climb(view: View, burst: Floats, when: float, candela: float) -> Body | None:
    seconds = np.linspace(-1.5, 0, 20)
    places = burst + np.stack([0 * seconds, 0 * seconds, burst[2] * (seconds / 1.5) * 0.9], axis=1)
    return _track(view, when + seconds, places, np.full(len(seconds), candela * 0.2))


def _spark(
    view: View, burst: Floats, velocity: Floats, when: float, fade: float, candela: float
) -> Body | None:
    seconds = np.linspace(0, 3 * fade, 24)
    flown = (1 - np.exp(-_SLOWING * seconds)) / _SLOWING
    places = burst + flown[:, None] * velocity
    places[:, 2] -= _FALL / _SLOWING * (seconds - flown)
    return _track(view, when + seconds, places, candela * np.exp(-((seconds / fade) ** 2)))


def _track(view: View, seconds: Floats, places: Floats, candela: Floats) -> Body | None:
    x, y = view.pixels(places)
    magnitude = view.magnitude_of_lamp(1.0, np.linalg.norm(places, axis=1))
    light = view.light(magnitude - 2.5 * np.log10(np.maximum(candela, 1e-9)))
    known = np.isfinite(x) & np.isfinite(y)
    if not known.all():
        return None
    return Body(seconds * view.rate, x, y, light)


@dataclass
class Beam(StationSource):
    """A beam of light that is scattered back by the air: bright where it begins, fading along it.

    Parameters
    ----------
    line : (m, 2, 3) float64 array
        Directions of its begin and its end at `times`.
    times : (m,) float64 array
        Frames.
    lens_of : View
        Gives the pixels.
    """

    line: Floats = field(kw_only=True)
    times: Floats = field(kw_only=True)
    lens_of: View = field(kw_only=True)

    def samples(self, frame: int) -> tuple[Floats, Floats, Floats] | None:
        """Give x, y and flux of its points in one exposure, or None without light."""
        moments = frame + self.duty * (np.arange(3) + 0.5) / 3
        moments = moments[(moments >= self.first) & (moments <= self.last)]
        if not len(moments):
            return None
        along = np.linspace(0, 1, 160)
        pieces = []
        for moment in moments:
            ends = [
                [np.interp(moment, self.times, self.line[:, end, axis]) for axis in range(3)]
                for end in (0, 1)
            ]
            points = np.outer(1 - along, ends[0]) + np.outer(along, ends[1])
            pieces.append(points)
        x, y = self.lens_of.pixels(np.concatenate(pieces))
        light = self.light(np.asarray(moments)) / 3
        flux = np.repeat(light, len(along)) * np.tile(np.exp(-2.0 * along), len(moments)) * self.scale / 60.0
        known = np.isfinite(x) & np.isfinite(y)
        return (x[known], y[known], flux[known]) if known.any() else None


def laser(rng: Generator, view: View) -> list[SceneObject]:
    """Make the beam of a laser, from low in the sky upwards, still or sweeping, switched on and off."""
    at, low = view.horizon(rng, 1.0)
    begin = frames.vectors(at, low)
    end = view.direction(rng, min(low + 10.0, 60.0))
    sweep = float(rng.choice([0.0, 1.0, 15.0])) * float(rng.normal())
    times = np.linspace(0, view.frames, 40)
    turn = np.radians(sweep * (times / view.rate - view.seconds / 2))
    c, s = np.cos(turn), np.sin(turn)
    ends = np.stack([c * end[0] - s * end[1], s * end[0] + c * end[1], np.full(len(c), end[2])], axis=1)
    line = np.stack([np.repeat(begin[None], len(c), axis=0), ends], axis=1)
    length = float(rng.uniform(0.2, 1.0)) * view.frames
    first = float(rng.uniform(0, view.frames - length))
    station = view.station
    beam = Beam(
        "flash", lambda t: (t, t), np.ones_like, first, first + length, log_uniform(rng, (4.0, 40.0)),
        station.psf.fwhm, station.duty, "air",
        psf=station.psf, kind="laser", line=line, times=times, lens_of=view,
    )  # fmt: skip
    return [beam]


#: By name.
SHOWS: dict[str, Maker] = {"fireworks": fireworks, "laser": laser}
