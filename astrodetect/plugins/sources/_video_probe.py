"""What a video file says of itself, checked against its first packets and its first frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from astrodetect.core import limits
from astrodetect.core.data import Array
from astrodetect.core.errors import SourceError
from astrodetect.plugins.sources._video_pixels import Layout, layout_of, luminance, saturation_of

#: Only these demuxers, so that no text file (playlist, concat script) makes libav open other files.
_DEMUXERS = "avi,mov,mp4,matroska,webm,flv,asf,mpeg,mpegts,mpegvideo,ivf,nut"
#: Frame rates that a camera may have.
_SLOWEST, _FASTEST = 1.0, 1000.0
#: Packets and bytes that are looked at before the first frame is read.
_PEEK_PACKETS, _PEEK_BYTES, _GIVE_UP = 32, 1 << 23, 300
#: 16-bit grey that AVI files carry under codes unknown to libav.
_GREY16_CODES = (b"Y16 ", b"Y1\0\x10", b"Y160")

# A library's complaints about damaged files belong into the catalog, not on the terminal.
av.logging.set_level(None)


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are decoded.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    layout : Layout
        Where the luminance lies.
    codec : str
        Name of the codec; ``"grey16"`` for raw frames that libav does not know.
    n_frames : int
        As the container states it; -1 if it does not.
    end : float
        Where the container says that the video ends (s, on the clock of the time stamps); NaN.
    frame_rate : float
        Frames per second; NaN if nothing plausible is known.
    saturation : float
        See `saturation_of`.
    created : str
        The container's creation time, or an empty string.
    header : dict
        For `Stream.header`.
    warnings : tuple of str
        What is wrong, one line each.
    """

    shape: tuple[int, int]
    layout: Layout
    codec: str
    n_frames: int
    end: float
    frame_rate: float
    saturation: float
    created: str
    header: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in the machine's byte order."""
        return self.layout.dtype.newbyteorder("=")


#: PyAV before 19 stops at a tag that is no UTF-8; since then it gives it with surrogates.
_TOLERANT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def _sound(tag: str) -> str:
    """Give a tag of a file as text that can be written anywhere."""
    return tag.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and give it with its first video stream.

    Raises
    ------
    SourceError
        It is no video.
    """
    try:
        container = av.open(
            f"file:{path}",  # nothing in a name means another protocol
            container_options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
            options={"max_pixels": str(limits.current().pixels)},  # of the decoders
            **_TOLERANT,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{path}: {_why_unreadable(path, error)}; expected a video file") from None
    with container:
        if not container.streams.video:
            raise SourceError(f"{path}: holds no video stream; expected a video file")
        yield container, container.streams.video[0]


def _why_unreadable(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as fault:
        return fault.strerror or "cannot be read"
    if not head:
        return "is empty"
    if not set(head) & set(range(9)):
        return "is a text file"
    reason = getattr(error, "strerror", None) or str(error)
    hint = "; its index is missing: truncated?" if head[4:8] == b"ftyp" else ""
    return f"cannot be opened ({reason[0].lower()}{reason[1:]}{hint})"


def probe(path: Path, frame_rate: float | None, grey16: bool) -> VideoInfo:
    """Find out what a video file holds.

    Parameters
    ----------
    path : Path
        File.
    frame_rate : float or None
        What the user knows better than the file.
    grey16 : bool
        Read two-byte raw colour as 16-bit grey.

    Raises
    ------
    SourceError
        It is no video, its frames are implausibly large, or none can be decoded.
    """
    with open_video(path) as (container, stream):
        warnings: list[str] = []
        if len(container.streams.video) > 1:
            warnings.append(f"{len(container.streams.video)} video streams, the first is read")
        if stream.codec_context is None:
            return _probe_grey16(path, container, stream, frame_rate)
        context = stream.codec_context
        check_size(path, context.height, context.width)
        stamps, frame = _peek(path, container, stream)
        layout = layout_of(frame.format, grey16 and context.name == "rawvideo")
        first = luminance(frame, layout)
        rate = _frame_rate(stream, stamps, frame_rate, warnings)
        warnings += _oddities(frame, layout)
        return VideoInfo(
            shape=(frame.height, frame.width),
            layout=layout,
            codec=context.name,
            n_frames=_stated_frames(stream, len(stamps), warnings),
            end=_stated_end(container, stream),
            frame_rate=rate,
            saturation=saturation_of(layout, int(frame.color_range), context.name, first),
            created=str(
                container.metadata.get("creation_time") or stream.metadata.get("creation_time") or ""
            ),
            header=_header(container, stream, frame),
            warnings=tuple(warnings),
        )


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse frames of implausible size.

    Raises
    ------
    SourceError
        No pixels, or more than ``[limits] pixels``.
    """
    if not height * width:  # the decoder has refused it
        most = limits.current().pixels
        raise SourceError(f"{path}: frames of no known size, or of more than {most} pixels ([limits] pixels)")
    limits.current().check_frame(path, height, width)


