"""Patches of NumPy arrays, cut on a device."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.cuda.device import Device, DeviceMemoryError
from astrodetect.cuda.launches import Conversion, Placed, extraction
from astrodetect.cuda.sources import patches_source
from astrodetect.methods.patches import check_arguments, fill_value

Array = NDArray[Any]


def extract_on(
    device: Device,
    images: Array,
    corners_yx: Array,
    size: tuple[int, int],
    fill: float = 0,
    conversion: Conversion | None = None,
) -> Array:
    """Cut K patches out of each of B images: one upload, one launch, one download.

    Where the memory of the device does not suffice, the images and then the patches are halved
    until it does.

    Parameters
    ----------
    device : Device
        Who cuts.
    images : (B, C, H, W) array
        Any numeric type of at most 8 bytes, any layout.
    corners_yx : (B, K, 2) int array
        First pixel of each patch; may lie outside.
    size : (int, int)
        Height h and width w of a patch.
    fill : float
        Value outside the images; the type of the patches must hold it.
    conversion : Conversion, optional
        Convert in the same pass; what is filled is not scaled.

    Returns
    -------
    (B, K, C, h, w) array
        The bits of `astrodetect.methods.patches.extract_patches`, or converted.

    Raises
    ------
    ValueError
        Shapes do not fit, corners are no integers, or a type does not serve.
    DeviceMemoryError
        The device holds not even one image with one patch.
    """
    check_arguments(images, corners_yx, size)
    if conversion is not None:
        images = images.astype(images.dtype.newbyteorder("="), copy=False)
    dtype = images.dtype if conversion is None else conversion.dtype
    outside = fill_value(fill, dtype).tobytes()
    patches = np.empty((*corners_yx.shape[:2], images.shape[1], *size), dtype)
    with device.active():
        _extract_parts(device, images, device_corners(corners_yx), patches, outside, conversion)
    return patches


def device_corners(corners_yx: Array) -> Array:
    """Give corners as int32 or int64; what is beyond int64 is as far outside as its end."""
    if corners_yx.dtype.isnative and corners_yx.dtype in (np.int32, np.int64):
        return corners_yx
    if corners_yx.dtype.kind == "u":
        corners_yx = np.minimum(corners_yx.astype(np.uint64), np.uint64(np.iinfo(np.int64).max))
    return corners_yx.astype(np.int64)


def _extract_parts(
    device: Device,
    images: Array,
    corners: Array,
    patches: Array,
    outside: bytes,
    conversion: Conversion | None,
) -> None:
    """Cut all at once, or each half."""
    n_images, n_patches = corners.shape[:2]
    try:
        _extract_at_once(device, images, corners, patches, outside, conversion)
        return
    except DeviceMemoryError:
        if n_images <= 1 and n_patches <= 1:
            raise
    if n_images > 1:
        half = n_images // 2
        parts = [(slice(None, half), slice(None)), (slice(half, None), slice(None))]
    else:
        half = n_patches // 2
        parts = [(slice(None), slice(None, half)), (slice(None), slice(half, None))]
    for some, cut in parts:
        _extract_parts(device, images[some], corners[some, cut], patches[some, cut], outside, conversion)


def _extract_at_once(
    device: Device,
    images: Array,
    corners: Array,
    patches: Array,
    outside: bytes,
    conversion: Conversion | None,
) -> None:
    with ExitStack() as held:
        pixel_memory, pixels = device.place(images)
        held.enter_context(pixel_memory)
        corner_memory, corners = device.place(corners)
        held.enter_context(corner_memory)
        target = held.enter_context(device.allocate(patches.nbytes))
        launch = extraction(
            Placed(pixel_memory.at(0), pixels.dtype, pixels.shape),
            Placed(corner_memory.at(0), corners.dtype, corners.shape),
            Placed(target.at(0), patches.dtype, patches.shape),
            outside,
            conversion,
        )
        if launch is None:
            return
        device.launch(patches_source(), launch)
        if patches.flags.c_contiguous:
            device.download(patches, target.at(0))
        else:
            made = np.empty(patches.shape, patches.dtype)
            device.download(made, target.at(0))
            patches[...] = made
