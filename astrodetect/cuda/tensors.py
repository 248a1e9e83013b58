"""Patches of torch tensors on a CUDA device, with gradients. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from astrodetect.core.arrays import is_torch
from astrodetect.cuda.device import Device
from astrodetect.cuda.extraction import device_corners
from astrodetect.cuda.launches import SUMMED_AS, Conversion, Placed, extraction, gradient
from astrodetect.cuda.sources import patches_source
from astrodetect.methods.patches import fill_value


def extract_tensor(
    images: torch.Tensor,
    corners_yx: Any,
    size: tuple[int, int],
    fill: float = 0,
    *,
    conversion: Conversion | None = None,
    ordered: bool | None = None,
    device: Device | None = None,
) -> torch.Tensor:
    """Cut K patches out of each of B images where they are: one launch on torch's current stream.

    Parameters
    ----------
    images : (B, C, H, W) tensor
        On a CUDA device; any type of at most 8 bytes that NumPy has too, any strides.
    corners_yx : (B, K, 2) int tensor or array
        First pixel of each patch; may lie outside. int32 or int64 on the device is used in place.
    size : (int, int)
        Height h and width w of a patch.
    fill : float
        Value outside the images; the type of the patches must hold it.
    conversion : Conversion, optional
        Convert in the same pass; what is filled is not scaled.
    ordered : bool, optional
        Sum gradients always in the order of the patches, so that they are the same bits every time.
        By default as `torch.are_deterministic_algorithms_enabled` says.
    device : Device, optional
        By default the card that the images are on.

    Returns
    -------
    (B, K, C, h, w) tensor
        Contiguous. Its gradient flows into `images`; half precision is summed in single.

    Raises
    ------
    ValueError
        Shapes do not fit, corners are no integers, or a type does not serve.
    CudaError
        There is no usable card or compiler.
    torch.OutOfMemoryError
        The patches do not fit.
    """
    corners = _corner_tensor(images, corners_yx, size)
    if device is None:
        from astrodetect.cuda.pycuda_device import open_device

        device = open_device(images.device.index or 0)
    if ordered is None:
        ordered = torch.are_deterministic_algorithms_enabled()
    job = _Job(device, size, fill, conversion, ordered)
    if not (images.requires_grad and torch.is_grad_enabled()):
        return _cut(images, corners, job)  # spares some microseconds
    made: torch.Tensor = _Extraction.apply(images, corners, job)  # type: ignore[no-untyped-call]
    return made


def extract_in_parts(images: torch.Tensor, corners_yx: Any, cut: Callable[..., torch.Tensor]) -> torch.Tensor:
    """Cut patches part by part into a tensor on the CPU: where the device does not hold them all.

    Parameters
    ----------
    images : (B, C, H, W) tensor
        As for `extract_tensor`.
    corners_yx : (B, K, 2) tensor or array
        As for `extract_tensor`.
    cut : callable
        Takes images and corners of a part and gives its patches.

    Returns
    -------
    (B, K, C, h, w) tensor
        On the CPU, without a gradient.

    Raises
    ------
    torch.OutOfMemoryError
        Not even one patch of one image fits.
    """
    n_images, n_patches = corners_yx.shape[:2]
    try:
        with torch.no_grad():
            return cut(images, corners_yx).cpu()
    except torch.OutOfMemoryError:
        if n_images <= 1 and n_patches <= 1:
            raise
    # Outside the handler, whose traceback would hold the tensors of the failed try.
    axis = 0 if n_images > 1 else 1
    half = corners_yx.shape[axis] // 2
    if axis == 0:
        parts = [(images[:half], corners_yx[:half]), (images[half:], corners_yx[half:])]
    else:
        parts = [(images, corners_yx[:, :half]), (images, corners_yx[:, half:])]
    return torch.cat([extract_in_parts(some, corners, cut) for some, corners in parts], dim=axis)


@dataclass(frozen=True)
class _Job:
    device: Device
    size: tuple[int, int]
    fill: float
    conversion: Conversion | None
    ordered: bool


def _cut(images: torch.Tensor, corners: torch.Tensor, job: _Job) -> torch.Tensor:
    pixel = _numpy_type(images.dtype)
    dtype = pixel if job.conversion is None else job.conversion.dtype
    outside = _fill_bytes(job.fill, dtype)
    shape = (*corners.shape[:2], images.shape[1], *job.size)
    patches = torch.empty(shape, dtype=_torch_type(dtype), device=images.device)
    place = job.device.tensor_pointer
    launch = extraction(
        Placed(place(images), pixel, tuple(images.shape), images.stride()),
        Placed(place(corners), _numpy_type(corners.dtype), tuple(corners.shape)),
        Placed(place(patches), dtype, shape),
        outside,
        job.conversion,
    )
    if launch is not None:
        with job.device.active(), job.device.beside(images) as stream:
            job.device.launch(patches_source(), launch, stream)
    return patches


class _Extraction(torch.autograd.Function):
    """Cutting is linear: its gradient is the sum over the patches that hold a pixel."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, corners: torch.Tensor, job: _Job) -> torch.Tensor:
        ctx.save_for_backward(corners)
        ctx.job, ctx.images = job, (tuple(images.shape), images.dtype)
        return _cut(images, corners, job)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (corners,) = ctx.saved_tensors
        (shape, dtype), job = ctx.images, ctx.job
        patches = gradients[0].contiguous()
        kind = _numpy_type(patches.dtype)
        summed = np.dtype(SUMMED_AS.get(kind.name, kind.name))
        sums = torch.zeros(shape, dtype=_torch_type(summed), device=patches.device)
        place = job.device.tensor_pointer
        launch = gradient(
            Placed(place(patches), kind, tuple(patches.shape)),
            Placed(place(corners), _numpy_type(corners.dtype), tuple(corners.shape)),
            Placed(place(sums), summed, shape),
            scale=job.conversion.scale if job.conversion else 1,
            ordered=job.ordered,
        )
        if launch is not None:
            with job.device.active(), job.device.beside(patches) as stream:
                job.device.launch(patches_source(), launch, stream)
        return sums.to(dtype), None, None


