"""Where a model gets its pixels: a low-resolution view of all, and patches of full resolution."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from astrodetect.core.errors import AstrodetectError
from astrodetect.core.geometry import clip_box
from astrodetect.plugins.models.lit import Lit
from astrodetect.plugins.models.views import View


@runtime_checkable
class Scene(Protocol):
    """A batch of images that need not be in memory as a whole.

    A data set that knows where its objects are can make views and patches from these alone.
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Size (B, C, H, W)."""

    @property
    def device(self) -> torch.device:
        """Where the tensors below are."""

    def view(self, view: View) -> Tensor:
        """Give what ``view(images)`` would give: (B, C * kinds, h, w) float32."""

    def cut(self, corners_yx: Tensor, size: tuple[int, int], fill: float | None) -> Tensor:
        """Give patches (B, K, C, h, w) float32 with their first pixels at (B, K, 2) int64.

        Parameters
        ----------
        corners_yx, size
            First pixels, may lie outside; height and width.
        fill : float or None
            Value of pixels outside; None repeats the pixels of the edge.
        """


class TensorScene:
    """Images that are in memory.

    Parameters
    ----------
    images : (B, C, H, W) tensor
        Any type.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Size (B, C, H, W)."""
        batch, planes, height, width = self.images.shape
        return batch, planes, height, width

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.images.device

    def view(self, view: View) -> Tensor:
        """Give the view of the images."""
        low: Tensor = view(self.images)
        return low.float()

    def lit(self, view: View) -> Lit | None:
        """Give squares of the view outside which it is zero; None, as here, if that is not known."""

    def cut(self, corners_yx: Tensor, size: tuple[int, int], fill: float | None) -> Tensor:
        """Cut patches."""
        return cut_patches(self.images, corners_yx, size, fill)


def as_scene(images: Tensor | Scene, channels: int) -> Scene:
    """Give a scene of images, checked.

    Raises
    ------
    AstrodetectError
        Wrong number of dimensions or planes, or pixels that are not numbers.
    """
    if isinstance(images, Tensor) and images.ndim != 4:
        raise AstrodetectError(f"images are (B, C, H, W), not of shape {tuple(images.shape)}")
    if images.shape[1] != channels:
        raise AstrodetectError(
            f"the model takes images of {channels} planes (channels), not of {images.shape[1]}"
        )
    if not isinstance(images, Tensor):
        return images
    if images.is_floating_point() and not bool(torch.isfinite(images.sum())):
        # A sum may also overflow, and is forty times as fast as to look at every pixel.
        spoilt = ~torch.isfinite(images).flatten(1).all(dim=1)
        for number in torch.nonzero(spoilt)[:, 0].tolist():
            raise AstrodetectError(f"image {number} of the batch holds pixels that are NaN or infinite")
    return TensorScene(images)


def cut_patches(images: Tensor, corners_yx: Tensor, size: tuple[int, int], fill: float | None) -> Tensor:
    """Cut patches (B, K, C, h, w) float32 out of images (B, C, H, W); see `Scene.cut`."""
    if corners_yx.shape[1] == 1 and bool((corners_yx == corners_yx[:1]).all()):
        rectangle = _cut_rectangle(images, corners_yx[0, 0].tolist(), size, fill)
        if rectangle is not None:
            return rectangle[:, None]
    height, width = images.shape[-2:]
    rows = corners_yx[..., 0, None] + torch.arange(size[0], device=corners_yx.device)
    columns = corners_yx[..., 1, None] + torch.arange(size[1], device=corners_yx.device)
    batch = torch.arange(len(images), device=images.device)[:, None, None, None]
    inside_y, inside_x = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    # Advanced indices around the slice of planes put these last: (B, K, h, w, C).
    cut = images[batch, :, inside_y[..., :, None], inside_x[..., None, :]].movedim(-1, 2).float()
    if fill is None:
        return cut
    outside = (rows != inside_y)[..., :, None] | (columns != inside_x)[..., None, :]
    return torch.where(outside[:, :, None], fill, cut) if bool(outside.any()) else cut


def _cut_rectangle(
    images: Tensor, corner: list[int], size: tuple[int, int], fill: float | None
) -> Tensor | None:
    """Cut the same rectangle (B, C, h, w) float32 out of all images: no gathering of single pixels.

    None if it lies outside.
    """
    (rows, inner_rows), (columns, inner_columns) = (
        clip_box(first, extent, length)
        for first, extent, length in zip(corner, size, images.shape[-2:], strict=True)
    )
    part = images[..., rows, columns].float()
    if not part.numel():
        return None
    around = (
        inner_columns.start, size[1] - inner_columns.stop, inner_rows.start, size[0] - inner_rows.stop
    )  # fmt: skip
    if not any(around):
        return part
    if fill is None:
        return functional.pad(part, around, mode="replicate")
    return functional.pad(part, around, value=fill)
