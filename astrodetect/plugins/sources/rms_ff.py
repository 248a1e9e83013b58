"""FF files of RMS and CAMS: recordings that arrive reduced."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from astrodetect.core.data import Frame, Recording, Stream, Window
from astrodetect.core.discovery import make_recording, walk
from astrodetect.core.errors import SourceError
from astrodetect.core.stages import FrameSource
from astrodetect.methods.names import NameTime, time_from_name

if TYPE_CHECKING:
    from astrodetect.core.detections import Detections
    from astrodetect.plugins.sources._rms_files import FF

_NAME = re.compile(r"FF_?[A-Za-z0-9]+_\d{8}_\d{6}_\d{3,6}(_\d+)?\.(bin|fits?(\.(gz|bz2))?)", re.IGNORECASE)
#: Seconds by which a name and DATE-OBS, or an FT file, may differ without being told.
_TOLERANCE = 0.1
_ASSUMED_RATE = 25.0


@dataclass
class RmsFF(FrameSource):
    """Read FF files: one window each, with the planes that the camera's software made.

    Planes (H, W) of uint8, in the orientation of the camera: ``max``, ``argmax``, ``mean``,
    ``std``, ``background`` (the mean; RMS leaves out the four highest values of each pixel), and
    ``image``, float32, ``max - background``. A pixel of 255 is saturated.

    The time of the first frame is that of the name; ``DATE-OBS`` where the name has none. Times of
    single frames come from the FT file beside it, or else from the frame rate. The folder's
    ``mask.bmp`` is used (black is ignored) and its site; its ``flat.bmp`` is not applied. Meteors of the
    folder's FTPdetectinfo are given as the camera's own detections.

    `frames` rebuilds frame k as the maximum where it fell in frame k, and the mean elsewhere.
    """

    priority: ClassVar[int] = 10
    suffixes: ClassVar[tuple[str, ...]] = (".fits", ".fit", ".bin", ".fits.gz", ".fits.bz2")
    gives: ClassVar[tuple[str, ...]] = ("max", "argmax", "mean", "std", "background", "image")

    #: Frames per second. Set it for files that state none (CAMS version 1: 29.97 in NTSC
    #: countries), or a wrong one.
    frame_rate: Annotated[float, Gt(0)] | None = None
    #: Use the mask.bmp of the folder. Switch it off to look behind the mask, or where it is not that
    #: of the camera.
    mask: bool = True

    _ff: FF | None = field(default=None, init=False, repr=False, compare=False)
    _times: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def find(cls, root: Path) -> Iterator[Recording]:
        """Give one recording per FF file."""
        for folder, names in walk(root):
            for name in names:
                if _NAME.fullmatch(name):
                    path = folder / name
                    yield make_recording("rms-ff", root, path, [path])

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        """Read the file.

        Raises
        ------
        SourceError
            It is truncated, or no FF file.
        """
        from astrodetect.plugins.sources._rms_files import read_ff, read_site

        path = recording.file_paths[0]
        ff = self._ff = read_ff(path)
        warnings: list[str] = []
        named = time_from_name(path.name)
        start, source = _start(ff, named, warnings)
        rate = self._rate(ff, warnings)
        self._times = _frame_times(path, ff, start, rate, warnings)
        if int(ff.argmax.max()) >= ff.n_frames:
            warnings.append(f"MAXFRAME goes up to {ff.argmax.max()}, but there are {ff.n_frames} frames")
        if ff.header.get("INTERLEAVE"):
            warnings.append("interlaced: the two fields of a frame were taken at different times")
        return Stream(
            shape=ff.max.shape,
            dtype=np.dtype(np.uint8),
            n_frames=ff.n_frames,
            frame_rate=rate,
            start=start if math.isnan(start) else float(self._times[0]),
            saturation=255.0,
            camera=(named.camera if named else "") or ff.camera,
            site=read_site(path.parent, path.name),
            mask=self._mask(path, ff.max.shape, warnings),
            header=MappingProxyType({**ff.header, "time_source": source}),
            warnings=tuple(warnings),
        )

    def _rate(self, ff: FF, warnings: list[str]) -> float:
        if self.frame_rate is not None:
            return self.frame_rate
        if math.isnan(ff.frame_rate):
            warnings.append(f"states no frame rate, {_ASSUMED_RATE:g} frames/s are assumed; set frame_rate")
            return _ASSUMED_RATE
        if not 1 < ff.frame_rate < 1000:
            warnings.append(
                f"states an implausible {ff.frame_rate:g} frames/s; set frame_rate if you know it"
            )
        return ff.frame_rate

    def _mask(self, path: Path, shape: tuple[int, ...], warnings: list[str]) -> NDArray[np.bool_] | None:
        from astrodetect.plugins.sources._rms_files import read_mask

        place = path.with_name("mask.bmp")
        if not self.mask or not place.is_file():
            return None
        try:
            mask = read_mask(place)
        except (OSError, ValueError, SyntaxError):
            warnings.append(f"{place.name} cannot be read and is not used")
            return None
        if mask.shape != shape:
            warnings.append(f"{place.name} has shape {mask.shape}, frames have {shape}: it is not used")
            return None
        if mask.all():
            warnings.append(f"{place.name} is black everywhere: nothing is left to look at")
        return mask

    def frames(self) -> Iterator[Frame]:
        """Give frames rebuilt from the planes: the maximum where it fell in this frame, else the mean."""
        ff, times = self._opened()
        for index in range(ff.n_frames):
            data = np.where(ff.argmax == index, ff.max, ff.mean)
            yield Frame(data, index, float(times[index]))

    def windows(self, size: int, step: int) -> Iterator[Window]:
        """Give the one window that the file is, whatever `size` and `step`."""
        ff, times = self._opened()
        image = np.subtract(ff.max, ff.mean, dtype=np.float32)
        planes = {
            "max": ff.max,
            "argmax": ff.argmax,
            "mean": ff.mean,
            "std": ff.std,
            "background": ff.mean,
            "image": image,
        }
        yield Window(
            recording=self.recording,
            stream=self.stream,
            start=0,
            times=times,
            planes=MappingProxyType(planes),
            mask=self.stream.mask,
        )

    def camera_detections(self) -> Detections | None:
        """Give what the camera's software wrote into FTPdetectinfo of this folder."""
        from astrodetect.plugins.sources._rms_detections import camera_detections

        return camera_detections(self.recording.file_paths[0], self.report)

    def _opened(self) -> tuple[FF, NDArray[np.float64]]:
        if self._ff is None or self._times is None:
            raise SourceError("no FF file is open")
        return self._ff, self._times

    def close(self) -> None:
        """Free the planes."""
        self._ff = self._times = None


