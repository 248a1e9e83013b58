"""A night of recordings: what each holds, and the files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.distractors import DISTRACTORS
from astrodetect.simulation.meteors import Circle, MeteorSpec, log_uniform, make_meteor
from astrodetect.simulation.objects import SceneObject
from astrodetect.simulation.psf import aperture_fraction
from astrodetect.simulation.scene import Recorded, Scene
from astrodetect.simulation.settings import SKIES, Settings
from astrodetect.simulation.sky import Clouds, Glow, StarSettings, grid, sky_gradient, star_field, texture
from astrodetect.simulation.truth import TRACK_COLUMNS, TRUTH_COLUMNS, write_csv
from astrodetect.simulation.writers import FORMATS, write_frames

Generator = np.random.Generator
#: 2024-08-12 19:31:07.25 UTC: the evening on which simulated nights begin.
_EVENING = 1723491067.25
#: Station code of simulated recordings.
STATION = "XX0001"


@dataclass(frozen=True)
class RecordingSpec:
    """What a recording holds.

    Attributes
    ----------
    settings : Settings
        Camera and ranges.
    sky : str
        ``clear``, ``cloud``, ``moon`` or ``twilight``.
    meteors : tuple of MeteorSpec
        One per meteor.
    distractors : tuple of str
        Names in `distractors.DISTRACTORS`.
    start : float
        UTC Unix seconds of the first frame.
    """

    settings: Settings = field(default_factory=Settings)
    sky: str = "clear"
    meteors: tuple[MeteorSpec, ...] = (MeteorSpec(),)
    distractors: tuple[str, ...] = ("aircraft", "satellite", "lightning", "headlights", "insect")
    start: float = _EVENING

    def __post_init__(self) -> None:
        if self.sky not in SKIES:
            raise AstrodetectError(f"sky is {self.sky!r}; expected one of {', '.join(SKIES)}")
        for name in self.distractors:
            if name not in DISTRACTORS:
                raise AstrodetectError(f"distractor {name!r} is not known; expected {', '.join(DISTRACTORS)}")


def simulate_recording(spec: RecordingSpec, rng: Generator | int) -> Scene:
    """Make the scene of a recording.

    Parameters
    ----------
    spec : RecordingSpec
        What it holds.
    rng : numpy.random.Generator or int
        Source of randomness; the same one gives the same scene.

    Returns
    -------
    Scene
        Gives frames, truth and tracks.
    """
    rng = np.random.default_rng(rng)
    # One generator each, so that a change to one object leaves the others as they were.
    seeds = [int(seed) for seed in rng.integers(2**62, size=3)]
    objects, avoid = _sky_objects(np.random.default_rng(seeds[0]), spec)
    for number, meteor in enumerate(spec.meteors):
        objects.append(make_meteor(np.random.default_rng([seeds[1], number]), spec.settings, meteor, avoid))
    for number, name in enumerate(spec.distractors):
        own = np.random.default_rng([seeds[2], number])
        objects.extend(DISTRACTORS[name](own, spec.settings, spec.start))
    return Scene(spec.settings, objects, seeds[0] ^ seeds[1], spec.start)


def _sky_objects(rng: Generator, spec: RecordingSpec) -> tuple[list[SceneObject], Circle | None]:
    settings = spec.settings
    level = log_uniform(rng, settings.sky_level)
    objects: list[SceneObject] = [Glow(sky_gradient(rng, settings.shape, level))]
    noise = math.sqrt(settings.aperture_area * (settings.read_noise**2 + level / settings.gain))
    faintest = 2 * noise / float(aperture_fraction(0.0, settings.fwhm))
    stars = StarSettings(settings.stars, faintest, settings.scintillation, settings.star_drift, settings.fwhm)
    objects.append(star_field(rng, settings.shape, stars))
    avoid = None
    if spec.sky == "cloud":
        objects.append(_make_clouds(rng, settings, level))
    elif spec.sky == "moon":
        moon, avoid = _make_moon(rng, settings)
        objects.extend(moon)
    elif spec.sky == "twilight":
        objects.append(_make_twilight(rng, settings))
    return objects, avoid


def _make_clouds(rng: Generator, settings: Settings, level: float) -> Clouds:
    height, width = settings.shape
    values = texture(rng, (height + height // 4, width + width // 4))
    depth = rng.uniform(0.5, 2.5) * np.clip(values + rng.uniform(-0.6, 0.6), 0, None)
    speed, angle = log_uniform(rng, (0.05, 1.0)), rng.uniform(0, 2 * math.pi)
    drift = speed * math.cos(angle), speed * math.sin(angle)
    return Clouds(np.exp(-depth).astype(np.float32), level * log_uniform(rng, (0.3, 2.5)), drift)


def _make_moon(rng: Generator, settings: Settings) -> tuple[list[SceneObject], Circle]:
    height, width = settings.shape
    x, y = grid(settings.shape)
    at_x, at_y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.7) * height
    radius = max(2.5, rng.uniform(0.006, 0.016) * height)
    distance = np.hypot(x - at_x, y - at_y)
    disc = 40000.0 / (1 + np.exp(np.clip((distance - radius) / (0.4 * settings.fwhm), -40, 40)))
    halo_radius = rng.uniform(2.5, 5.0) * radius
    halo = log_uniform(rng, (250.0, 900.0)) / (1 + (distance / halo_radius) ** 2) ** rng.uniform(0.55, 0.9)
    # The lens throws a faint second image to the other side of the optical axis.
    ghost = np.hypot(x - (width - 1 - at_x), y - (height - 1 - at_y))
    halo += rng.uniform(10, 60) / (1 + np.exp(np.clip((ghost - 2.5 * radius) / 2, -40, 40)))
    light = np.asarray(disc + halo, dtype=np.float32)
    return [Glow(light, 0.0, "static", (at_x, at_y), layer="sky")], (at_x, at_y, 3 * radius)


def _make_twilight(rng: Generator, settings: Settings) -> Glow:
    x, y = grid(settings.shape)
    height, width = settings.shape
    sun_x = rng.uniform(0, width)
    light = log_uniform(rng, (150.0, 900.0)) * np.exp(-(1 - y / height) * rng.uniform(1, 3))
    light = light * (0.6 + 0.4 * np.exp(-(((x - sun_x) / (0.5 * width)) ** 2)))
    # Brighter or darker by 0.2 to 3 % in a second; nautical dusk has about 1 %.
    ramp = rng.choice([-1.0, 1.0]) * log_uniform(rng, (0.002, 0.03)) / settings.frame_rate
    ramp = max(ramp, -0.8 / settings.frames)
    return Glow(np.asarray(light, dtype=np.float32), float(ramp))


def plan_night(
    recordings: int = 8, settings: Settings | None = None, sky: str = "mixed", seed: int = 0
) -> list[RecordingSpec]:
    """Decide what each recording of a night holds.

    One meteor each, but none in an eighth of them (at least one, if there are two). The first is
    clear and its meteor bright (signal-to-noise 18 to 50, 3 to 12 pixels per frame, whole). With
    ``mixed`` half of the recordings have cloud, Moon or twilight, in turn. Distractors are dealt so that each
    kind comes equally often.

    Parameters
    ----------
    recordings : int
        How many.
    settings : Settings, optional
        Camera and ranges.
    sky : str
        ``mixed``, or one of `settings.SKIES` for all.
    seed : int
        The same seed gives the same night in every format.
    """
    settings = settings or Settings()
    if sky != "mixed" and sky not in SKIES:
        raise AstrodetectError(f"sky is {sky!r}; expected mixed, {', '.join(SKIES)}")
    if recordings < 1:
        raise AstrodetectError(f"recordings is {recordings}; at least 1 is needed")
    rng = np.random.default_rng([seed, 1])
    skies = [sky] * recordings
    if sky == "mixed":
        hard = recordings // 2
        skies = ["clear"] * (recordings - hard) + [SKIES[1 + number % 3] for number in range(hard)]
        skies[1:] = rng.permutation(skies[1:]).tolist()
    empty = set(1 + rng.permutation(recordings - 1)[: max(1, recordings // 8)])
    deal = deal_kinds(rng, settings.distractors, DISTRACTORS)
    specs = []
    time = _EVENING + rng.uniform(0, 600)
    for number in range(recordings):
        meteors = () if number in empty else (_bright(rng, settings) if number == 0 else MeteorSpec(),)
        specs.append(RecordingSpec(settings, skies[number], meteors, next(deal), round(time, 3)))
        time += settings.frames / settings.frame_rate + rng.uniform(60, 1200)
    return specs


def _bright(rng: Generator, settings: Settings) -> MeteorSpec:
    low, high = settings.meteor_snr
    snr = log_uniform(rng, (max(low, min(18.0, high)), max(high, 18.0)))
    slow, fast = settings.meteor_speed
    speed = log_uniform(rng, (min(max(slow, 3.0), fast), max(slow, min(fast, 12.0))))
    return MeteorSpec(snr=snr, speed=speed, cut=False)


def deal_kinds(rng: Generator, hand: int, kinds: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Deal hands from a shuffled pack of all kinds; the first pack is in its own order.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    hand : int
        How many each recording has.
    kinds : iterable of str
        The pack.
    """
    pack: list[str] = []
    whole = list(kinds)
    order = list(whole)
    while True:
        dealt: list[str] = []
        while len(dealt) < hand:
            if not pack:
                pack, order = order, rng.permutation(whole).tolist()
            place = next((at for at, name in enumerate(pack) if name not in dealt), 0)
            dealt.append(pack.pop(place))
        yield tuple(dealt)


