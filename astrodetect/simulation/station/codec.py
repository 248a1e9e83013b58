"""What a camera's compression does to its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: How frames are compressed in the camera.
Codec = Literal["none", "mjpeg", "h264"]
CODECS: tuple[Codec, ...] = ("none", "mjpeg", "h264")


def through_codec(frames: Iterable[Array], codec: Codec, quality: int, frame_rate: float) -> Iterator[Array]:
    """Compress frames and take them apart again, as a reader of the camera's stream sees them.

    Parameters
    ----------
    frames : iterable of (H, W) uint8 array
        Height and width even.
    codec : {"none", "mjpeg", "h264"}
        ``none`` gives the frames as they are.
    quality : int
        Of ``mjpeg`` the quantiser (2 the best, 31 the worst), of ``h264`` the constant rate factor (18 good,
        35 poor).
    frame_rate : float
        Frames per second.

    Yields
    ------
    (H, W) uint8 array
        As many as there were.
    """
    if codec == "none":
        yield from frames
        return
    encoder: Any = None
    decoder: Any = None
    for frame in frames:
        if encoder is None:
            encoder, decoder = _pair(codec, quality, frame_rate, frame.shape)
        yield from _decoded(encoder.encode(_packed(frame)), decoder)
    if encoder is not None:
        yield from _decoded(encoder.encode(None), decoder)
        yield from (_luminance(item) for item in decoder.decode(None))


def _pair(codec: Codec, quality: int, frame_rate: float, shape: tuple[int, ...]) -> tuple[Any, Any]:
    import av

    encoder: Any = av.CodecContext.create("mjpeg" if codec == "mjpeg" else "libx264", "w")
    encoder.height, encoder.width = shape
    encoder.time_base = 1 / Fraction(frame_rate).limit_denominator(1001)
    encoder.pix_fmt = "yuvj420p"
    encoder.thread_count = 1
    if codec == "mjpeg":
        encoder.options = {"qmin": str(quality), "qmax": str(quality), "flags": "+qscale"}
    else:
        # Cameras' encoders are simple: they do not take bits from where something is to be seen.
        encoder.options = {"crf": str(quality), "preset": "superfast", "tune": "zerolatency", "aq-mode": "0"}
        encoder.gop_size = max(1, round(2 * frame_rate))
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    return encoder, decoder


def _packed(frame: Array) -> Any:
    import av

    # Luminance over its full range; a conversion would squeeze it into 16 to 235.
    colour = np.full((frame.shape[0] // 2, frame.shape[1]), 128, dtype=np.uint8)
    return av.VideoFrame.from_ndarray(np.concatenate([frame, colour]), format="yuvj420p")


def _decoded(packets: Iterable[Any], decoder: Any) -> Iterator[Array]:
    for packet in packets:
        for frame in decoder.decode(packet):
            yield _luminance(frame)


def _luminance(frame: Any) -> Array:
    plane = frame.planes[0]
    rows: Array = np.frombuffer(plane, dtype=np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : frame.width].copy()
