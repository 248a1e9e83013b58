"""Large batches on a processor: part by part, as a large batch leaves its cache at every layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: Pixels of a plane that are worked on at a time: two or three score maps, or some fifty patches.
_PIXELS = 1 << 17


def in_parts(
    network: nn.Module, batch: Tensor, call: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Run a network on parts of a batch where nothing but speed depends on it.

    Parameters
    ----------
    network : Module
        On a processor, without gradients and out of training it gets parts; else the whole batch.
    batch : (B, C, H, W) tensor
        What it is given.
    call : callable
        Takes a part, and gives tensors of as many rows.

    Returns
    -------
    tuple of Tensor
        What `call` gave, of the whole batch.
    """
    size = max(1, _PIXELS // (batch.shape[-2] * batch.shape[-1]))
    if batch.device.type != "cpu" or network.training or torch.is_grad_enabled() or len(batch) <= size:
        return call(batch)
    results = [call(part) for part in torch.split(batch, size)]
    return tuple(torch.cat(parts) for parts in zip(*results, strict=True))


def by_pixels(batch: Tensor) -> Tensor:
    """Give a batch with the planes of a pixel side by side: convolutions on a processor are faster in it."""
    if batch.device.type != "cpu" or torch.is_grad_enabled():
        return batch
    return batch.contiguous(memory_format=torch.channels_last)
