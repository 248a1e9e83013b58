"""Rice decoding, compiled: tiles of integer images compressed by RICE_1.

FITS standard 4.0, section 10.4.1: a tile begins with its first pixel as it is, then come the
differences from pixel to pixel, interleaved so that small ones of either sign are small numbers, in
blocks of so many. Each block begins with the number of bits split off (plus one); a difference is its
upper part in unary (zeros ended by a one) and the split bits. Number 0 is a block without differences;
the largest number is a block of differences stored as they are.

Of use only with numba (extra ``fast``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from astrodetect.methods.compiled import compiled

#: Bits of the number of split bits, and its largest value, by bytes per pixel.
_SPLIT_BITS = {1: (3, 6), 2: (4, 14), 4: (5, 25)}
#: Leading zeros of a byte.
_ZEROS = np.array([8 - int(value).bit_length() for value in range(256)], dtype=np.int64)


def decode_tiles(
    heap: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    out: NDArray[Any],
    tile_pixels: int,
    block: int = 32,
) -> bool:
    """Decode the tiles of an image, one after the other.

    Parameters
    ----------
    heap : (n,) uint8 array
        Where the compressed bytes are.
    starts, lengths : (n_tiles,) int64 arrays
        First byte of each tile, and how many it has.
    out : (N,) array of uint8, int16 or int32
        Pixels, tile after tile; the last one may be shorter.
    tile_pixels : int
        Pixels of a tile.
    block : int
        Pixels of a block (BLOCKSIZE).

    Returns
    -------
    bool
        False if a tile ends early or lies outside: `out` is of no use then.
    """
    split_bits, largest = _SPLIT_BITS[out.itemsize]
    good: bool = _decode_all(
        heap, starts, lengths, out, tile_pixels, block, out.itemsize, split_bits, largest, _ZEROS
    )
    return good


@compiled
def _decode_all(
    heap: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    out: NDArray[Any],
    tile_pixels: int,
    block: int,
    width: int,
    split_bits: int,
    largest: int,
    zeros: NDArray[np.int64],
) -> bool:
    for tile in range(len(starts)):
        first, last = starts[tile], starts[tile] + lengths[tile]
        if first < 0 or last > len(heap) or lengths[tile] < width:
            return False
        pixels = out[tile * tile_pixels : min((tile + 1) * tile_pixels, len(out))]
        if not _decode_tile(heap[first:last], pixels, block, width, split_bits, largest, zeros):
            return False
    return True


@compiled
def _fill(data: NDArray[np.uint8], state: NDArray[np.int64]) -> None:
    """Take up bytes of the stream while they fit; the state is position, bits, number of bits."""
    position, bits, n_bits = state[0], state[1], state[2]
    while n_bits <= 48 and position < len(data):
        bits = (bits << 8) | int(data[position])
        position += 1
        n_bits += 8
    state[0], state[1], state[2] = position, bits, n_bits


@compiled
def _take(data: NDArray[np.uint8], state: NDArray[np.int64], count: int) -> int:
    """Take so many bits, at most 32; the number of bits left is negative if there were too few."""
    _fill(data, state)
    state[2] -= count
    return int((state[1] >> max(state[2], 0)) & ((1 << count) - 1))


@compiled
def _decode_block(
    data: NDArray[np.uint8],
    state: NDArray[np.int64],
    out: NDArray[Any],
    value: int,
    split: int,
    zeros: NDArray[np.int64],
) -> int:
    """Decode the differences of a block; gives the last value."""
    position, bits, n_bits = state[0], state[1], state[2]
    mask, inside = (1 << split) - 1, len(data) - 4
    for i in range(len(out)):
        number, lead = 0, 8
        while lead == 8:
            if n_bits <= 31 and position <= inside:
                word = (int(data[position]) << 24) | (int(data[position + 1]) << 16)
                bits = (bits << 32) | word | (int(data[position + 2]) << 8) | int(data[position + 3])
                position += 4
                n_bits += 32
            while n_bits <= 31 and position < len(data):
                bits = (bits << 8) | int(data[position])
                position += 1
                n_bits += 8
            if n_bits < split + 8:  # near the end: the byte that is looked at is filled up with ones
                lead = zeros[((bits >> (n_bits - 8)) if n_bits >= 8 else ((bits << 8) | 255) >> n_bits) & 255]
            else:
                lead = zeros[(bits >> (n_bits - 8)) & 255]
            number += lead
            n_bits -= lead
        n_bits -= 1 + split
        if n_bits < 0:
            break
        number = (number << split) | ((bits >> n_bits) & mask)
        value += (number >> 1) ^ -(number & 1)
        out[i] = value
    state[0], state[1], state[2] = position, bits, n_bits
    return value


@compiled
def _decode_tile(
    data: NDArray[np.uint8],
    out: NDArray[Any],
    block: int,
    width: int,
    split_bits: int,
    largest: int,
    zeros: NDArray[np.int64],
) -> bool:
    """Decode one tile: up to 63 bits of the stream are kept in an integer."""
    state = np.zeros(3, np.int64)
    value = _take(data, state, 8 * width)
    for first in range(0, len(out), block):
        part = out[first : first + block]
        split = _take(data, state, split_bits) - 1
        if split < 0:
            part[:] = value
        elif split == largest:
            for i in range(len(part)):
                number = _take(data, state, 8 * width)
                value += (number >> 1) ^ -(number & 1)
                part[i] = value
        else:
            value = _decode_block(data, state, part, value, split, zeros)
        if state[2] < 0:
            return False
    return True
