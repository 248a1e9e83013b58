"""Full-resolution maps of images that are black nearly everywhere, for training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from astrodetect.plugins.models.geometry import Stack
from astrodetect.plugins.models.scenes import Scene
from astrodetect.plugins.models.views import View

#: Side of a tile in cells of the map.
_TILE = 8


def sparse_map(
    scene: Scene, stack: Stack, head: Callable[[Tensor], Tensor], black: float, white: float
) -> Tensor:
    """Give the map that `head` gives for whole padded images, computed only where there is light.

    Tiles of the map none of whose pixels differ from `black` share one result: layers without padding of
    their own give the same everywhere on black. Normalisation over the batch sees only what is
    computed, so the map is the same for fixed averages and nearly so in training.

    Parameters
    ----------
    scene : Scene
        B images.
    stack : Stack
        The layers of `head`.
    head : callable
        From scaled, padded pixels (n, C, H, W) to (n, outputs, h, w).
    black, white : float
        Pixel values that become 0 and 1.

    Returns
    -------
    (B, outputs, h, w) tensor
    """
    _, _, height, width = scene.shape
    rows, columns = stack.cells(height), stack.cells(width)
    step = _TILE * stack.stride
    size = (_TILE - 1) * stack.stride + stack.field
    lit = lit_tiles(scene, step, max(stack.before, size - step - stack.before), black)
    chosen, tiles = _first_lit(lit)
    corners = torch.stack([chosen // lit.shape[2], chosen % lit.shape[2]], dim=-1) * step - stack.before
    # What is not lit is cut far outside: black, and one of these serves all.
    corners = torch.where(tiles[..., None], corners, -2 * size)
    pixels = scene.cut(corners, (size, size), black)
    pixels = torch.cat([pixels[tiles], torch.full_like(pixels[:1, 0], black)])
    logits = head((pixels - black) / (white - black))
    number = torch.full_like(lit, len(logits) - 1, dtype=torch.int64)
    owners = torch.arange(len(lit), device=lit.device)[:, None].expand_as(chosen)[tiles]
    number.flatten(1)[owners, chosen[tiles]] = torch.arange(len(owners), device=lit.device)
    whole = logits[number].permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    return whole[:, :, :rows, :columns]


def lit_tiles(scene: Scene, step: int, halo: int, black: float) -> Tensor:
    """Say which tiles (B, rows, columns) of `step` pixels have light in them or within `halo` pixels."""
    extremes = scene.view(View(1 / step, ("max", "mean")))
    light = (extremes != black).any(dim=1, keepdim=True).float()
    reach = -(-halo // step)
    return functional.max_pool2d(light, 2 * reach + 1, 1, reach)[:, 0] > 0


def _first_lit(lit: Tensor) -> tuple[Tensor, Tensor]:
    """Give indices (B, n) of tiles, lit ones first, and which of these are lit; n covers all lit ones."""
    flat = lit.flatten(1)
    most = max(1, int(flat.sum(dim=1).max()))
    order = flat.float().argsort(dim=1, descending=True, stable=True)[:, :most]
    return order, flat.gather(1, order)
