"""Where cells of a map are in the image, through any number of layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Positions along one axis of a map: cell i is centred at ``origin + stride * i`` pixels.

    Every layer of a scorer says how it changes the grid, so a score map knows where its cells are
    whatever the layers, padding and pooling.
    """

    stride: float = 1.0
    origin: float = 0.0

    def layer(self, kernel: int, stride: int = 1, before: int = 0) -> Grid:
        """Give the grid after a convolution or pooling.

        Parameters
        ----------
        kernel, stride : int
            Of the layer.
        before : int
            Cells padded in front.

        Examples
        --------
        >>> Grid().layer(8, 8)
        Grid(stride=8.0, origin=3.5)
        """
        return Grid(self.stride * stride, self.origin + self.stride * ((kernel - 1) / 2 - before))

    def after(self, other: Grid) -> Grid:
        """Give the grid of `self`, which counts in cells of `other`, in the unit of `other`."""
        return Grid(self.stride * other.stride, other.origin + self.origin * other.stride)


@dataclass(frozen=True)
class Stack:
    """Layers (kernel, stride) without padding of their own, over an input that is padded once.

    Padding once, in front of the first layer, makes every cell see the same function of its
    surroundings; cells lie in the middle of the blocks that they stand for.
    """

    layers: tuple[tuple[int, int], ...]

    @property
    def stride(self) -> int:
        """Input cells per output cell."""
        total = 1
        for _, stride in self.layers:
            total *= stride
        return total

    @property
    def field(self) -> int:
        """Receptive field in input cells."""
        size, step = 1, 1
        for kernel, stride in self.layers:
            size += (kernel - 1) * step
            step *= stride
        return size

    @property
    def before(self) -> int:
        """Cells to pad in front, so that the first output cell stands for the first block."""
        return (self.field - self.stride) // 2

    def padding(self, length: int) -> tuple[int, int]:
        """Give the cells to pad in front and behind, so that the output covers all of the input."""
        cells = self.cells(length)
        return self.before, (cells - 1) * self.stride + self.field - length - self.before

    def cells(self, length: int) -> int:
        """Number of output cells."""
        return -(-length // self.stride)

    @property
    def grid(self) -> Grid:
        """Positions of the output cells, in input cells."""
        return Grid(float(self.stride), (self.field - 1) / 2 - self.before)


def matched(kernel: int, stride: int) -> int:
    """Give the kernel, or the next larger one, whose middle falls on the middle of a block.

    An odd kernel with an even stride would put cells half an input cell beside their blocks.

    Examples
    --------
    >>> matched(3, 1), matched(3, 2)
    (3, 4)
    """
    kernel = max(kernel, stride)
    return kernel + (kernel - stride) % 2