def _start(ff: FF, named: NameTime | None, warnings: list[str]) -> tuple[float, str]:
    """Give the time of the first frame, and where it is from."""
    if named is None:
        return ff.date_obs, "none" if math.isnan(ff.date_obs) else "DATE-OBS"
    if abs(ff.date_obs - named.time) > _TOLERANCE:  # false for NaN
        warnings.append(
            f"DATE-OBS is {ff.date_obs - named.time:+.3f} s from the time in the name, which is used"
        )
    return named.time, "file name (UTC)"


def _frame_times(path: Path, ff: FF, start: float, rate: float, warnings: list[str]) -> NDArray[np.float64]:
    """Give the (n_frames,) times, from the FT file or by the frame rate."""
    from astrodetect.plugins.sources._rms_files import read_ft

    times = (0.0 if math.isnan(start) else start) + np.arange(ff.n_frames) / rate
    beside = path.name.replace("FF", "FT", 1).partition(".")[0]
    places = [path.with_name(f"{stem}.bin") for stem in (beside, beside.rpartition("_")[0])]
    place = next((candidate for candidate in places if candidate.is_file()), None)
    if place is None:
        return times
    try:
        _, measured = read_ft(place)
    except (OSError, ValueError) as error:
        warnings.append(f"{place.name} cannot be read ({error}); times are counted from the frame rate")
        return times
    fits = len(measured) == ff.n_frames and bool(np.all(np.diff(measured) > 0))
    if not fits or abs(measured[0] - start) > 10:
        warnings.append(f"{place.name} does not belong to this file; times are counted from the frame rate")
        return times
    return measured
