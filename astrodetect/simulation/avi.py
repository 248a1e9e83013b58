"""AVI files: FFV1 and raw grey without loss, MJPEG as many cameras write it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrodetect.core.errors import AstrodetectError
from astrodetect.simulation.writers import Array, Job

if TYPE_CHECKING:
    import av

#: Codecs, and the pixel formats in which they hold 8 and 16 bits; none: they do not.
CODECS = {"ffv1": ("gray", "gray16le"), "rawvideo": ("gray", None), "mjpeg": ("yuvj420p", None)}


def write_avi_file(frames: Iterator[Array], job: Job) -> Path:
    """Write an AVI file named by station and time.

    Raises
    ------
    AstrodetectError
        The codec is not known or does not hold these frames.
    """
    import av

    if job.codec not in CODECS:
        raise AstrodetectError(f"codec is {job.codec!r}; expected one of {', '.join(CODECS)}")
    first = next(frames)
    pixel_format = CODECS[job.codec][first.dtype == np.uint16]
    if pixel_format is None:
        raise AstrodetectError(f"codec {job.codec!r} holds 8 bits per pixel; 16-bit frames need 'ffv1'")
    if job.codec == "mjpeg" and (first.shape[0] % 2 or first.shape[1] % 2):
        raise AstrodetectError(f"codec 'mjpeg' needs an even height and width, not {first.shape}")
    path = job.out / f"{job.name}_{job.when(0):%Y%m%d_%H%M%S_%f}.avi"
    with av.open(str(path), "w", format="avi") as container:
        rate = Fraction(job.frame_rate).limit_denominator(1001)
        # Quantiser 2 is the best that MJPEG has.
        options = {"qmin": "2", "qmax": "2"} if job.codec == "mjpeg" else {}
        stream: Any = container.add_stream(job.codec, rate=rate, options=options)
        stream.height, stream.width = first.shape
        stream.pix_fmt = pixel_format
        for data in chain([first], frames):
            container.mux(stream.encode(_video_frame(data, pixel_format)))
        container.mux(stream.encode(None))
    return path


def _video_frame(data: Array, pixel_format: str) -> av.VideoFrame:
    import av

    if pixel_format == "yuvj420p":
        # Luminance as it is; a conversion would squeeze it into 16 to 235.
        colour = np.full((data.shape[0] // 2, data.shape[1]), 128, dtype=np.uint8)
        data = np.concatenate([data, colour])
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(data), format=pixel_format)
