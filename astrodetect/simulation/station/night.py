"""Nights of stations: the weather, what happens, the files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.meteors import log_uniform
from astrodetect.simulation.night import deal_kinds, write_truth
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.station.animals import ANIMALS
from astrodetect.simulation.station.backdrop import Backdrop
from astrodetect.simulation.station.brightness import SkyLight
from astrodetect.simulation.station.clouds import CloudSheet
from astrodetect.simulation.station.flashes import FLASHES, Shining
from astrodetect.simulation.station.meteors import MeteorWish, make_meteor
from astrodetect.simulation.station.moon import moon_place
from astrodetect.simulation.station.scene import Faults, StationScene
from astrodetect.simulation.station.shows import SHOWS
from astrodetect.simulation.station.stars import CatalogueStars, statistical_sky
from astrodetect.simulation.station.station import Station
from astrodetect.simulation.station.text import STYLES, BurntText
from astrodetect.simulation.station.vehicles import VEHICLES, Maker
from astrodetect.simulation.station.view import Generator, View
from astrodetect.simulation.truth import TRACK_COLUMNS, TRUTH_COLUMNS, write_csv
from astrodetect.simulation.writers import camera_track, write_frames
from astrodetect.sky.catalogue import StarCatalogue

#: What moves or flashes besides meteors, by name.
OBJECTS: Mapping[str, Maker] = {**VEHICLES, **ANIMALS, **FLASHES, **SHOWS}
#: What the weather of a recording can be.
WEATHERS = ("clear", "thin-cloud", "cloud", "moon", "moon-and-cloud", "twilight")
#: How often each is drawn.
_SHARES = (0.42, 0.12, 0.16, 0.14, 0.08, 0.08)
#: Columns of ``recordings.csv``.
RECORDING_COLUMNS = (
    "path",
    "station",
    "lens",
    "codec",
    "bits",
    "weather",
    "meteors",
    "objects",
    "time_first",
)
#: 2024-08-12 20:00 UTC.
_EVENING = 1723492800.0


@dataclass(frozen=True)
class StationSpec:
    """What a recording of a station holds.

    Attributes
    ----------
    station : Station
        The camera.
    frames : int
        How many.
    weather : str
        One of `WEATHERS`.
    meteors : tuple of MeteorWish
        One per meteor.
    objects : tuple of str
        Names in `OBJECTS`.
    start : float
        UTC Unix seconds of the first frame.
    faulty : bool
        Frames may be dropped or repeated, and the gain may change.
    stars : StarCatalogue or None
        Another sky than the statistical one.
    """

    station: Station
    frames: int = 100
    weather: str = "clear"
    meteors: tuple[MeteorWish, ...] = (MeteorWish(),)
    objects: tuple[str, ...] = ()
    start: float = _EVENING
    faulty: bool = False
    stars: StarCatalogue | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.weather not in WEATHERS:
            raise AstrodetectError(f"weather is {self.weather!r}; expected one of {', '.join(WEATHERS)}")
        for name in self.objects:
            if name not in OBJECTS:
                raise AstrodetectError(f"object {name!r} is not known; expected {', '.join(OBJECTS)}")
        if self.frames < 1:
            raise AstrodetectError(f"frames is {self.frames}; at least 1 is needed")


def simulate_station_recording(spec: StationSpec, seed: int) -> StationScene:
    """Make the scene of a recording.

    Parameters
    ----------
    spec : StationSpec
        What it holds.
    seed : int
        The same one gives the same scene.

    Returns
    -------
    StationScene
        Gives frames, truth and tracks.
    """
    station = spec.station
    rng = np.random.default_rng([seed, 0])
    backdrop = _draw_backdrop(rng, spec)
    view = View(station, backdrop.sky, spec.frames, spec.start, backdrop.clear)
    objects: list[SceneObject] = [_stars(spec, seed)]
    for number, wish in enumerate(spec.meteors):
        objects.extend(make_meteor(np.random.default_rng([seed, 1, number]), view, wish))
    for number, name in enumerate(spec.objects):
        # One generator each, so that a change to one object leaves the others as they were.
        objects.extend(OBJECTS[name](np.random.default_rng([seed, 2, number]), view))
    objects.extend(_fixtures(spec, backdrop))
    return StationScene(station, backdrop, objects, seed, _draw_faults(rng, spec))


def _stars(spec: StationSpec, seed: int) -> CatalogueStars:
    station = spec.station
    noise = math.sqrt(math.pi * station.psf.fwhm**2 * station.sensor.read_variance)
    return CatalogueStars(
        spec.stars or statistical_sky(), station.lens, station.psf, station.shape, station.zero_flux,
        0.4 * noise, station.aperture, spec.start, station.frame_rate, seed,
    )  # fmt: skip


def _fixtures(spec: StationSpec, backdrop: Backdrop) -> list[SceneObject]:
    """Give what is in the picture all the time: Moon, cloud, text."""
    station, found = spec.station, list[SceneObject]()
    place = moon_place(station, backdrop.sky)
    if place is not None:
        found.append(Shining("static", "moon", *place))
    if backdrop.clouds:
        found.append(Shining("cloud"))
    if station.clock:
        own = np.random.default_rng([station.seed, 8])
        style, bottom = STYLES[int(own.integers(len(STYLES)))], bool(own.random() < 0.75)
        found.append(BurntText(station.shape, station.name, spec.start, station.frame_rate, style, bottom))
    return found


def _draw_backdrop(rng: Generator, spec: StationSpec) -> Backdrop:
    station = spec.station
    sun, moon, brightening = None, None, 0.0
    if "moon" in spec.weather:
        moon = float(rng.uniform(0, 360)), float(rng.uniform(8, 70))
        if rng.random() < 0.5:
            moon = _in_the_field(rng, station)
    if spec.weather == "twilight":
        sun = float(rng.uniform(0, 360)), float(rng.uniform(-14, -8))
        # The Sun moves a degree in 4 to 8 minutes, and a degree is a magnitude.
        brightening = float(rng.choice([-1, 1])) * float(rng.uniform(0.002, 0.004))
    sky = SkyLight(
        station.zenith - abs(float(rng.normal(0, 0.15))), station.towns, sun, moon,
        phase=float(rng.uniform(0, 110)), milky_way=float(rng.uniform(0.5, 1.5)),
    )  # fmt: skip
    return Backdrop(station, sky, _draw_clouds(rng, spec.weather, station), spec.start, brightening)


def _in_the_field(rng: Generator, station: Station) -> tuple[float, float]:
    """Draw a place for the Moon that the camera sees, if it sees the sky."""
    height, width = station.shape
    points = station.lens.pixel_to_sky(rng.uniform(0, width, 40), rng.uniform(0, height, 40), 0.0)
    seen = np.flatnonzero(points.alt > 5)
    if not len(seen):
        return 0.0, 30.0
    return float(points.az[seen[0]]), float(points.alt[seen[0]])


def _draw_clouds(rng: Generator, weather: str, station: Station) -> tuple[CloudSheet, ...]:
    if weather not in {"thin-cloud", "cloud", "moon-and-cloud"}:
        return ()
    thin = weather == "thin-cloud" or (weather == "moon-and-cloud" and rng.random() < 0.6)
    # Town light makes clouds brighter than the sky; far from towns they are darker.
    lit = float(np.interp(station.zenith, (18.0, 21.5), (5.0, 0.6))) * log_uniform(rng, (0.5, 2.0))
    speed = log_uniform(rng, (8.0, 45.0) if thin else (2.0, 20.0))
    heading = float(rng.uniform(0, 2 * math.pi))
    wind = speed * math.cos(heading), speed * math.sin(heading)
    seed = int(rng.integers(2**31))
    if thin:
        height, depth = float(rng.uniform(6, 11)), float(rng.uniform(0.1, 0.7))
        return (CloudSheet(height, wind, depth, float(rng.uniform(0, 1)), 0.4 * lit, 1.8, seed),)
    height, depth = float(rng.uniform(0.8, 4)), float(rng.uniform(0.7, 3.0))
    rough = float(rng.uniform(1.3, 1.9))
    return (CloudSheet(height, wind, depth, float(rng.uniform(-1.2, 0.3)), lit, rough, seed),)


def _draw_faults(rng: Generator, spec: StationSpec) -> Faults:
    """Draw dropped and repeated frames, and a change of gain."""
    shown = np.arange(spec.frames)
    if not spec.faulty:
        return Faults(tuple(shown.tolist()))
    moments: list[int] = []
    moment = 0
    # Some recordings lose nothing, some a frame in a hundred, a few many.
    often = float(rng.choice([0.0, 0.004, 0.03]))
    while len(moments) < spec.frames:
        moments.append(moment)
        drawn = rng.random()
        repeated = drawn < often
        moment += 0 if repeated else 1 + (int(rng.integers(1, 4)) if drawn > 1 - often else 0)
    changes = bool(rng.random() < 0.12)
    at = int(rng.integers(1, max(2, spec.frames)))
    return Faults(tuple(moments), at, log_uniform(rng, (0.5, 2.0)) if changes else 1.0)


def plan_station_night(
    stations: Sequence[Station],
    recordings: int = 8,
    *,
    frames: int = 100,
    weather: str = "mixed",
    distractors: int = 3,
    seed: int = 0,
    kinds: Sequence[str] = (),
    stars: StarCatalogue | None = None,
) -> list[StationSpec]:
    """Decide what each recording holds; stations take turns.

    One meteor in most of them; none in a quarter, two in an eighth.

    Parameters
    ----------
    stations : sequence of Station
        Cameras.
    recordings : int
        How many in all.
    frames : int
        Of each.
    weather : str
        ``mixed``, or one of `WEATHERS` for all.
    distractors : int
        Names of `OBJECTS` in each.
    seed : int
        The same seed gives the same night in every format.
    kinds : sequence of str
        The names that are dealt; all of `OBJECTS` if empty.
    stars : StarCatalogue, optional
        Another sky than the statistical one.
    """
    if recordings < 1:
        raise AstrodetectError(f"recordings is {recordings}; at least 1 is needed")
    if weather not in {"mixed", *WEATHERS}:
        raise AstrodetectError(f"sky is {weather!r}; expected mixed, {', '.join(WEATHERS)}")
    dealt = tuple(kinds) or tuple(OBJECTS)
    if distractors < 0:
        raise AstrodetectError(f"distractors is {distractors}; a number from 0 is needed")
    distractors = min(distractors, len(dealt))
    rng = np.random.default_rng([seed, 11])
    deal = deal_kinds(rng, distractors, dealt)
    specs = []
    time = _EVENING + float(rng.uniform(0, 3600))
    for number in range(recordings):
        drawn = str(rng.choice(WEATHERS, p=_SHARES))
        many = 1 if number == 0 else int(rng.choice([0, 1, 2], p=(0.25, 0.625, 0.125)))
        sky = drawn if weather == "mixed" else weather
        hand = next(deal) if distractors else ()
        station = stations[number % len(stations)]
        meteors = (MeteorWish(),) * many
        specs.append(
            StationSpec(station, frames, sky, meteors, hand, round(time, 3), faulty=True, stars=stars)
        )
        time += frames / 25.0 + float(rng.uniform(20, 600))
    return specs


def write_station_night(
    out: Path,
    specs: Sequence[StationSpec],
    format: str,  # noqa: A002
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[str]:
    """Write recordings with ``truth.csv``, ``tracks.csv`` and ``recordings.csv``.

    Parameters
    ----------
    out : Path
        Folder; made if it does not exist.
    specs : sequence of StationSpec
        From `plan_station_night`.
    format : str
        One of `astrodetect.simulation.writers.FORMATS`.
    seed : int
        Of the recordings.
    progress : callable, optional
        Called with each path when it is written.

    Returns
    -------
    list of str
        Paths of the recordings relative to `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    heads = {"truth.csv": TRUTH_COLUMNS, "tracks.csv": TRACK_COLUMNS, "recordings.csv": RECORDING_COLUMNS}
    for name, columns in heads.items():
        write_csv(out / name, columns, [], append=False)
    paths = []
    for number, spec in enumerate(specs):
        scene = simulate_station_recording(spec, _seed_of(seed, number))
        station = spec.station
        path = write_frames(
            scene.frames(), format, out, station.name, station.frame_rate, scene.start,
            n_frames=len(scene), bits=station.sensor.bits, positions=camera_track(scene),
        )  # fmt: skip
        write_truth(scene, out, path)
        meteors = sum(row.label == "meteor" for row in scene.truth)
        row = (
            path, station.name, station.kind, station.codec, station.sensor.bits, spec.weather, meteors,
            " ".join(spec.objects), scene.start,
        )  # fmt: skip
        write_csv(out / "recordings.csv", RECORDING_COLUMNS, [row], append=True)
        paths.append(path)
        if progress is not None:
            progress(path)
    return paths


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.default_rng([seed, 12, number]).integers(2**31))
