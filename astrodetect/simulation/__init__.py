"""Synthetic recordings with exact truth.

A `Scene` is a list of objects, each of which adds its light to a frame and reports where it was and
how bright; a camera turns light into pixels; `write_frames` writes them in any format that is read.

>>> from astrodetect.simulation import RecordingSpec, Settings, simulate_recording
>>> scene = simulate_recording(RecordingSpec(Settings(shape=(60, 80), frames=12)), rng=1)
>>> next(scene.frames()).shape
(60, 80)
>>> [row.label for row in scene.truth][0]
'meteor'
"""

from astrodetect.simulation.night import RecordingSpec, plan_night, simulate_night, simulate_recording
from astrodetect.simulation.psf import add_points, add_streak, streak_flux
from astrodetect.simulation.scene import Scene
from astrodetect.simulation.settings import Settings
from astrodetect.simulation.sources import MovingSource
from astrodetect.simulation.truth import TrackPoint, TruthRow
from astrodetect.simulation.writers import FORMATS, write_frames

__all__ = [
    "FORMATS",
    "MovingSource",
    "RecordingSpec",
    "Scene",
    "Settings",
    "TrackPoint",
    "TruthRow",
    "add_points",
    "add_streak",
    "plan_night",
    "simulate_night",
    "simulate_recording",
    "streak_flux",
    "write_frames",
]