def _peek(path: Path, container: InputContainer, stream: VideoStream) -> tuple[list[float], VideoFrame]:
    """Give the time stamps of the first packets (s), sorted, and the first frame."""
    stamps: list[float] = []
    frame: VideoFrame | None = None
    size = 0
    try:
        for number, packet in enumerate(container.demux(stream)):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                stamps.append(float(stamp * (stream.time_base or 0)))
            size += packet.size
            if frame is None:
                frame = _first_frame(packet)
            enough = len(stamps) >= _PEEK_PACKETS or (size > _PEEK_BYTES and len(stamps) >= 3)
            if (enough and frame is not None) or number > _GIVE_UP:
                break
    except (av.FFmpegError, OSError):
        pass  # decoding tells how far it goes
    if frame is None:
        name = stream.codec_context.name
        raise SourceError(f"{path}: no frame can be decoded ({name}, {stream.frames} frames stated)")
    check_size(path, frame.height, frame.width)
    return sorted(stamps), frame


def _first_frame(packet: Packet[VideoStream]) -> VideoFrame | None:
    if packet.is_corrupt or (packet.size == 0 and packet.dts is not None):
        return None
    try:
        frames = packet.decode()
    except (av.FFmpegError, EOFError):
        return None
    return next((frame for frame in frames if isinstance(frame, VideoFrame) and not frame.is_corrupt), None)


def _frame_rate(stream: VideoStream, stamps: list[float], given: float | None, warnings: list[str]) -> float:
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    seen = float(1 / np.median(steps)) if len(steps) else float("nan")
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    stated = next((float(rate) for rate in rates if rate), float("nan"))
    if given is not None:
        return given
    if not _SLOWEST < stated < _FASTEST:
        text = "no frame rate" if np.isnan(stated) else f"an implausible frame rate of {stated:g} frames/s"
        use = seen if _SLOWEST < seen < _FASTEST else stated if 0 < stated <= _SLOWEST else float("nan")
        then = "its times are unknown" if np.isnan(use) else f"{use:g} is used"
        warnings.append(f"the container states {text}, {then}; set frame_rate if you know it")
        return use
    if _SLOWEST < seen < _FASTEST and not 0.75 < seen / stated < 1.33:
        warnings.append(
            f"the container states {stated:g} frames/s, its time stamps say {seen:g}, which is used; "
            "set frame_rate if you know it"
        )
        return seen
    return stated


def _oddities(frame: VideoFrame, layout: Layout) -> list[str]:
    found = []
    if frame.interlaced_frame:
        found.append("interlaced: the two fields of a frame were taken at different times")
    rotation = int(getattr(frame, "rotation", 0) or 0)
    if rotation:
        found.append(f"the file asks for a rotation by {rotation} degrees, which is not applied")
    if layout.kind == "plane" and layout.name.startswith(("rgb555", "bgr555", "rgb565", "bgr565")):
        found.append(
            'two-byte raw video without a format is read as 16-bit grey; set raw16 = "colour" if it is not'
        )
    return found


