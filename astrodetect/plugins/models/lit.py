"""Maps of views that are zero but for some squares, for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from astrodetect.plugins.models.geometry import Stack


@dataclass(frozen=True)
class Lit:
    """Squares of the cells of views outside which these are zero.

    Attributes
    ----------
    owners : (p,) int64 tensor
        Which image of the batch each lies in.
    corners_yx : (p, 2) int64 tensor
        First cell.
    size : int
        Cells of a side.
    """

    owners: Tensor
    corners_yx: Tensor
    size: int


def lit_map(padded: Tensor, lit: Lit, stack: Stack, head: Callable[[Tensor], Tensor]) -> Tensor:
    """Give the map that `head` gives for padded views, computed only where a lit square is seen.

    Layers without padding of their own give the same everywhere on black, so the rest is one number.
    Values and gradients are those of the whole map, as long as nothing is normalised over the batch.

    Parameters
    ----------
    padded : (B, C, H, W) tensor
        Views, padded for `stack`.
    lit : Lit
        In cells of the views before padding.
    stack : Stack
        The layers of `head`.
    head : callable
        From (n, C, h, w) to (n, h', w').

    Returns
    -------
    (B, rows, columns) tensor
    """
    step, field, before = stack.stride, stack.field, stack.before
    batch, planes = padded.shape[:2]
    rows, columns = ((length - field) // step + 1 for length in padded.shape[2:])
    seen = (lit.size + field - 2) // step + 1
    if seen > min(rows, columns) or len(lit.owners) == 0:
        return head(padded)
    last = torch.tensor([rows - seen, columns - seen], device=padded.device)
    first = -((field - 1 - before - lit.corners_yx) // step)
    first = first.clamp_min(0).minimum(last)
    side = torch.arange((seen - 1) * step + field, device=padded.device)
    ys, xs = first[:, 0, None] * step + side, first[:, 1, None] * step + side
    windows = padded[lit.owners[:, None, None], :, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2)
    dark = head(padded.new_zeros((1, planes, field, field)))
    values = head(windows)
    cells = torch.arange(seen, device=padded.device)
    row, column = first[:, 0, None] + cells, first[:, 1, None] + cells
    where = (lit.owners[:, None, None] * rows + row[:, :, None]) * columns + column[:, None, :]
    flat, n_cells = where.flatten(), batch * rows * columns
    sums = values.new_zeros(n_cells).index_add(0, flat, values.flatten())
    # Where windows overlap they agree: the mean is the value, and shares the gradient out.
    counts = torch.bincount(flat, minlength=n_cells)
    joined = torch.where(counts > 0, sums / counts.clamp_min(1), dark.flatten())
    return joined.view(batch, rows, columns)
