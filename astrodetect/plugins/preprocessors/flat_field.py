"""Correct the planes for dark current, vignetting and bad pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Array, Stream, Window
from astrodetect.core.stages import Preprocessor
from astrodetect.plugins.preprocessors.pictures import read_picture

#: Planes that are pixel values: the dark is subtracted and the flat divides.
_LEVELS = ("max", "background", "median", "mean")
#: The flat that RMS writes into the folder of a night.
_NIGHT_FLAT = "flat.bmp"


@dataclass
class FlatField(Preprocessor):
    """Subtract a dark, divide by a flat, mask bad pixels; put it after the reduction.

    Correcting the planes is exact: dark and flat are the same in all frames, so they go through
    maximum and median. ``image`` is made again from the corrected planes, ``std`` is divided by the
    flat. A pixel that was saturated stays saturated. `Window.frames` stay as the camera gave them.

    Notes
    -----
    Corrected planes are float32. The flat, free of dark, is divided by its median first; pixels in
    which it is not positive are masked.
    """

    needs: ClassVar[tuple[str, ...]] = ("max", "background")
    gives: ClassVar[tuple[str, ...]] = ("max", "background", "image")

    #: Flat: an image, FITS or .npy file as large as the frames, dark already subtracted.
    flat: Path | None = None
    #: Dark (or bias) in the units of the frames.
    dark: Path | None = None
    #: Map of bad pixels: those that are not 0 are masked.
    bad_pixels: Path | None = None
    #: Use the ``flat.bmp`` beside each recording, as RMS writes it; where there is none, `flat`.
    night: bool = False

    _pictures: dict[str, NDArray[np.float32]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _night_flats: dict[Path, NDArray[np.float32] | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def open(self, stream: Stream, device: str = "cpu") -> None:
        """Read the files.

        Raises
        ------
        AstrodetectError
            One cannot be read, or is not as large as the frames.
        """
        self.close()
        for name, path in (("flat", self.flat), ("dark", self.dark), ("bad-pixel map", self.bad_pixels)):
            if path is not None:
                self._pictures[name] = read_picture(path, name, stream.shape).astype(np.float32)

    def process(self, window: Window) -> Window:
        """Give the window with corrected planes."""
        flat = self._flat(window)
        dark = self._pictures.get("dark")
        bad = self._pictures.get("bad-pixel map")
        unusable = np.zeros(window.shape, np.bool_) if bad is None else bad != 0
        gain = None
        if flat is not None:
            gain, dead = flat_gain(flat)
            unusable |= dead
        planes = corrected_planes(dict(window.planes), gain, dark, window.stream.saturation)
        return window.with_planes(**planes).with_mask(unusable if unusable.any() else None)

    def close(self) -> None:
        """Forget the files."""
        self._pictures = {}
        self._night_flats = {}

    def _flat(self, window: Window) -> NDArray[np.float32] | None:
        if not self.night:
            return self._pictures.get("flat")
        location = window.recording.location
        path = (location if location.is_dir() else location.parent) / _NIGHT_FLAT
        if path not in self._night_flats:
            there = path.is_file()
            if not there and self.flat is None:
                self.report(f"no {_NIGHT_FLAT} beside the recording: not flat-fielded")
            found = read_picture(path, "flat", window.shape).astype(np.float32) if there else None
            self._night_flats[path] = self._pictures.get("flat") if found is None else found
        return self._night_flats[path]


def flat_gain(flat: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give what to divide by, and where the flat says nothing.

    Parameters
    ----------
    flat : (H, W) float32 array
        Any units.

    Returns
    -------
    gain : (H, W) float32 array
        The flat by the median of its positive pixels; 1 where it says nothing.
    dead : (H, W) bool array
        True where the flat is not positive or not finite.
    """
    dead = ~(np.isfinite(flat) & (flat > 0))
    gain = np.ones_like(flat)
    if not dead.all():
        np.divide(flat, np.median(flat[~dead]), out=gain, where=~dead)
    return gain, dead


def corrected_planes(
    planes: dict[str, Array], gain: Array | None, dark: Array | None, saturation: float
) -> dict[str, Array]:
    """Correct planes for dark and flat.

    Parameters
    ----------
    planes : dict of str to (H, W) array
        As the reduction gave them.
    gain, dark : (H, W) float32 array or None
        What to divide by, and what to subtract before.
    saturation : float
        Pixel value from which a pixel is saturated; NaN if unknown.

    Returns
    -------
    dict of str to (H, W) float32 array
        The corrected ones, ``image`` among them. What was saturated is at least `saturation`.
    """
    made: dict[str, Array] = {}
    for name in _LEVELS:
        if name not in planes:
            continue
        level = planes[name].astype(np.float32)
        saturated = planes[name] >= saturation
        if dark is not None:
            level -= dark
        if gain is not None:
            level /= gain
        np.maximum(level, np.float32(saturation), out=level, where=saturated)
        made[name] = level
    if "std" in planes and gain is not None:
        made["std"] = (planes["std"] / gain).astype(np.float32)
    made["image"] = made["max"] - made["background"]
    return made
