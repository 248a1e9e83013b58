"""The settings of the simulation: one frozen dataclass, printed beside every figure made with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from astrodetect.core.errors import AstrodetectError

#: What the sky of a recording can be.
SKIES = ("clear", "cloud", "moon", "twilight")


@dataclass(frozen=True)
class Settings:
    """What is simulated. Brightness is in ADU of the 12-bit camera, time in frames unless it says seconds.

    A range (low, high) is drawn from log-uniformly.

    Raises
    ------
    AstrodetectError
        A value cannot be simulated.

    Examples
    --------
    >>> Settings(bits=8).saturation
    255
    """

    #: Height and width of a frame, in pixels.
    shape: tuple[int, int] = (480, 640)
    #: Frames in a recording.
    frames: int = 100
    #: Frames per second.
    frame_rate: float = 30.0
    #: Fraction of the frame time during which the shutter is open.
    duty: float = 1.0
    #: Bits per pixel: 12 (0-4095 in 16 bits) or 8 (a high-gain camera, 8 ADU of the 12-bit one in each step).
    bits: int = 12
    #: Full width at half maximum of a star, in pixels; Gaussian, integrated over each pixel.
    fwhm: float = 2.2
    #: Level of the darkest sky at the centre of the frame, in ADU per pixel and frame.
    sky_level: tuple[float, float] = (80.0, 400.0)
    #: Constant offset of the camera, in ADU.
    bias: float = 60.0
    #: Noise of reading one pixel, in ADU.
    read_noise: float = 5.0
    #: Electrons per ADU: shot noise is sqrt(level / gain) ADU.
    gain: float = 2.0
    #: Fraction of light lost in the corners of the frame.
    vignetting: float = 0.45
    #: Spread of the pixels' offsets (ADU), which makes a fixed pattern; columns have half of it.
    fixed_pattern: float = 1.5
    #: Hot pixels per million, 60 to 2500 ADU above their surroundings.
    hot_pixels: float = 60.0
    #: Pixels per million that switch on and off at random, by 40 to 400 ADU.
    flickering_pixels: float = 25.0
    #: Stars per million pixels with signal-to-noise over 2 in one frame.
    stars: float = 500.0
    #: Relative spread of a star's brightness from frame to frame (scintillation), typical star.
    scintillation: float = 0.12
    #: Fastest drift of the star field, in pixels per frame.
    star_drift: float = 0.01
    #: Meteors: pixels per frame, mean along the path.
    meteor_speed: tuple[float, float] = (1.0, 30.0)
    #: Meteors: highest signal-to-noise in one frame, aperture of 2 FWHM diameter, noise of sky and reading.
    meteor_snr: tuple[float, float] = (3.0, 50.0)
    #: Meteors: duration in seconds; at least 3 frames and 8 pixels, at most 0.6 of the frame.
    meteor_seconds: tuple[float, float] = (0.1, 1.5)
    #: Fraction of meteors that have one or two flares; half as many end in a flash.
    flares: float = 0.25
    #: Fraction of meteors that cross the edge of the frame, and that the recording's start or end cuts.
    cut_meteors: float = 0.08
    #: Distractors in each recording (aircraft, satellite, lightning, ...), beside what the sky brings.
    distractors: int = 5
    #: Magnitude of a source that gives 1 ADU per frame.
    zero_point: float = 9.0
    #: Frames belong to an object while it has this fraction of its highest flux ...
    visible_fraction: float = 0.1
    #: ... and this signal-to-noise (for an object that never has it: half of its own highest).
    visible_snr: float = 1.0

    def __post_init__(self) -> None:
        if min(self.shape) < 32:
            raise AstrodetectError(f"shape is {self.shape[0]}x{self.shape[1]}; at least 32x32 is needed")
        if self.frames < 1:
            raise AstrodetectError(f"frames is {self.frames}; at least 1 is needed")
        if self.bits not in {8, 12}:
            raise AstrodetectError(f"bits is {self.bits}; 8 and 12 can be simulated")
        if not (math.isfinite(self.frame_rate) and self.frame_rate > 0):
            raise AstrodetectError(f"frame rate is {self.frame_rate}; a number above 0 is needed")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "shape" and isinstance(value, tuple) and not 0 < value[0] <= value[1]:
                raise AstrodetectError(f"{field.name} is {value}; expected 0 < low <= high")

    @property
    def adu_step(self) -> int:
        """ADU of the 12-bit camera in one step of the pixels written."""
        return 1 if self.bits == 12 else 8

    @property
    def saturation(self) -> int:
        """Highest pixel value."""
        return (1 << self.bits) - 1

    @property
    def aperture_area(self) -> float:
        """Area of the aperture of 2 FWHM diameter, in pixels."""
        return math.pi * self.fwhm**2

    def describe(self) -> str:
        """Give the settings as text, one a line."""
        return "\n".join(f"{field.name} = {getattr(self, field.name)}" for field in fields(self))