def _stated_frames(stream: VideoStream, seen: int, warnings: list[str]) -> int:
    """Give the number of frames, unless more packets than that were `seen` already."""
    tag = str(stream.metadata.get("NUMBER_OF_FRAMES", ""))
    stated = stream.frames if stream.frames > 0 else int(tag) if tag.isdigit() else 0
    if 0 < stated < seen:
        warnings.append(f"the container states {stated} frames, but holds more")
        return -1
    return stated if stated > 0 else -1


def _stated_end(container: InputContainer, stream: VideoStream) -> float:
    base = stream.time_base
    begin = float((stream.start_time or 0) * (base or 0))
    rate = stream.average_rate
    if container.format.name == "avi" and stream.frames and rate:
        return begin + stream.frames / float(rate)  # the duration is that of what is there
    if stream.duration and base:
        return begin + float(stream.duration * base)
    tag = str(stream.metadata.get("DURATION", ""))
    if tag.count(":") == 2:
        try:
            hours, minutes, seconds = (float(part) for part in tag.split(":"))
        except ValueError:
            return float("nan")
        return hours * 3600 + minutes * 60 + seconds
    if container.duration and len(container.streams) == 1:
        return container.duration / 1e6  # FLV counts it from zero, not from the first frame
    return float("nan")


def _header(container: InputContainer, stream: VideoStream, frame: VideoFrame) -> dict[str, Any]:
    return {
        "container": container.format.name,
        "codec": stream.codec_context.name,
        "pixel_format": frame.format.name,
        "color_range": {1: "limited", 2: "full"}.get(int(frame.color_range), "unspecified"),
        **{f"metadata_{key}": _sound(str(value)) for key, value in container.metadata.items()},
    }


def _probe_grey16(
    path: Path, container: InputContainer, stream: VideoStream, frame_rate: float | None
) -> VideoInfo:
    """Read the header of an AVI file with raw 16-bit grey (``Y16``), a code that libav has no decoder for."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    place = head.find(b"strf") + 8
    if place < 8 or head[place + 16 : place + 20] not in _GREY16_CODES or head[place + 14] != 16:
        raise SourceError(f"{path}: its codec is unknown; expected one that FFmpeg decodes")
    width, height = struct.unpack_from("<ii", head, place + 4)
    check_size(path, abs(height), width)
    warnings: list[str] = []
    stamps = [number * float(stream.time_base or 0) for number in range(8)]
    rate = _frame_rate(stream, stamps, frame_rate, warnings)
    return VideoInfo(
        shape=(abs(height), width),
        layout=Layout("gray16le", "plane", np.dtype("<u2"), bits=16),
        codec="grey16",
        n_frames=_stated_frames(stream, 0, warnings),
        end=_stated_end(container, stream),
        frame_rate=rate,
        saturation=65535.0,
        created=str(container.metadata.get("creation_time", "")),
        header={"container": container.format.name, "codec": "Y16", "pixel_format": "gray16le"},
        warnings=tuple(warnings),
    )


def grey16_rows(packet: Packet[VideoStream], shape: tuple[int, int]) -> Array | None:
    """Look at a packet of raw 16-bit grey as (H, W) little-endian values; None if it is too short."""
    height, width = shape
    data = np.frombuffer(packet, np.uint8)  # type: ignore[call-overload]
    stride = next((size for size in (-(-2 * width // 4) * 4, 2 * width) if size * height <= len(data)), 0)
    if not stride:
        return None
    rows: Array = data[: stride * height].reshape(height, stride).view("<u2")[:, :width]
    return rows


def creation_time(text: str) -> float:
    """Give a container's creation time in Unix seconds; NaN where missing, or a default of 1904 or 1970."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        time = (
            moment.timestamp()
            if moment.tzinfo
            else datetime.fromisoformat(f"{text.strip()}+00:00").timestamp()
        )
    except (ValueError, OverflowError):
        return float("nan")
    return time if time > 631152000 else float("nan")  # 1990
