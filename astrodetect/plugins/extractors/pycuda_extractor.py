"""Patches cut by a CUDA kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from numpy.typing import NDArray

from astrodetect.core.arrays import is_torch, to_numpy
from astrodetect.core.data import Array
from astrodetect.core.stages import PatchExtractor
from astrodetect.methods.patches import extract_patches
from astrodetect.plugins.extractors._reporting import report_once

if TYPE_CHECKING:
    from astrodetect.cuda.device import Device


@dataclass
class PyCudaPatches(PatchExtractor):
    """Copy patches of full resolution out of the planes, on a CUDA card through PyCUDA.

    Needs the extra ``cuda``, an NVIDIA driver, nvcc for the first use, and a card of compute
    capability 7.5 or newer; without them the run does not start. Planes that are on the card stay
    there, others go up and the patches come back.

    Notes
    -----
    Images (B, C, H, W) of any numeric type of at most 8 bytes and corners (B, K, 2) give patches
    (B, K, C, h, w) of the same type: a tensor on the card for tensors on the card, with gradients,
    else a NumPy array. Where the memory of the card does not suffice the work is done in smaller
    batches, and at last on the CPU; the result is the same and the recording says so.
    """

    #: Height and width of a patch, in pixels; a number means a square. Multiples of 16 bytes in
    #: width are the fastest: 56 pixels of 16 bits are, odd numbers are not.
    size: Annotated[int, Ge(1)] | tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)]] = 56
    #: Value of pixels outside the frame (ADU of the planes). NaN marks them as unknown in
    #: floating-point planes.
    fill: float = 0.0

    @classmethod
    def unavailable(cls) -> str:
        """Say whether there is no driver, no PyCUDA, no card that is new enough, or no compiler."""
        from astrodetect.cuda.compiler import check_compiler
        from astrodetect.cuda.device import CudaError
        from astrodetect.cuda.pycuda_device import open_device
        from astrodetect.cuda.sources import patches_source

        try:
            check_compiler(patches_source(), open_device().capability)
        except CudaError as error:
            return str(error)
        return ""

    def open(self, stream: Any, device: str = "cpu") -> None:
        """Find the card: the one that `device` names, else the first.

        Raises
        ------
        CudaError
            There is no driver, no PyCUDA, no such card, or it is too old.
        """
        from astrodetect.cuda.pycuda_device import open_device

        name, _, number = device.partition(":")
        self._device: Device = open_device(int(number) if name == "cuda" and number.isdigit() else 0)

    def extract(self, images: Array, corners_yx: NDArray[Any], size: tuple[int, int]) -> Array:
        """Cut patches.

        Raises
        ------
        ValueError
            Shapes do not fit, corners are no integers, or the type cannot hold `fill`.
        CudaError
            The card fails.
        """
        if is_torch(images) and str(images.device).startswith("cuda"):
            return cut_tensor(self, images, corners_yx, size, self.fill)  # type: ignore[no-any-return]
        return cut_array(self, self._device, to_numpy(images), to_numpy(corners_yx), size, self.fill)


def cut_array(
    stage: PatchExtractor,
    device: Device,
    images: Array,
    corners_yx: Array,
    size: tuple[int, int],
    fill: float,
) -> Array:
    """Cut patches of an array on a device: in parts where its memory is short, at last on the CPU.

    Parameters
    ----------
    stage : PatchExtractor
        Who is told what was done instead.
    device : Device
        Who cuts.
    images, corners_yx, size, fill
        As for `astrodetect.methods.patches.extract_patches`.

    Returns
    -------
    (B, K, C, h, w) array

    Raises
    ------
    ValueError
        Shapes do not fit, or a type does not serve.
    CudaError
        The card fails.
    """
    from astrodetect.cuda.device import DeviceMemoryError
    from astrodetect.cuda.extraction import extract_on

    try:
        return extract_on(device, images, corners_yx, size, fill)
    except DeviceMemoryError as error:
        report_once(stage, f"patches were cut on the CPU: {error}")
        return extract_patches(images, corners_yx, size, fill)


def cut_tensor(
    stage: PatchExtractor, images: Any, corners_yx: Any, size: tuple[int, int], fill: float
) -> Any:
    """Cut patches of a tensor on its card: in parts where the memory is short, at last on the CPU.

    Parameters
    ----------
    stage : PatchExtractor
        Who is told what was done instead.
    images, corners_yx, size, fill
        As for `astrodetect.cuda.tensors.extract_tensor`.

    Returns
    -------
    (B, K, C, h, w) tensor
        On the card; on the CPU where they did not fit.

    Raises
    ------
    ValueError
        Shapes do not fit, or a type does not serve.
    CudaError
        PyCUDA is missing, or the card is too old or fails.
    """
    import torch

    from astrodetect.cuda.pycuda_device import open_device
    from astrodetect.cuda.tensors import extract_in_parts, extract_tensor

    device = open_device(images.device.index or 0)

    def cut(some: Any, some_corners: Any) -> Any:
        return extract_tensor(some, some_corners, size, fill, device=device)

    try:
        return cut(images, corners_yx)
    except torch.OutOfMemoryError:
        pass  # outside the handler, whose traceback would hold the tensors of the failed try
    try:
        patches = extract_in_parts(images, corners_yx, cut)
        report_once(stage, f"the memory of {device.name} does not hold all patches: they were cut in parts")
        return patches
    except torch.OutOfMemoryError:
        report_once(stage, f"patches were cut on the CPU: {device.name} is out of memory")
    return torch.from_numpy(extract_patches(to_numpy(images), to_numpy(corners_yx), size, fill))
