"""Networks on a processor: large batches part by part, layers joined, planes side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

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


def one_plane(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """Apply a convolution of stride 1 and without padding that gives one plane (B, 1, h, w).

    On a processor such a one takes as long as one that gives sixteen. Without gradients each place of the
    kernel gets a plane of its own, by a product, and these are shifted and added.
    """
    height, width = (
        size - (kernel - 1) for size, kernel in zip(maps.shape[-2:], layer.kernel_size, strict=True)
    )
    if maps.device.type != "cpu" or torch.is_grad_enabled() or min(height, width) < 1:
        made: Tensor = layer(maps)
        return made
    kernel = layer.weight[0].flatten(1).T[:, :, None, None]
    planes = functional.conv2d(maps, kernel)
    out = planes.new_zeros(len(maps), height, width)
    for number in range(len(kernel)):
        row, column = divmod(number, layer.kernel_size[1])
        out += planes[:, number, row : row + height, column : column + width]
    return (out if layer.bias is None else out.add_(layer.bias))[:, None]


def for_inference(network: nn.Module) -> None:
    """Change a network in evaluation mode so that it gives the same faster, and can be trained no more.

    Normalisation joins the convolution before it, and activations are put where their input was.
    """
    for module in network.modules():
        if isinstance(module, nn.LeakyReLU):
            module.inplace = True
        if not isinstance(module, nn.Sequential):
            continue
        for number, (layer, following) in enumerate(pairwise(module)):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                module[number], module[number + 1] = fuse_conv_bn_eval(layer, following), nn.Identity()
