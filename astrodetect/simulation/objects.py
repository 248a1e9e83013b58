"""What every object of a scene can do: add its light to a frame and say where it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

from astrodetect.simulation.psf import FloatImage
from astrodetect.simulation.truth import TrackPoint

#: Where an object is. Clouds dim what is in the ``sky`` and not what is in the ``air``; the lens
#: dims both. ``sensor`` is added in the camera; ``overlay`` is painted over finished pixels.
Layer = Literal["sky", "air", "sensor", "overlay"]


class Conditions(NamedTuple):
    """What surrounds the objects in one frame.

    Attributes
    ----------
    level : (H, W) float32 array
        Expected light that is no source, as it reaches the sensor, in ADU.
    throughput : (H, W) float32 array
        Fraction of the light from above that passes clouds and lens.
    vignetting : (H, W) float32 array
        Fraction that passes the lens.
    variance : float
        Of reading a pixel, in ADU squared.
    gain : float
        Electrons per ADU.
    """

    level: FloatImage
    throughput: FloatImage
    vignetting: FloatImage
    variance: float
    gain: float


class SceneObject(ABC):
    """Something in a scene.

    Attributes
    ----------
    label : str
        Class, as in the catalog; empty for what is no event (sky, stars).
    layer : str
        See `Layer`.
    diffuse : bool
        It is part of the background against which sources are measured.
    kind : str
        What the truth calls it; by its label if that is empty.
    """

    label: str
    layer: Layer
    diffuse: bool = False
    kind: str = ""

    @abstractmethod
    def render(self, image: FloatImage, frame: int) -> None:
        """Add the light of one exposure (ADU) to `image`, or for an overlay the pixel values."""

    def observe(self, frame: int, conditions: Conditions) -> TrackPoint | None:
        """Say where it is in one frame and how bright; None while it is not there."""
        return None

    def settle(self, points: list[TrackPoint]) -> list[TrackPoint]:
        """Take the brightness from all that was observed; give the points with it."""
        return points

    def magnitude(self, zero_point: float) -> float:
        """Give the magnitude at its brightest, NaN for what is no source."""
        return float("nan")
