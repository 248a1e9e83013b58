"""Which value of a decoded video frame is the pixel, and how to look at it without a copy."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from astrodetect.core.data import Array

#: Packed YUV: first luma byte and bytes from one to the next.
_PACKED = {"yuyv422": (0, 2), "yvyu422": (0, 2), "uyvy422": (1, 2), "ya8": (0, 2)}
#: Two bytes per pixel, in which some programs keep 16-bit grey under the header of 15-bit colour.
_TWO_BYTES = ("rgb555", "bgr555", "rgb565", "bgr565")
#: Values lie in the upper bits of 16.
_HIGH_BITS = ("p010", "p012", "p210", "p212", "p410", "p412")
_COLOR_RANGE_MPEG, _COLOR_RANGE_JPEG = 1, 2


@dataclass(frozen=True)
class Layout:
    """Where the luminance of a pixel format lies.

    Attributes
    ----------
    name : str
        Name of the pixel format.
    kind : str
        ``"plane"``: the values are there as they are; ``"palette"``: indices into a palette;
        ``"colour"``: red, green and blue (or a Bayer mosaic), converted to Rec. 601 luminance.
    dtype : numpy.dtype
        Of the values as stored, with their byte order.
    first, step : int
        First value of a row and distance to the next, in values.
    bits, shift : int
        Significant bits, and by how many bits they are shifted up.
    """

    name: str
    kind: Literal["plane", "palette", "colour"]
    dtype: np.dtype[Any]
    first: int = 0
    step: int = 1
    bits: int = 8
    shift: int = 0

    @property
    def full_scale(self) -> float:
        """Largest possible value; NaN for floating point."""
        return float(((1 << self.bits) - 1) << self.shift) if self.dtype.kind == "u" else float("nan")

    @property
    def white(self) -> float:
        """Nominal white of limited-range video, 235 of 255; NaN for floating point."""
        return float((235 << (self.bits - 8)) << self.shift) if self.dtype.kind == "u" else float("nan")


def layout_of(pixel_format: VideoFormat, grey16: bool = False) -> Layout:
    """Say where the luminance of a pixel format lies.

    Parameters
    ----------
    pixel_format : av.VideoFormat
        Of a decoded frame.
    grey16 : bool
        Read two-byte colour (RGB555 and the like) as 16-bit grey.
    """
    name = pixel_format.name
    if grey16 and name.startswith(_TWO_BYTES):
        return Layout(name, "plane", np.dtype(">u2" if name.endswith("be") else "<u2"), bits=16)
    if pixel_format.has_palette:
        return Layout(name, "palette", np.dtype("u1"))
    if name in _PACKED:
        first, step = _PACKED[name]
        return Layout(name, "plane", np.dtype("u1"), first, step)
    luma = pixel_format.components[0]
    alone = sum(component.plane == luma.plane for component in pixel_format.components) == 1
    colour = pixel_format.is_rgb or pixel_format.is_bit_stream or not luma.is_luma or not alone
    if colour or luma.plane != 0:
        deep = max(component.bits for component in pixel_format.components) > 8
        return Layout(name, "colour", np.dtype("u2" if deep else "u1"), bits=16 if deep else 8)
    order = ">" if pixel_format.is_big_endian else "<"
    if luma.bits == 32:
        return Layout(name, "plane", np.dtype(f"{order}f4"), bits=32)
    dtype = np.dtype("u1" if luma.bits == 8 else f"{order}u2")
    shift = 16 - luma.bits if name.startswith(_HIGH_BITS) else 0
    return Layout(name, "plane", dtype, bits=luma.bits, shift=shift)


def luminance(frame: VideoFrame, layout: Layout) -> Array:
    """Look at the luminance of a decoded frame.

    Parameters
    ----------
    frame : av.VideoFrame
        Lives as long as the array that is returned.
    layout : Layout
        Of its pixel format.

    Returns
    -------
    (H, W) array of ``layout.dtype``
        A view into the decoder's memory wherever the values are stored as they are.
    """
    if layout.kind == "plane":
        values = _rows(frame, 0, layout.dtype)
        return values[:, layout.first : layout.first + layout.step * frame.width : layout.step]
    if layout.kind == "palette":
        indices = _rows(frame, 0, np.dtype("u1"))[:, : frame.width]
        table = _palette(frame)
        return indices if np.array_equal(table, np.arange(256)) else table[indices]
    grey = "gray16le" if layout.dtype.itemsize == 2 else "gray"
    if frame.format.is_bayer:
        frame = frame.reformat(format="rgb48le" if layout.dtype.itemsize == 2 else "rgb24")
    return _rows(frame.reformat(format=grey), 0, layout.dtype)[:, : frame.width]


def _rows(frame: VideoFrame, index: int, dtype: np.dtype[Any]) -> Array:
    plane = frame.planes[index]
    stride, height = plane.line_size, frame.height
    if stride >= 0:
        flat: Array = np.frombuffer(plane, np.uint8, stride * height)  # type: ignore[call-overload]
        return flat.reshape(height, stride).view(dtype)
    # Stored bottom-up: the plane's address is that of its top line, the last one in memory.
    start = plane.buffer_ptr + stride * (height - 1)
    memory = (ctypes.c_uint8 * (-stride * height)).from_address(start)
    memory.frame = frame  # type: ignore[attr-defined]  # keeps the memory alive
    flat = np.frombuffer(memory, np.uint8)  # type: ignore[call-overload]
    return flat.reshape(height, -stride).view(dtype)[::-1]


def _palette(frame: VideoFrame) -> Array:
    """Give the Rec. 601 luminance of 256 palette entries (blue, green, red, alpha)."""
    table: Array = np.frombuffer(frame.planes[1], np.uint8, 1024)  # type: ignore[call-overload]
    entries = table.reshape(256, 4).astype(np.uint32)
    grey = 19595 * entries[:, 2] + 38470 * entries[:, 1] + 7471 * entries[:, 0] + 32768 >> 16
    palette: Array = grey.astype(np.uint8)
    return palette


def saturation_of(layout: Layout, color_range: int, codec: str, first: Array) -> float:
    """Say from which value a pixel is saturated.

    Full range saturates at the largest value. Limited-range video saturates at the nominal white
    (235 of 255), unless the first frame goes up to the largest value: then the range was not kept.

    Parameters
    ----------
    layout : Layout
        Of the frames.
    color_range : int
        As libav states it: 0 unspecified, 1 limited, 2 full.
    codec : str
        Name of the codec.
    first : (H, W) array
        First frame.
    """
    grey = (
        layout.name.startswith(("gray", "ya")) or layout.kind != "plane" or layout.name.startswith(_TWO_BYTES)
    )
    full = color_range == _COLOR_RANGE_JPEG or layout.name.startswith("yuvj")
    unspecified_full = color_range != _COLOR_RANGE_MPEG and (grey or codec in ("mjpeg", "mjpegb", "jpegls"))
    if full or unspecified_full or layout.dtype.kind == "f":
        return layout.full_scale
    return layout.full_scale if first.max() >= layout.full_scale - 1 else layout.white
