"""Decoding a video file: in one codec context, or packets over several where each is a frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from astrodetect.core.cores import available_cores
from astrodetect.core.data import Array
from astrodetect.plugins.sources._video_pixels import luminance
from astrodetect.plugins.sources._video_probe import VideoInfo, grey16_rows, open_video

#: Codecs of which each packet is a whole frame and which libav does not decode in threads of its own.
_SPLIT = frozenset({"mjpeg", "mjpegb", "jpegls"})
#: More threads than this gain little, and each holds frames in memory.
_MOST_THREADS = 4

_Item = tuple[VideoFrame, float | None]


@dataclass
class Tally:
    """What became of the packets: counts that grow while a file is decoded.

    Attributes
    ----------
    damaged : int
        Packets or frames that were skipped.
    last : float or None
        Time stamp of the last frame (s).
    cut : bool
        The last packet is not whole.
    fault : str
        Why reading ended before the end of the file.
    """

    damaged: int = 0
    last: float | None = None
    cut: bool = False
    fault: str = ""


def thread_count(threads: int) -> int:
    """Give the number of decoding threads; 0 means as many as there are cores, at most four."""
    if threads:
        return threads
    return max(1, min(_MOST_THREADS, available_cores()))


def decode(path: Path, info: VideoInfo, threads: int, tally: Tally) -> Iterator[tuple[Array, float | None]]:
    """Decode a file as far as it goes.

    Parameters
    ----------
    path : Path
        File.
    info : VideoInfo
        From `probe`.
    threads : int
        Decoding threads.
    tally : Tally
        Filled while frames are given.

    Yields
    ------
    (H, W) array, float or None
        A view into the decoder's memory, and the time stamp (s).
    """
    with open_video(path) as (container, stream):
        if info.codec == "grey16":
            yield from _raw(container, stream, info, tally)
            return
        many = info.codec in _SPLIT and threads > 1
        items = (
            _split(container, stream, threads, tally) if many else _single(container, stream, threads, tally)
        )
        for frame, stamp in items:
            tally.last = stamp if stamp is not None else tally.last
            if frame.format.name != info.layout.name:
                frame = frame.reformat(format=info.layout.name)  # noqa: PLW2901
            yield luminance(frame, info.layout), stamp


def _packets(container: InputContainer, stream: VideoStream, tally: Tally) -> Iterator[Packet[VideoStream]]:
    """Give the packets that may be decoded; the last one is empty and flushes the decoder."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            tally.fault = str(getattr(error, "strerror", None) or error)
            return
        if packet is None:
            return
        if packet.size == 0 and packet.dts is not None:
            continue  # a frame that the recorder dropped; decoding it would flush the decoder
        if packet.size:
            tally.cut = packet.is_corrupt
        if packet.is_corrupt:
            tally.damaged += 1
            continue
        yield packet


def _seconds(frame: VideoFrame, stream: VideoStream) -> float | None:
    stamp = frame.pts if frame.pts is not None else frame.dts
    base = frame.time_base or stream.time_base
    return None if stamp is None or base is None else float(stamp * base)


def _single(container: InputContainer, stream: VideoStream, threads: int, tally: Tally) -> Iterator[_Item]:
    context = stream.codec_context
    # One more than work at a time, as libav chooses by itself: one of them hands its frame over.
    context.thread_count = threads + 1 if threads > 1 else 1
    context.thread_type = "AUTO" if threads > 1 else "NONE"
    for packet in _packets(container, stream, tally):
        try:
            frames = context.decode(packet)
        except EOFError:
            return
        except (av.FFmpegError, ValueError):
            tally.damaged += 1
            continue
        for frame in frames:
            if frame.is_corrupt:
                tally.damaged += 1
                continue
            yield frame, _seconds(frame, stream)


def _split(container: InputContainer, stream: VideoStream, threads: int, tally: Tally) -> Iterator[_Item]:
    """Decode packets in several contexts; at most twice as many packets as threads are under way."""
    contexts: SimpleQueue[VideoCodecContext] = SimpleQueue()
    for _ in range(threads):
        contexts.put(_copy_context(stream.codec_context))

    def work(packet: Packet[VideoStream]) -> list[VideoFrame]:
        context = contexts.get()
        try:
            return context.decode(packet)
        finally:
            contexts.put(context)

    def finish(future: Future[list[VideoFrame]]) -> Iterator[_Item]:
        try:
            frames = future.result()
        except (av.FFmpegError, ValueError, EOFError):
            tally.damaged += 1
            return
        for frame in frames:
            if frame.is_corrupt:
                tally.damaged += 1
            else:
                yield frame, _seconds(frame, stream)

    under_way: deque[Future[list[VideoFrame]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="astrodetect-decoder")
    try:
        for packet in _packets(container, stream, tally):
            if packet.size:
                under_way.append(pool.submit(work, packet))
            if len(under_way) >= 2 * threads:
                yield from finish(under_way.popleft())
        while under_way:
            yield from finish(under_way.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _copy_context(context: VideoCodecContext) -> VideoCodecContext:
    copy = CodecContext.create(context.codec.name, "r")
    assert isinstance(copy, VideoCodecContext)
    copy.width, copy.height = context.width, context.height
    copy.codec_tag = context.codec_tag
    if context.extradata:
        copy.extradata = context.extradata
    copy.thread_count = 1
    return copy


def _raw(
    container: InputContainer, stream: VideoStream, info: VideoInfo, tally: Tally
) -> Iterator[tuple[Array, float | None]]:
    for packet in _packets(container, stream, tally):
        if not packet.size:
            continue
        rows = grey16_rows(packet, info.shape)
        if rows is None:
            tally.damaged += 1
            continue
        tally.last = float(packet.pts * (stream.time_base or 0)) if packet.pts is not None else None
        yield rows, tally.last
