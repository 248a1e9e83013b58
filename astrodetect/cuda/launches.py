"""Which kernel, with which grid and which arguments: plain Python, the same for every device."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

#: Threads of a block that cuts patches, and chunks that one of them has in flight (``patches.cu``).
_THREADS, _IN_FLIGHT = 256, 4
#: Threads of a block that reduces a window (``reduction.cu``).
_REDUCING_THREADS = 128
#: Largest second and third extent of a grid.
_MOST_BLOCKS = 65535
#: Elements that a thread stores at once, by bytes of an element: widest first.
_COPY_CHUNKS = {1: (16, 8, 1), 2: (8, 4, 1), 4: (4, 1), 8: (2, 1)}
_CONVERSION_CHUNKS = {"float32": (4, 1), "float16": (8, 4, 1)}
#: Types that can be converted in the same pass.
CONVERTED_FROM = ("uint8", "uint16", "int16", "float32", "float16")
CONVERTED_TO = tuple(_CONVERSION_CHUNKS)
#: Type in which gradients of a type are summed.
SUMMED_AS = {"float16": "float32", "float32": "float32", "float64": "float64"}


@dataclass(frozen=True)
class Placed:
    """An array in the memory of a device.

    Attributes
    ----------
    pointer : object
        Where its first element is, as the device names it.
    dtype : numpy.dtype
        Type of an element.
    shape : tuple of int
        Extents.
    strides : tuple of int
        Elements between neighbours along each axis; empty for C order.
    """

    pointer: Any
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...] = ()

    def steps(self) -> tuple[int, ...]:
        """Give the strides, in elements."""
        if self.strides:
            return self.strides
        return tuple(prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel.

    Attributes
    ----------
    kernel : str
        Its name in the source.
    grid, block : (int, int, int)
        Blocks, and threads of a block, along x, y and z.
    types : str
        A character of `struct` per argument: P pointer, q and Q 64 bits, i 32 bits, f and d.
    arguments : tuple
        Values; pointers as the device names them, or None.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    types: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Conversion:
    """Convert while cutting: ``pixel * scale + offset`` in float32, then to `dtype`.

    Attributes
    ----------
    dtype : numpy.dtype
        float32 or float16.
    scale, offset : float
        Factor and summand.
    """

    dtype: np.dtype[Any]
    scale: float = 1.0
    offset: float = 0.0


def extraction(
    images: Placed, corners: Placed, patches: Placed, fill: bytes, conversion: Conversion | None = None
) -> Launch | None:
    """Cut patches.

    Parameters
    ----------
    images : Placed (B, C, H, W)
        Any strides.
    corners : Placed (B, K, 2)
        int32 or int64, C order.
    patches : Placed (B, K, C, h, w)
        Where they go, C order, on a multiple of 16 bytes.
    fill : bytes
        An element of the patches: what stands outside the images.
    conversion : Conversion, optional
        Without it elements are copied, whatever they mean.

    Returns
    -------
    Launch or None
        None if there is nothing to cut.

    Raises
    ------
    ValueError
        A type that no kernel knows, or extents that no kernel can count.
    """
    n_images, n_patches, n_planes, height, width = patches.shape
    _check_extents((*images.shape, *patches.shape), n_planes * height * width)
    if not prod(patches.shape):
        return None
    kernel, chunk = _extraction_kernel(images.dtype, patches.dtype, width, conversion)
    grid, block = _patch_grid(n_images * n_patches, n_planes * height * (width // chunk))
    scale, offset = (conversion.scale, conversion.offset) if conversion else (1.0, 0.0)
    arguments = (
        images.pointer, *images.steps(), *images.shape[1:],
        *_corner_arguments(corners, n_images * n_patches, n_patches),
        patches.pointer, height, width, int.from_bytes(fill, "little"), scale, offset,
    )  # fmt: skip
    return Launch(kernel, grid, block, "PqqqqiiiPiqiPiiQff", arguments)


def gradient(
    gradients: Placed, corners: Placed, sums: Placed, *, scale: float = 1, ordered: bool
) -> Launch | None:
    """Sum the gradients of patches into the gradient of the images.

    Parameters
    ----------
    gradients : Placed (B, K, C, h, w)
        float16, float32 or float64, C order.
    corners : Placed (B, K, 2)
        As for `extraction`.
    sums : Placed (B, C, H, W)
        float64 for float64, else float32; C order. Not ordered: zeros before.
    scale : float
        Factor of all.
    ordered : bool
        Always sum in the order of the patches, so that the same input gives the same bits.

    Returns
    -------
    Launch or None
        None if there is nothing to sum into.

    Raises
    ------
    ValueError
        A type that no kernel knows, or extents that no kernel can count.
    """
    n_images, n_patches, n_planes, height, width = gradients.shape
    _check_extents((*sums.shape, *gradients.shape), n_planes * height * width)
    if SUMMED_AS.get(gradients.dtype.name) != sums.dtype.name:
        raise ValueError(f"cannot sum gradients of type {gradients.dtype} as {sums.dtype}")
    if not prod(sums.shape) or (not ordered and not prod(gradients.shape)):
        return None
    image_height, image_width = sums.shape[2:]
    if ordered:
        grid = (-(-image_width // 32), min(-(-image_height // 8), _MOST_BLOCKS), min(n_images, _MOST_BLOCKS))
        block = (32, 8, 1)
    else:
        grid, block = _patch_grid(n_images * n_patches, n_planes * height * width)
    arguments = (
        *_corner_arguments(corners, n_images * n_patches, n_patches), gradients.pointer, sums.pointer,
        n_images, n_planes, image_height, image_width, height, width, float(scale),
    )  # fmt: skip
    kernel = f"{'gather' if ordered else 'scatter'}_{gradients.dtype.name}"
    return Launch(kernel, grid, block, "PiqiPPiiiiiid", arguments)


@dataclass(frozen=True)
class PlanePointers:
    """Where the planes of a window go; None for those that nobody needs."""

    maximum: Any = None
    argmax: Any = None
    median: Any = None
    image: Any = None
    mean: Any = None
    std: Any = None


def reduction(frames: Placed, n_frames: int, first: int, planes: PlanePointers, *, network: bool) -> Launch:
    """Reduce a window of frames that lie in a ring of slots.

    Parameters
    ----------
    frames : Placed (n_slots, N)
        Slots of N pixels each, C order: uint8, uint16 or int16.
    n_frames : int
        Frames T of the window, at most as many as slots.
    first : int
        Slot of the first; the others follow, and slot 0 follows the last one.
    planes : PlanePointers
        Targets of N elements. The maximum is of the type of the frames; the first frame that has it
        is uint8 up to 256 frames, else uint16; the median is of the type of the frames for an odd
        number of them, else float32; the rest is float32.
    network : bool
        Use the kernel made for T frames, not the one for any number.

    Returns
    -------
    Launch

    Raises
    ------
    ValueError
        A number of frames that the exact sums cannot hold.
    """
    n_slots, n_pixels = frames.shape
    if not 1 <= n_frames <= min(n_slots, 65535) or not 0 <= first < n_slots:
        raise ValueError(f"cannot reduce {n_frames} frames from slot {first} of {n_slots} on a CUDA device")
    kernel = f"network_{frames.dtype.name}_{n_frames}" if network else f"count_{frames.dtype.name}"
    blocks = max(1, min(-(-n_pixels // _REDUCING_THREADS), 2**31 - 1))
    arguments = (
        frames.pointer, n_pixels, n_frames, first, n_slots, n_pixels, planes.maximum, planes.argmax,
        int(n_frames > 256), planes.median, planes.image, planes.mean, planes.std,
    )  # fmt: skip
    return Launch(kernel, (blocks, 1, 1), (_REDUCING_THREADS, 1, 1), "PqiiiqPPiPPPP", arguments)


def aligned_chunk(width: int, sizes: tuple[int, ...]) -> int:
    """Give the largest of `sizes` that divides a width; the last is 1."""
    return next(size for size in sizes if width % size == 0)


def _extraction_kernel(
    pixel: np.dtype[Any], element: DTypeLike, width: int, conversion: Conversion | None
) -> tuple[str, int]:
    if conversion is None:
        if pixel != element or pixel.itemsize not in _COPY_CHUNKS or pixel.hasobject:
            raise ValueError(f"cannot cut pixels of type {pixel} on a CUDA device")
        chunk = aligned_chunk(width, _COPY_CHUNKS[pixel.itemsize])
        return f"copy{pixel.itemsize}_{chunk}", chunk
    if pixel.name not in CONVERTED_FROM or conversion.dtype.name not in CONVERTED_TO:
        known = f"{', '.join(CONVERTED_FROM)} become {' or '.join(CONVERTED_TO)}"
        raise ValueError(f"cannot convert {pixel} to {conversion.dtype} while cutting; {known}")
    chunk = aligned_chunk(width, _CONVERSION_CHUNKS[conversion.dtype.name])
    return f"{pixel.name}_{conversion.dtype.name}_{chunk}", chunk


def _patch_grid(n_patches: int, n_chunks: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Share out chunks: neighbouring threads make neighbouring chunks, a block may serve small patches."""
    along = max(_power_of_two(-(-n_chunks // _IN_FLIGHT)), min(32, _power_of_two(n_chunks)))
    along = min(along, _THREADS)
    across = _THREADS // along
    splits = min(-(-n_chunks // (along * _IN_FLIGHT)), _MOST_BLOCKS)
    return (-(-n_patches // across), splits, 1), (along, across, 1)


def _power_of_two(value: int) -> int:
    """Give the smallest power of two that is not below `value`."""
    return 1 << (value - 1).bit_length()


def _corner_arguments(corners: Placed, n_patches: int, per_image: int) -> tuple[Any, ...]:
    if corners.dtype.name not in ("int32", "int64"):
        raise ValueError(f"corners must be int32 or int64 on a CUDA device, not {corners.dtype}")
    return corners.pointer, int(corners.dtype.itemsize == 8), n_patches, per_image


def _check_extents(extents: tuple[int, ...], elements: int) -> None:
    if max(extents) >= 2**31 or elements >= 2**31:
        raise ValueError(f"a patch of {elements} values or an extent of {max(extents)} is too large for CUDA")