def simulate_night(
    out: Path | str,
    recordings: int = 8,
    format: str = "freeture",  # noqa: A002
    seed: int = 0,
    sky: str = "mixed",
    specs: Sequence[RecordingSpec] | None = None,
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> list[str]:
    """Write a night of recordings with ``truth.csv`` and ``tracks.csv``.

    Parameters
    ----------
    out : path
        Folder; made if it does not exist.
    recordings : int
        How many.
    format : str
        One of `writers.FORMATS`.
    seed : int
        The same seed gives the same night in every format, but for the paths.
    sky : str
        See `plan_night`.
    specs : sequence of RecordingSpec, optional
        Instead of what `plan_night` decides.
    progress : callable, optional
        Called with each path when it is written.
    **settings
        Fields of `Settings`; `bits` is 12 for ``freeture`` and ``fits``, 8 for the others, unless given.

    Returns
    -------
    list of str
        Paths of the recordings relative to `out`, as in ``/recordings/path``.

    Raises
    ------
    AstrodetectError
        A setting or the format is wrong, or the format cannot hold the frames.
    """
    if format not in FORMATS:
        raise AstrodetectError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    settings.setdefault("bits", FORMATS[format].bits)
    if specs is None:
        specs = plan_night(recordings, Settings(**settings), sky, seed)
    root = Path(out)
    root.mkdir(parents=True, exist_ok=True)
    paths = []
    write_csv(root / "truth.csv", TRUTH_COLUMNS, [], append=False)
    write_csv(root / "tracks.csv", TRACK_COLUMNS, [], append=False)
    for number, spec in enumerate(specs):
        scene = simulate_recording(spec, np.random.default_rng([seed, 2, number]))
        path = write_scene(scene, root, format)
        write_truth(scene, root, path)
        paths.append(path)
        if progress is not None:
            progress(path)
    return paths


def write_scene(scene: Scene, out: Path, format: str) -> str:  # noqa: A002
    """Write the recording of a scene; gives its path relative to `out`."""
    from astrodetect.simulation.writers import camera_track

    settings = scene.settings
    return write_frames(
        scene.frames(), format, out, STATION, settings.frame_rate, scene.start,
        n_frames=settings.frames, bits=settings.bits, positions=camera_track(scene),
    )  # fmt: skip


def write_truth(scene: Recorded, root: Path, path: str) -> None:
    """Add the truth of a recording to ``truth.csv`` and ``tracks.csv``; `path` is that of the recording."""
    write_csv(root / "truth.csv", TRUTH_COLUMNS, [(path, *row) for row in scene.truth], append=True)
    rows = (
        (path, name, point.frame, scene.time(point.frame), *point[1:])
        for name, points in scene.tracks.items()
        for point in points
    )
    write_csv(root / "tracks.csv", TRACK_COLUMNS, rows, append=True)
