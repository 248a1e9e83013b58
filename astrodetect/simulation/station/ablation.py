"""How a meteoroid loses its mass and shines: single-body theory with fragments.

``dv/dt = -K rho v² m^(-1/3)``, ``dm/dt = -sigma K rho v³ m^(2/3)``, ``I = -tau v²/2 dm/dt`` (Ceplecha et
al. 1998, Space Science Reviews 84, 327), with the density of the U.S. Standard Atmosphere 1976. What
breaks off follows the same equations from where it broke off: dust lags behind and makes the wake,
large dust at once a flare, pieces a second head, what is left at the end the terminal flash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from astrodetect.core.calibration import Floats

#: Density of the air (kg/m³) by height (km).
_HEIGHTS = (0.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0, 150.0, 200.0)
_DENSITIES = (
    1.225, 8.89e-2, 1.84e-2, 4.00e-3, 1.03e-3, 3.10e-4, 8.28e-5, 1.85e-5, 3.42e-6, 5.60e-7, 9.71e-8, 2.22e-8,
    8.15e-9, 2.08e-9, 2.5e-10,
)  # fmt: skip
_LOG_DENSITIES = np.log(_DENSITIES)
#: Radiated power of magnitude 0 at 100 km (W), silicon sensors; Weryk and Brown 2013.
ZERO_POWER = 1210.0
#: Step (s), longest flight (s), part of the mass at which a body is gone.
_STEP, _LONGEST, _GONE = 0.01, 9.0, 1e-4


def air_density(height: Floats | float) -> Floats:
    """Give the density of the air (kg/m³) at heights (km)."""
    density: Floats = np.exp(np.interp(height, _HEIGHTS, _LOG_DENSITIES))
    return density


class Release(NamedTuple):
    """Mass that breaks off.

    Attributes
    ----------
    height : float
        Where (km).
    fraction : float
        Of the mass that is left.
    grain : float
        Mass of each piece, in units of what breaks off: 1 one piece, 1e-4 dust.
    """

    height: float
    fraction: float
    grain: float


@dataclass(frozen=True)
class Meteoroid:
    """What enters the atmosphere.

    Attributes
    ----------
    mass : float
        Kilograms.
    speed : float
        km/s.
    zenith : float
        Angle of the path from the vertical (deg).
    density : float
        kg/m³: 500 fluffy, 3500 stone.
    ablation : float
        Coefficient sigma (s²/km²): 0.01 stone, 0.1 cometary.
    efficiency : float
        Part of the lost energy that is light.
    onset : float
        Height at which it is hot enough to shine (km).
    releases : tuple of Release
        From the highest to the lowest.
    """

    mass: float
    speed: float
    zenith: float
    density: float = 1500.0
    ablation: float = 0.03
    efficiency: float = 0.007
    onset: float = 150.0
    releases: tuple[Release, ...] = ()

    @property
    def drag(self) -> float:
        """K: drag coefficient times shape by density, for a sphere with gamma = 1 (m²/kg^(2/3))."""
        return 1.21 / math.pow(self.density, 2 / 3)


class Flight(NamedTuple):
    """The flight of a body, or of many equal ones.

    Attributes
    ----------
    time : (n,) float64 array
        Seconds since the meteoroid was at the height where the flight begins.
    path : (n,) float64 array
        Kilometres along the trajectory.
    power : (n,) float64 array
        Light (W), of all of them together.
    mass : (n,) float64 array
        Of all of them together (kg).
    speed : (n,) float64 array
        km/s.
    """

    time: Floats
    path: Floats
    power: Floats
    mass: Floats
    speed: Floats


def fly(meteoroid: Meteoroid, begin: float = 140.0) -> list[Flight]:
    """Follow a meteoroid and all that breaks off.

    Parameters
    ----------
    meteoroid : Meteoroid
        What enters.
    begin : float
        Height at which its flight begins (km).

    Returns
    -------
    list of Flight
        The main body first. What breaks off begins where and when it did.
    """
    slope = np.cos(np.radians(meteoroid.zenith))
    state = (0.0, 0.0, meteoroid.speed, meteoroid.mass)
    main = _follow(meteoroid, state, 1.0, begin, slope, meteoroid.releases)
    flights = [main]
    heights = begin - main.path * slope
    for release in meteoroid.releases:
        place = int(np.searchsorted(-heights, -release.height))
        if place >= len(main.time) - 1:
            continue
        # The mass at the release's step is what is left after it.
        lost = main.mass[place] * release.fraction / max(1 - release.fraction, 1e-3)
        state = (main.time[place], main.path[place], main.speed[place], lost * release.grain)
        flights.append(_follow(meteoroid, state, 1 / release.grain, begin, slope, ()))
    return flights


def _follow(
    meteoroid: Meteoroid,
    state: tuple[float, float, float, float],
    count: float,
    begin: float,
    slope: float,
    releases: Sequence[Release],
) -> Flight:
    """Integrate by the midpoint rule, with the cube root of the mass as variable: it falls evenly."""
    time, path, speed, mass = state
    drag, sigma = meteoroid.drag * 1e3, meteoroid.ablation
    root = mass ** (1 / 3)
    least = root * _GONE ** (1 / 3)
    waiting = list(releases)
    rows = []
    while time - state[0] < _LONGEST and speed > 2.0:
        height = begin - path * slope
        while waiting and height <= waiting[0].height:
            root *= (1 - min(waiting.pop(0).fraction, 0.999)) ** (1 / 3)
        step = _step(drag * sigma, height, speed, root)
        before = root**3
        half_speed, half_root = _moved(drag, sigma, height, speed, root, step / 2)
        middle = height - 0.5 * step * speed * slope
        rho = float(air_density(middle))
        speed_change = drag * rho * half_speed**2 / max(half_root, least)
        root_change = sigma * drag * rho * half_speed**3 / 3
        new = max(root - step * root_change, 0.0)
        hot = 1 / (1 + math.exp(min(max((middle - meteoroid.onset) / 1.5, -40.0), 40.0)))
        power = 0.5e6 * hot * meteoroid.efficiency * half_speed**2 * (before - new**3) / step
        rows.append((time, path, power * count, before * count, speed))
        path += step * half_speed
        speed = max(speed - step * speed_change, 0.0)
        time += step
        root = new
        if root <= least or begin - path * slope < 15.0:
            break
    rows.append((time, path, 0.0, root**3 * count, speed))
    return Flight(*np.array(rows, dtype=np.float64).T)


def _step(rate: float, height: float, speed: float, root: float) -> float:
    """Give a step in which a body loses no more than a tenth of its radius."""
    loss = rate * float(air_density(height)) * speed**3 / 3
    return float(np.clip(0.1 * root / max(loss, 1e-30), 2e-4, _STEP))


def _moved(
    drag: float, sigma: float, height: float, speed: float, root: float, step: float
) -> tuple[float, float]:
    """Give speed and cube root of the mass a half step later."""
    rho = float(air_density(height))
    slower = speed - step * drag * rho * speed**2 / max(root, 1e-12)
    smaller = root - step * sigma * drag * rho * speed**3 / 3
    return max(slower, 0.1), max(smaller, 0.1 * root)


def total_power(flights: Sequence[Flight], times: Floats) -> Floats:
    """Give the light of all bodies together (W) at given times (s)."""
    power = np.zeros(len(times))
    for flight in flights:
        power += np.interp(times, flight.time, flight.power, left=0.0, right=0.0)
    return power


def absolute_magnitude(power: Floats | float) -> Floats:
    """Give the magnitude at 100 km of a radiated power (W)."""
    return np.asarray(-2.5 * np.log10(np.maximum(power, 1e-9) / ZERO_POWER), dtype=np.float64)
