"""Temporal reduction: T frames become maximum, exact median and what else of one frame's size.

The median is taken by a selection network (`astrodetect.methods.median_network`) whose operations
work on tiles that fit the cache, so it runs at the speed of ``numpy.minimum`` whatever the data are.
All planes are made tile by tile in one pass over the frames. Memory beyond the planes is one row of
scratch per frame and thread, kept between calls.

Where numba is installed (extra ``fast``), windows of up to 65 frames are reduced by compiled code
(`astrodetect.methods.fast_reduction`), which gives the same values bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from astrodetect.core.cores import available_cores
from astrodetect.methods.fast_tier import Tier, compiled
from astrodetect.methods.median_network import Network, selection_network
from astrodetect.methods.statistics import first_maximum, mean_and_std, observed_statistics

Array = NDArray[Any]

#: Planes that `reduce_window` can make.
PLANES = ("max", "argmax", "background", "median", "image", "mean", "std")
#: Bytes of a row of scratch: large enough that the call costs little, small enough for the cache.
_TILE_BYTES = 131072
#: Above this number of frames selecting per pixel is faster than a network.
_LARGEST_NETWORK = 512
#: What the compiled tier takes: numbers of frames and types of pixels.
_MOST_COMPILED = 65
_COMPILED = ("uint8", "uint16", "int16", "float32")
#: Scratch kept between calls: fresh memory is paid by page faults.
_kept: list[NDArray[np.uint8]] = []
_MOST_KEPT = 4


def reduce_window(
    frames: Array | Sequence[Array],
    *,
    planes: Collection[str] = ("max", "background", "image"),
    threads: int = 1,
    tier: Tier = "auto",
) -> dict[str, Array]:
    """Reduce T frames to planes in one pass.

    Parameters
    ----------
    frames : (T, H, W) array or sequence of T (H, W) arrays
        Frames of one type (integer or floating point) in order of time; views into a ring will do.
        They are not written to. Half precision counts as float32.
    planes : collection of str
        Any of

        ``max``
            Maximum over time, in the type of the frames.
        ``argmax``
            Index from 0 of the first frame that has the maximum; uint8 up to 256 frames, else uint16.
        ``background``, ``median``
            The exact median, one array under both names, equal to ``numpy.median(frames, axis=0)``.
            An odd number of frames keeps their type. With an even number it is the mean of the two
            middle values: float32 for floats and integers of up to 16 bits, which holds the half
            exactly, else float64.
        ``image``
            ``max - background``, float32.
        ``mean``, ``std``
            Mean and (population) standard deviation, float32.
    threads : int
        Threads to share the tiles among; the result does not depend on it. 0: as many as this process may
        use for compiled code, else one: NumPy's calls on tiles are so short that threads wait for each
        other.
    tier : {"auto", "numpy", "numba"}
        Who computes; the result does not depend on it. By itself numba takes over where it is
        installed, once its code is loaded (see `astrodetect.methods.fast_tier`).

    Returns
    -------
    dict of str to (H, W) array
        The planes asked for.

    Raises
    ------
    ValueError
        Frames of no, differing or unusable shape or type, an unknown plane, or numba is asked for and
        not installed.

    Notes
    -----
    A value that is NaN or infinite counts as not observed: the statistics of that pixel are those of
    its finite values, and NaN (``argmax`` 0) if there are none.

    Examples
    --------
    >>> stack = np.array([[[1, 9]], [[7, 2]], [[3, 9]]], dtype=np.uint8)
    >>> made = reduce_window(stack, planes=["max", "argmax", "background"])
    >>> {name: plane.tolist() for name, plane in made.items()}
    {'max': [[7, 9]], 'argmax': [[1, 0]], 'background': [[3, 9]]}
    """
    unknown = set(planes) - set(PLANES)
    if unknown:
        raise ValueError(f"unknown plane {sorted(unknown)[0]!r}; expected of {', '.join(PLANES)}")
    rows = _rows(frames)
    job = _Reduction.prepare(rows, frozenset(planes))
    if not _reduce_compiled(job, frames, threads, tier):
        share(job.reduce, job.tiles(), threads)
    shape = np.shape(frames[0])
    made = {name: plane.reshape(shape) for name, plane in job.out.items()}
    if "median" in planes:
        made["median"] = made["background"]
    return {name: made[name] for name in PLANES if name in planes}


def temporal_median(stack: Array | Sequence[Array], *, threads: int = 1) -> Array:
    """Take the exact median over the first axis.

    Parameters
    ----------
    stack : (T, H, W) array or sequence of T (H, W) arrays
        Integer or floating point.
    threads : int
        Threads to use.

    Returns
    -------
    (H, W) array
        As the plane ``median`` of `reduce_window`: the values of ``numpy.median(stack, axis=0)``.

    Examples
    --------
    >>> temporal_median(np.array([[[4]], [[1]]], dtype=np.uint16))
    array([[2.5]], dtype=float32)
    """
    return reduce_window(stack, planes=["median"], threads=threads)["median"]


def median_dtype(dtype: DTypeLike, n_frames: int) -> np.dtype[Any]:
    """Give the type of the median of `n_frames` values of a type.

    Examples
    --------
    >>> median_dtype("uint16", 65), median_dtype("uint16", 64), median_dtype("int32", 64)
    (dtype('uint16'), dtype('float32'), dtype('float64'))
    """
    given = np.dtype(dtype)
    if n_frames % 2:
        return given
    small = given.itemsize <= (4 if given.kind == "f" else 2)
    return np.dtype(np.float32 if small else np.float64)


def _rows(frames: Array | Sequence[Array]) -> list[Array]:
    """Give each frame as a row of pixels, or as it is where that would need a copy."""
    if len(frames) == 0:
        raise ValueError("no frames to reduce; expected at least one")
    rows = [np.asarray(frame) for frame in frames]
    first = rows[0]
    if first.ndim != 2 or any(row.shape != first.shape for row in rows):
        raise ValueError(f"expected frames (H, W) of one shape, not {sorted({row.shape for row in rows})}")
    if first.dtype.kind not in "uif" or any(row.dtype != first.dtype for row in rows):
        types = sorted({str(row.dtype) for row in rows})
        raise ValueError(f"expected frames of one integer or floating-point type, not {', '.join(types)}")
    if not first.dtype.isnative:
        rows = [row.astype(first.dtype.newbyteorder("=")) for row in rows]
    elif first.dtype == np.float16:
        rows = [row.astype(np.float32) for row in rows]
    if all(row.flags.c_contiguous for row in rows):
        return [row.reshape(-1) for row in rows]
    return rows


def share(work: Callable[[slice], object], parts: Iterable[slice], threads: int) -> None:
    """Let threads, this one among them, do the parts of a work that holds no lock of the interpreter."""
    coming = iter(list(parts))

    def take() -> None:
        for part in coming:
            work(part)

    if threads < 2:
        take()
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(take) for _ in range(threads - 1)]
        take()
        for other in others:
            other.result()


def _reduce_compiled(job: _Reduction, frames: Array | Sequence[Array], threads: int, tier: Tier) -> bool:
    """Reduce by the compiled tier, and tell whether it was possible."""
    if not (isinstance(frames, np.ndarray) and frames.flags.c_contiguous and frames.dtype.isnative):
        return False
    if not 2 <= len(frames) <= _MOST_COMPILED or frames.dtype.name not in _COMPILED or frames.size == 0:
        return False
    fast = compiled(frames, tier)
    if fast is None:
        return False
    threads = threads or available_cores()
    stack = frames.reshape(len(frames), -1)
    n_pixels = stack.shape[1]
    bad = np.empty(n_pixels, np.bool_) if frames.dtype.kind == "f" else None
    # Whole pages of the planes for each thread; two each, as one may have less of its core.
    step = -(-n_pixels // (2 * threads if threads > 1 else 1) // 4096) * 4096
    parts = [slice(start, min(start + step, n_pixels)) for start in range(0, n_pixels, step)]
    share(lambda part: fast.reduce_frames(stack, job.out, part.start, part.stop, bad), parts, threads)
    if bad is not None:
        _repair(job.rows, bad, job.out)
    return True


@contextmanager
def _scratch(n_rows: int) -> Iterator[list[NDArray[np.uint8]]]:
    """Lend rows of bytes, each a tile long."""
    try:
        memory = _kept.pop()
    except IndexError:
        memory = np.empty(0, np.uint8)
    if memory.size < n_rows * _TILE_BYTES:
        memory = np.empty(n_rows * _TILE_BYTES, np.uint8)
    try:
        yield list(memory[: n_rows * _TILE_BYTES].reshape(n_rows, _TILE_BYTES))
    finally:
        if len(_kept) < _MOST_KEPT:
            _kept.append(memory)


@dataclass(frozen=True)
class _Reduction:
    """What a call has to do: the same for every tile."""

    rows: list[Array]
    out: dict[str, Array]
    network: Network | None
    ranks: tuple[str, ...]

    @classmethod
    def prepare(cls, rows: list[Array], planes: frozenset[str]) -> _Reduction:
        """Allocate the planes and make the network."""
        n_frames, first = len(rows), rows[0]
        median = bool(planes & {"background", "median", "image"})
        types: dict[str, DTypeLike] = {}
        if planes & {"max", "argmax", "image"}:
            types["max"] = first.dtype
        if "argmax" in planes:
            types["argmax"] = np.min_scalar_type(max(n_frames - 1, 1))
        if median:
            types["background"] = median_dtype(first.dtype, n_frames)
        types |= dict.fromkeys(planes & {"image", "mean", "std"}, np.dtype(np.float32))
        out = {name: np.empty(first.shape, dtype) for name, dtype in types.items()}
        middle = () if not median else ("low",) if n_frames % 2 else ("low", "high")
        # Minimum and maximum tell whether a value is not finite: NaN goes through both.
        extremes = ("max", "min") if first.dtype.kind == "f" else ("max",) if "max" in types else ()
        ranks = middle + extremes
        network = selection_network(n_frames, ranks) if ranks and n_frames <= _LARGEST_NETWORK else None
        return cls(rows, out, network, ranks)

    def tiles(self) -> Iterator[slice]:
        """Give the parts of the first axis to work on: pixels, or lines where frames are no rows."""
        first = self.rows[0]
        line = first.itemsize * (first.shape[1] if first.ndim == 2 else 1)
        step = max(1, _TILE_BYTES // max(line, 1))
        for start in range(0, len(first), step):
            yield slice(start, start + step)

    def reduce(self, tile: slice) -> None:
        """Make one tile of every plane."""
        rows = [row[tile] for row in self.rows]
        out = {name: plane[tile] for name, plane in self.out.items()}
        n_buffers = self.network.n_buffers if self.network else 0
        # NaN and infinities are dealt with at the end.
        with _scratch(n_buffers + 2) as scratch, np.errstate(invalid="ignore", over="ignore"):
            ranked = self._ranked(rows, scratch[2:])
            if "max" in out:
                np.copyto(out["max"], ranked["max"])
            if "background" in out:
                _middle(ranked, out["background"])
            if "image" in out:
                _difference(out["max"], out["background"], out["image"], scratch[0])
            if "argmax" in out:
                first_maximum(rows, out["max"], out["argmax"], scratch)
            if out.keys() & {"mean", "std"}:
                mean_and_std(rows, out.get("background", rows[0]), out.get("mean"), out.get("std"))
            if "min" in ranked:
                _repair(rows, ~(np.isfinite(ranked["max"]) & np.isfinite(ranked["min"])), out)

    def _ranked(self, rows: list[Array], scratch: list[NDArray[np.uint8]]) -> dict[str, Array]:
        """Give the values of the wanted ranks, in scratch."""
        shape, dtype = rows[0].shape, rows[0].dtype
        if self.network is None:
            return _partitioned(rows, self.ranks)
        n_bytes = rows[0].size * dtype.itemsize
        if n_bytes > _TILE_BYTES:  # a single line longer than a tile
            scratch = [np.empty(n_bytes, np.uint8) for _ in range(self.network.n_buffers)]
        slots = rows + [row[:n_bytes].view(dtype).reshape(shape) for row in scratch[: self.network.n_buffers]]
        functions = np.minimum, np.maximum
        for kind, a, b, result in self.network.steps:
            functions[kind](slots[a], slots[b], out=slots[result])
        return {name: slots[slot] for name, slot in self.network.outputs.items()}


def _partitioned(rows: list[Array], ranks: tuple[str, ...]) -> dict[str, Array]:
    n = len(rows)
    place = {"low": (n - 1) // 2, "high": n // 2, "max": n - 1, "min": 0}
    if not ranks:
        return {}
    stack = np.partition(np.stack(rows), sorted({place[name] for name in ranks}), axis=0)
    made = {name: stack[place[name]] for name in ranks}
    if "min" in made:  # NaN is partitioned to the end: make it known to both extremes
        made["min"] = np.minimum(made["min"], made["max"])
    return made


def _middle(ranked: dict[str, Array], out: Array) -> None:
    """Write the median: the middle value, or the mean of the two as `numpy.median` takes it."""
    np.copyto(out, ranked["low"])
    if "high" in ranked:
        np.add(out, ranked["high"], out=out, casting="same_kind")
        np.divide(out, 2, out=out)


def _difference(largest: Array, middle: Array, out: Array, scratch: NDArray[np.uint8]) -> None:
    """Write ``largest - middle`` as float32; signed integers wrap to the right unsigned difference."""
    if largest.dtype != middle.dtype:
        np.subtract(largest, middle, out=out, casting="same_kind", dtype=middle.dtype)
    elif largest.dtype.kind == "f":
        np.subtract(largest, middle, out=out, casting="same_kind")
    else:
        if len(scratch) < largest.nbytes:
            scratch = np.empty(largest.nbytes, np.uint8)
        unsigned = scratch[: largest.nbytes].view(f"u{largest.itemsize}").reshape(largest.shape)
        np.subtract(largest, middle, out=unsigned.view(largest.dtype))
        np.copyto(out, unsigned, casting="same_kind")


def _repair(rows: list[Array], bad: NDArray[np.bool_], out: dict[str, Array]) -> None:
    """Do again the pixels that were not finite in some frame."""
    if bad.any():
        for name, values in observed_statistics(np.stack([row[bad] for row in rows])).items():
            if name in out:
                out[name][bad] = values