def _corner_tensor(images: torch.Tensor, corners_yx: Any, size: tuple[int, int]) -> torch.Tensor:
    """Check what is given, and bring corners to the images."""
    if images.ndim != 4:
        raise ValueError(f"images must be (B, C, H, W), not {tuple(images.shape)}")
    shape = tuple(corners_yx.shape)
    if len(shape) != 3 or shape[0] != len(images) or shape[2] != 2:
        raise ValueError(f"corners must be (B, K, 2) with B = {len(images)}, not {shape}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"a patch needs a height and a width of at least 1, not {size}")
    if not is_torch(corners_yx):
        corners_yx = np.asarray(corners_yx)
        if corners_yx.dtype.kind in "iu":
            native = device_corners(corners_yx)
            corners_yx = torch.from_numpy(np.ascontiguousarray(native)).to(images.device)
    if corners_yx.dtype not in (torch.int32, torch.int64):
        if not is_torch(corners_yx) or corners_yx.dtype.is_floating_point or corners_yx.dtype == torch.bool:
            raise ValueError(
                f"corners must be integers, not {corners_yx.dtype}: they are first pixels, not centres"
            )
        corners_yx = corners_yx.to(torch.int64)
    made: torch.Tensor = corners_yx.to(images.device).contiguous()
    return made


@lru_cache(maxsize=64)
def _fill_bytes(fill: float, dtype: np.dtype[Any]) -> bytes:
    return fill_value(fill, dtype).tobytes()


@lru_cache(maxsize=64)
def _numpy_type(dtype: torch.dtype) -> np.dtype[Any]:
    name = str(dtype).removeprefix("torch.")
    try:
        return np.dtype(name)
    except TypeError as error:
        raise ValueError(f"cannot cut pixels of type {name} on a CUDA device") from error


def _torch_type(dtype: np.dtype[Any]) -> torch.dtype:
    made: torch.dtype = getattr(torch, dtype.name)
    return made
