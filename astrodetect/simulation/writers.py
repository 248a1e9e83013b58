"""Writing frames as cameras do: freeture events, FITS sequences, AVI, RMS FF files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.errors import AstrodetectError

if TYPE_CHECKING:
    from astrodetect.simulation.scene import Recorded

Array = NDArray[Any]
#: Frames in an RMS FF file, at most: the frame number has eight bits.
FF_FRAMES = 256
_FITS_BLOCK = 2880


class CameraPosition(NamedTuple):
    """Where the camera's own detector saw something: frame, and x, y in pixels, y downward."""

    frame: int
    x: float
    y: float


@dataclass(frozen=True)
class Job:
    """What a writer is given besides the frames."""

    out: Path
    name: str
    frame_rate: float
    start: float
    n_frames: int
    bits: int
    codec: str
    positions: Sequence[CameraPosition]

    def when(self, frame: int) -> datetime:
        """Give the start of exposure of a frame (UTC)."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.start + frame / self.frame_rate)


class Format(NamedTuple):
    """A format: its writer, and the bits per pixel it usually has."""

    write: Callable[[Iterator[Array], Job], Path]
    bits: int


def write_frames(
    frames: Iterable[Array],
    format: str,  # noqa: A002
    out: Path | str,
    name: str,
    frame_rate: float,
    start: float,
    *,
    n_frames: int | None = None,
    bits: int | None = None,
    codec: str = "ffv1",
    positions: Sequence[CameraPosition] = (),
) -> str:
    """Write frames as one recording.

    Parameters
    ----------
    frames : iterable of (H, W) uint8 or uint16 arrays
        In the orientation in which the camera shows them; consumed one by one.
    format : str
        ``freeture`` (event folder), ``fits`` (folder of one-frame files), ``avi`` or ``ff`` (RMS).
    out : path
        Folder to write into; made if it does not exist.
    name : str
        Station or camera.
    frame_rate : float
        Frames per second.
    start : float
        UTC Unix seconds of the first frame.
    n_frames : int, optional
        How many there will be; if not given, and `frames` has no length, they are counted first (in memory).
    bits : int, optional
        Bits that the values use; by default 8 for uint8 and 12 for uint16.
    codec : str
        Of ``avi``: ``ffv1`` (lossless), ``rawvideo`` or ``mjpeg``.
    positions : sequence of CameraPosition
        What the camera's detector saw; written by ``freeture`` to ``positions.txt`` if there are any.

    Returns
    -------
    str
        The recording's path relative to `out`.

    Raises
    ------
    AstrodetectError
        The format is not known or cannot hold these frames.
    """
    if format not in FORMATS:
        raise AstrodetectError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    if n_frames is None:
        frames = frames if isinstance(frames, Sequence) or hasattr(frames, "__len__") else list(frames)
        n_frames = len(frames)  # type: ignore[arg-type]
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise AstrodetectError("there are no frames to write")
    if first.ndim != 2 or first.dtype not in (np.uint8, np.uint16):
        raise AstrodetectError(
            f"frames are {first.dtype} of shape {first.shape}; expected uint8 or uint16, (H, W)"
        )
    bits = bits or (8 if first.dtype == np.uint8 else 12)
    job = Job(Path(out), name, frame_rate, start, n_frames, bits, codec, positions)
    job.out.mkdir(parents=True, exist_ok=True)
    path = FORMATS[format].write(_chain(first, iterator), job)
    return path.relative_to(job.out).as_posix()


def _chain(first: Array, rest: Iterator[Array]) -> Iterator[Array]:
    yield first
    yield from rest


def write_avi(frames: Iterator[Array], job: Job) -> Path:
    """Write an AVI file; see `astrodetect.simulation.avi`."""
    from astrodetect.simulation.avi import write_avi_file

    return write_avi_file(frames, job)


def write_sequence(frames: Iterator[Array], job: Job) -> Path:
    """Write a folder of FITS files, one per frame, first row at the top."""
    stem = f"{job.name}_{job.when(0):%Y%m%d_%H%M%S}"
    folder = job.out / stem
    folder.mkdir(parents=True, exist_ok=True)
    digits = max(4, len(str(job.n_frames - 1)))
    writer: FitsWriter | None = None
    for index, data in enumerate(frames):
        writer = writer or FitsWriter(data, _sequence_cards(job))
        changed = {"DATE-OBS": f"{job.when(index):%Y-%m-%dT%H:%M:%S.%f}"}
        writer.write(folder / f"{stem}_{index:0{digits}d}.fits", data, changed)
    return folder


def _sequence_cards(job: Job) -> list[tuple[str, Any, str]]:
    return [
        ("DATE-OBS", f"{job.when(0):%Y-%m-%dT%H:%M:%S.%f}", "UTC, start of exposure"),
        ("EXPTIME", round(1 / job.frame_rate, 6), "[s]"),
        ("TELESCOP", job.name, "station"),
        ("SATURATE", (1 << job.bits) - 1, "[adu]"),
        ("TIMESYS", "UTC", ""),
    ]


class FitsWriter:
    """Writes many one-frame FITS files of one shape: the header is made once and a few cards replaced.

    Parameters
    ----------
    sample : (H, W) uint8 or uint16 array
        Shape and type of all of them; 16 bits are stored signed with BZERO 32768.
    cards : sequence of (keyword, value, comment)
        What follows the mandatory cards, in order.
    flip : bool
        Store the last row first.
    scale_at_end : str
        BZERO and BSCALE come after this keyword; if empty, before `cards`.
    """

    def __init__(
        self,
        sample: Array,
        cards: Sequence[tuple[str, Any, str]],
        *,
        flip: bool = False,
        scale_at_end: str = "",
    ) -> None:
        from astropy.io.fits import Card

        self._wide = sample.dtype == np.uint16
        self._flip = flip
        scale = [("BZERO", 32768 if self._wide else 0, ""), ("BSCALE", 1, "")]
        mandatory = [
            ("SIMPLE", True, ""),
            ("BITPIX", 16 if self._wide else 8, ""),
            ("NAXIS", 2, ""),
            ("NAXIS1", sample.shape[1], ""),
            ("NAXIS2", sample.shape[0], ""),
        ]
        ordered = list(cards)
        place = next((at + 1 for at, card in enumerate(ordered) if card[0] == scale_at_end), 0)
        ordered[place:place] = scale
        self._comments = {keyword: comment for keyword, _, comment in ordered}
        lines = [
            (keyword, str(Card(keyword, value, comment)))
            for keyword, value, comment in [*mandatory, *ordered]
        ]
        self._places = {keyword: 80 * at for at, (keyword, _) in enumerate(lines)}
        text = "".join(line for _, line in lines) + "END".ljust(80)
        self._header = bytearray(text.encode("ascii"))
        self._header.extend(b" " * (-len(self._header) % _FITS_BLOCK))

    def write(self, path: Path, data: Array, changed: Mapping[str, Any]) -> None:
        """Write a file.

        Parameters
        ----------
        path : Path
            The file, replaced if it exists.
        data : (H, W) array
            Pixels.
        changed : mapping
            Values that differ from those of the header; their keywords must be in it.
        """
        from astropy.io.fits import Card

        for keyword, value in changed.items():
            at = self._places[keyword]
            self._header[at : at + 80] = str(Card(keyword, value, self._comments[keyword])).encode("ascii")
        rows = data[::-1] if self._flip else data
        stored = np.ascontiguousarray((rows ^ 0x8000).astype(">u2") if self._wide else rows)
        with path.open("wb") as file:
            file.write(self._header)
            file.write(stored.data)
            file.write(bytes(-stored.nbytes % _FITS_BLOCK))


def write_freeture(frames: Iterator[Array], job: Job) -> Path:
    """Write an event folder as freeture does; see `astrodetect.simulation.freeture`."""
    from astrodetect.simulation.freeture import write_event

    return write_event(frames, job)


def write_ff(frames: Iterator[Array], job: Job) -> Path:
    """Write an RMS FF file of at most 256 frames; see `astrodetect.simulation.ff`."""
    from astrodetect.simulation.ff import write_ff_file

    if job.n_frames > FF_FRAMES:
        raise AstrodetectError(f"an FF file holds at most {FF_FRAMES} frames, not {job.n_frames}")
    return write_ff_file(frames, job)


def camera_track(scene: Recorded) -> list[CameraPosition]:
    """Give what a camera's frame-difference detector would have seen of the scene's fastest bright source.

    The difference of two frames holds the source at both places, so each position lies half a frame
    behind; a source is seen while its signal-to-noise is over 5.
    """
    rows = [row for row in scene.truth if row.speed > 1 / 3 and row.peak_snr > 5]
    if not rows:
        return []
    chosen = max(rows, key=lambda row: (row.label == "meteor", row.peak_snr))
    points = [point for point in scene.tracks[chosen.object] if point.snr > 5 and not math.isnan(point.x)]
    return [
        CameraPosition(now.frame, 0.5 * (now.x + before.x), 0.5 * (now.y + before.y))
        for before, now in itertools.pairwise(points)
    ]


#: Formats by name.
FORMATS: Mapping[str, Format] = {
    "freeture": Format(write_freeture, 12),
    "avi": Format(write_avi, 8),
    "fits": Format(write_sequence, 12),
    "ff": Format(write_ff, 8),
}
