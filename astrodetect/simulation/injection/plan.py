"""Which meteors are put into a recording."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from astrodetect.core.data import Stream
from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.injection.measure import Surroundings
from astrodetect.simulation.meteors import MeteorSpec, log_uniform, make_meteor
from astrodetect.simulation.scene import settle
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sources import MovingSource
from astrodetect.simulation.truth import TrackPoint, TruthRow

Range = tuple[float, float]
#: Places that are tried for a meteor, and the part of its path that a mask may hide.
_TRIES, _HIDDEN = 60, 0.1
#: Recordings need so many frames.
FEWEST_FRAMES = 6


@dataclass(frozen=True)
class Wishes:
    """What meteors are wanted; ranges are drawn from log-uniformly, magnitudes and directions uniformly.

    Attributes
    ----------
    meteors : int
        In each recording.
    snr : (float, float)
        Highest signal-to-noise in one frame; not used with `magnitude`.
    magnitude : (float, float) or None
        Magnitude of the brightest frame; needs the zero point.
    speed : (float, float)
        Pixels per frame.
    seconds : (float, float)
        Duration.
    direction : (float, float)
        Degrees, 0 upwards in the picture, 90 to the right.
    zero_point : float
        Magnitude of 1 ADU per frame; NaN: unknown.
    flares : float
        Part of the meteors with flares.

    Raises
    ------
    AstrodetectError
        A value is wrong.
    """

    meteors: int = 1
    snr: Range = (3.0, 50.0)
    magnitude: Range | None = None
    speed: Range = (1.0, 30.0)
    seconds: Range = (0.1, 1.5)
    direction: Range = (0.0, 360.0)
    zero_point: float = math.nan
    flares: float = 0.25

    def __post_init__(self) -> None:
        if self.meteors < 0:
            raise AstrodetectError(f"meteors is {self.meteors}; a number from 0 is needed")
        for name in ("snr", "speed", "seconds"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise AstrodetectError(f"{name} is {low:g}:{high:g}; expected 0 < low <= high")
        if self.magnitude is not None and math.isnan(self.zero_point):
            raise AstrodetectError(
                "magnitudes need the camera's zero point: give --zero-point (magnitude of 1 ADU per frame), "
                "or a calibration with photometry (--calibration)"
            )

    def describe(self) -> str:
        """Give the settings as text, one a line."""
        return "\n".join(f"{name} = {value}" for name, value in vars(self).items())


@dataclass
class Injected:
    """Meteors for one recording, and their truth.

    Attributes
    ----------
    sources : sequence of MovingSource
        They give their light by frame.
    truth : tuple of TruthRow
        A row each.
    tracks : mapping of str to tuple of TrackPoint
        Their visible points.
    start, frame_rate : float
        UTC Unix seconds of the first frame, frames per second.
    """

    sources: Sequence[MovingSource]
    truth: tuple[TruthRow, ...]
    tracks: Mapping[str, tuple[TrackPoint, ...]]
    start: float
    frame_rate: float

    def time(self, frame: int) -> float:
        """Give the start of exposure of a frame; NaN where the recording has no time."""
        return self.start + frame / self.frame_rate


def plan_meteors(rng: np.random.Generator, wishes: Wishes, stream: Stream, around: Surroundings) -> Injected:
    """Draw the meteors of a recording.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    wishes : Wishes
        What is wanted.
    stream : Stream
        Size, frames and rate of the recording.
    around : Surroundings
        What they are put into.

    Raises
    ------
    AstrodetectError
        The recording has too few frames, or no place that is not masked.
    """
    rate = stream.frame_rate if math.isfinite(stream.frame_rate) else 25.0
    if stream.n_frames < FEWEST_FRAMES:
        raise AstrodetectError(
            f"{stream.n_frames} frames; meteors can be put into recordings of {FEWEST_FRAMES} and more"
        )
    exposed = stream.exposure * rate
    settings = Settings(
        shape=stream.shape, frames=stream.n_frames, frame_rate=rate, fwhm=around.fwhm,
        duty=float(np.clip(exposed, 0.05, 1.0)) if math.isfinite(exposed) else 1.0,
        meteor_speed=wishes.speed, meteor_snr=wishes.snr, meteor_seconds=wishes.seconds,
        flares=wishes.flares, cut_meteors=0.0,
    )  # fmt: skip
    sources = [_draw(rng, settings, wishes, around) for _ in range(wishes.meteors)]
    made = Injected(sources, (), {}, stream.start, rate)
    made.truth, made.tracks = settle(
        sources, range(stream.n_frames), lambda _: around.conditions, made.time,
        visible=(settings.visible_fraction, settings.visible_snr), zero_point=wishes.zero_point,
    )  # fmt: skip
    return made


def _draw(rng: np.random.Generator, settings: Settings, wishes: Wishes, around: Surroundings) -> MovingSource:
    """Draw a meteor in the open part of the picture."""
    for _ in range(_TRIES):
        turned = float(rng.uniform(*wishes.direction))
        snr = log_uniform(rng, wishes.snr)
        # Angles of paths are from x to y, which grows downwards.
        source = make_meteor(
            rng, settings, MeteorSpec(snr=snr, cut=False, direction=math.radians(turned - 90))
        )
        x, y = source.path(np.linspace(source.first, source.last, 30))
        height, width = settings.shape
        rows = np.clip(np.rint(y), 0, height - 1).astype(int)
        columns = np.clip(np.rint(x), 0, width - 1).astype(int)
        if float(around.open[rows, columns].mean()) >= 1 - _HIDDEN:
            break
    else:
        raise AstrodetectError("the mask leaves no room for meteors")
    if wishes.magnitude is not None:
        magnitude = float(rng.uniform(*wishes.magnitude))
        _scale(source, settings.frames, 10 ** (0.4 * (wishes.zero_point - magnitude)))
    return source


def _scale(source: MovingSource, frames: int, flux: float) -> None:
    """Give a source a flux in its brightest frame (ADU)."""
    sums = [samples[2].sum() for k in range(frames) if (samples := source.samples(k)) is not None]
    source.scale *= flux / max(float(max(sums)), 1e-30)
    source.snr = 0.0
