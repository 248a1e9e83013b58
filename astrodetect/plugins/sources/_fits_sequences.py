"""Which files of a folder are one sequence, and in what order they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Array, Frame, Site, Stream
from astrodetect.core.errors import SourceError, TruncatedError
from astrodetect.methods.fits_cadence import (
    advances_fast,
    cadence_warnings,
    measure_cadence,
    natural_key,
)
from astrodetect.methods.fits_headers import (
    Header,
    camera_name,
    exposure_time,
    frame_rate_card,
    saturation_level,
    site_of,
    without_nominal_wcs,
)
from astrodetect.plugins.sources._fits_files import ImageFile, other_images, read_headers
from astrodetect.plugins.sources._fits_planes import PlaneReader

#: Median advance of DATE-OBS under which files of a folder are one sequence (s).
SEQUENCE_STEP = 2.0
#: Names in one warning.
_SHOWN = 3


def group_files(images: Sequence[ImageFile], sequence: str) -> Iterator[list[ImageFile]]:
    """Divide the readable files of a folder into recordings.

    Parameters
    ----------
    images : sequence of ImageFile
        The files, in order of names.
    sequence : str
        ``"auto"``, ``"always"`` or ``"never"``.

    Yields
    ------
    list of ImageFile
        The files of one recording, in reading order.
    """
    groups: dict[Any, list[ImageFile]] = {}
    for image in images:
        alone = sequence == "never" or image.layout.planes > 1
        if sequence == "auto" and math.isnan(image.time):
            alone = True
        groups.setdefault(image.path if alone else image.key, []).append(image)
    for group in groups.values():
        if len(group) > 1 and (sequence == "always" or advances_fast([i.time for i in group], SEQUENCE_STEP)):
            yield in_time_order(group)
        else:
            for image in group:
                yield [image]


def in_time_order(images: Sequence[ImageFile]) -> list[ImageFile]:
    """Sort files by time, those of one time by name; all by name where a time is missing."""
    if any(math.isnan(image.time) for image in images):
        return sorted(images, key=lambda image: natural_key(image.path.name))
    return sorted(images, key=lambda image: (image.time, natural_key(image.path.name)))


@dataclass(frozen=True)
class Opened:
    """The files of an opened recording.

    Attributes
    ----------
    images : tuple of ImageFile
        In reading order, all of one shape and type.
    times : (n,) float64 array
        Start of exposure of each frame; seconds from the first where there is no absolute time.
    stream : Stream
        What is known of the recording.
    """

    images: tuple[ImageFile, ...]
    times: NDArray[np.float64]
    stream: Stream


def open_files(
    paths: Sequence[Path],
    hdu: int | str | None = None,
    frame_rate: float | None = None,
    *,
    in_tiles: bool = False,
) -> Opened:
    """Read the headers of a recording's files and say what they hold.

    Parameters
    ----------
    paths : sequence of Path
        One cube or image, or the files of a sequence.
    hdu : int, str or None
        Which HDU; None for the first with an image.
    frame_rate : float or None
        Frames per second where the times of files do not tell; None: what the header states.
    in_tiles : bool
        A single image will be read part by part: it may be larger than memory.

    Raises
    ------
    SourceError
        None of the files can be read.
    """
    images, headers, failures = _scan(paths, hdu, in_tiles=in_tiles and len(paths) == 1)
    if not images:
        raise failures[0] if failures else SourceError("a recording without files")
    folder = f"{paths[0].parent}/"
    warnings = _left_out("cannot be read", [str(failure).removeprefix(folder) for failure in failures])
    shape_type = _commonest([image.key[:2] for image in images])
    others = [image.path.name for image in images if image.key[:2] != shape_type]
    warnings += _left_out("differ in shape or type", others)
    kept = [image for image in images if image.key[:2] == shape_type]
    ordered = in_time_order(kept)
    header = headers[shape_type]
    rate, start, times, about_times = _times(kept, ordered, frame_rate or frame_rate_card(header))
    warnings += about_times
    if len(paths) == 1 and hdu is None:
        warnings += _unread(other_images(ordered[0]), ordered[0].hdu)
    stream = _stream(ordered, header, rate, start, tuple(warnings))
    return Opened(tuple(ordered), times, stream)


def _stream(
    images: Sequence[ImageFile], header: Header, rate: float, start: float, warnings: tuple[str, ...]
) -> Stream:
    values = without_nominal_wcs({name: value for name, value in header.items() if value is not None})
    dtype = images[0].layout.pixels.dtype
    site = site_of(values)
    return Stream(
        shape=images[0].layout.shape,
        dtype=dtype,
        n_frames=sum(image.layout.planes for image in images),
        frame_rate=rate,
        start=start,
        exposure=exposure_time(values),
        saturation=saturation_level(values, dtype),
        camera=camera_name(values),
        site=None if site is None else Site(*site),
        header=MappingProxyType(values),
        warnings=warnings,
    )


def _unread(others: Sequence[str], hdu: int) -> list[str]:
    if not others:
        return []
    return [f"the image of HDU {hdu} is read; not read: {', '.join(others)} (choose with the setting hdu)"]


def _scan(
    paths: Sequence[Path], hdu: int | str | None, *, in_tiles: bool
) -> tuple[list[ImageFile], dict[Any, Header], list[SourceError]]:
    images: list[ImageFile] = []
    headers: dict[Any, Header] = {}
    failures: list[SourceError] = []
    for path in paths:
        try:
            found = read_headers(path, hdu, in_tiles=in_tiles)
        except SourceError as error:
            failures.append(error)
            continue
        if found is None:
            failures.append(SourceError(f"{path}: holds no image, expected one of two dimensions or a cube"))
            continue
        images.append(found[0])
        headers.setdefault(found[0].key[:2], found[1])
    return images, headers, failures


def _commonest(keys: Sequence[Any]) -> Any:
    return max(dict.fromkeys(keys), key=keys.count) if len(set(keys)) > 1 else keys[0]


def _left_out(why: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{len(names)} files {why} and are left out: {'; '.join(names[:_SHOWN])}{more}"]


def _times(
    by_name: Sequence[ImageFile], ordered: Sequence[ImageFile], stated: float
) -> tuple[float, float, NDArray[np.float64], list[str]]:
    """Give frame rate, start, the time of each frame, and what is odd about them."""
    if len(ordered) == 1:
        start = ordered[0].time
        offsets = frame_offsets(ordered[0].layout.planes, stated)
        return stated, start, (0.0 if math.isnan(start) else start) + offsets, []
    known = np.array([image.time for image in ordered])
    n_unknown = int(np.count_nonzero(np.isnan(known)))
    if n_unknown == len(known):
        return stated, math.nan, frame_offsets(len(known), stated), ["no file has a time (DATE-OBS)"]
    cadence = measure_cadence(known)
    rate = stated if math.isnan(cadence.frame_rate) else cadence.frame_rate
    names = sorted(by_name, key=lambda image: natural_key(image.path.name))
    n_backward = int(np.count_nonzero(np.diff([image.time for image in names]) < 0))
    lines = cadence_warnings(cadence, len(ordered), n_backward)
    if n_unknown:
        lines.append(f"{n_unknown} of {len(known)} files have no time; theirs are interpolated")
        places = np.arange(len(known))
        there = np.isfinite(known)
        known = np.interp(places, places[there], known[there])
    planes = [image.layout.planes for image in ordered]
    times = np.concatenate([time + frame_offsets(n, rate) for time, n in zip(known, planes, strict=True)])
    return rate, float(known[0]), times, lines


def frame_offsets(n: int, rate: float) -> NDArray[np.float64]:
    """Give seconds (n,) from the first of `n` frames; NaN after it where the rate is unknown."""
    offsets = np.arange(n) / rate
    offsets[:1] = 0.0
    return offsets


class NonFinite:
    """Counts pixels that are not numbers; they pass untouched.

    Attributes
    ----------
    n_frames, n_pixels : int
        With such pixels, and of them.
    """

    def __init__(self) -> None:
        self.n_frames = 0
        self.n_pixels = 0
        self._first = -1

    def look(self, data: Array, index: int) -> None:
        """Look at one frame."""
        if data.dtype.kind != "f":
            return
        with np.errstate(all="ignore"):
            total = np.add.reduce(data, axis=None)
        if np.isfinite(total):  # one pass; the exact count only where something is wrong
            return
        count = int(data.size - np.count_nonzero(np.isfinite(data)))
        if count:
            self._first = index if self._first < 0 else self._first
            self.n_frames += 1
            self.n_pixels += count

    def message(self) -> str:
        """Give the line for the user, empty if all pixels were numbers."""
        if not self.n_frames:
            return ""
        where = f"{self.n_frames} frames, first in frame {self._first}"
        return f"{self.n_pixels} pixels are NaN or infinite, in {where}"


def decode(
    opened: Opened, slots: Iterator[Array], reader: PlaneReader, failures: list[str]
) -> Iterator[Frame]:
    """Give the frames of an opened recording, each in the next of `slots`.

    A file of a sequence that cannot be read is left out and told in `failures`.

    Raises
    ------
    TruncatedError
        After the last good plane of a file with fewer than its header promises.
    SourceError
        Nothing can be read.
    """
    index = first = 0
    single = len(opened.images) == 1
    for image in opened.images:
        place = first
        try:
            for data in reader.planes(image, slots):
                yield Frame(data, index, float(opened.times[place]))
                index += 1
                place += 1
        except SourceError as error:
            if single:
                raise (TruncatedError if index else SourceError)(str(error)) from error
            failures.append(str(error))
        first += image.layout.planes
        if single and image.n_planes < image.layout.planes:
            raise TruncatedError(
                f"{image.path}: truncated: {index} of {image.layout.planes} planes are whole"
            )
    if not index:
        raise SourceError(failures[0] if failures else "no frame could be read")
