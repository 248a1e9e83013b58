"""Windows of frames reduced on a device: frames go up once, only planes come back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from astrodetect.cuda.device import Device, DeviceMemoryError, Memory
from astrodetect.cuda.launches import Placed, PlanePointers, reduction
from astrodetect.cuda.sources import LARGEST_NETWORK, PIXEL_TYPES, reduction_source
from astrodetect.methods.reduction import PLANES, median_dtype

Array = NDArray[Any]
#: Argument of the kernel by the name of a plane.
_POINTERS = {
    "max": "maximum",
    "argmax": "argmax",
    "background": "median",
    "image": "image",
    "mean": "mean",
    "std": "std",
}


@dataclass(frozen=True)
class ReducedWindow:
    """A window that was reduced.

    Attributes
    ----------
    start : int
        Index of its first frame.
    n_frames : int
        Number of its frames.
    planes : dict of str to (H, W) array
        Valid until the next window is asked for.
    """

    start: int
    n_frames: int
    planes: dict[str, Array]


def reduce_on(
    device: Device, frames: Array | Sequence[Array], planes: Collection[str] = ("max", "background", "image")
) -> dict[str, Array]:
    """Reduce T frames to planes on a device.

    Where its memory does not suffice, bands of rows are halved until it does.

    Parameters
    ----------
    device : Device
        Who reduces.
    frames : (T, H, W) array or sequence of T (H, W) arrays
        uint8, uint16 or int16, in order of time.
    planes : collection of str
        As for `astrodetect.methods.reduction.reduce_window`.

    Returns
    -------
    dict of str to (H, W) array
        Bit for bit those of `reduce_window`, but for ``mean`` and ``std``: here the sums are exact
        and the results the float32 values nearest to the double-precision ones, there they are
        rounded on the way (some 1e-6 of the deviation).

    Raises
    ------
    ValueError
        Frames of no, differing or unusable shape or type, or an unknown plane.
    DeviceMemoryError
        The device holds not even one row of the frames.
    """
    stack = np.asarray(frames)
    if stack.ndim != 3 or not len(stack):
        raise ValueError(f"expected frames (T, H, W), not {stack.shape}")
    wanted = _wanted(stack.dtype, planes)
    made = {name: np.empty(stack.shape[1:], kind) for name, kind in _types(stack, wanted).items()}
    with device.active():
        _reduce_bands(device, stack, made)
    return _named(made, planes)


def reduced_windows(
    device: Device,
    frames: Iterable[Array],
    *,
    size: int,
    step: int,
    planes: Collection[str] = ("max", "background", "image"),
    batch: int = 8,
) -> Iterator[ReducedWindow]:
    """Reduce the windows of a recording while its frames go up.

    Each frame is uploaded once, from one of two pinned buffers, into a ring on the device; a window
    is reduced and its planes come back while the frames of the next one go up.

    Parameters
    ----------
    device : Device
        Who reduces.
    frames : iterable of (H, W) arrays
        uint8, uint16 or int16, in order of time; each may be overwritten after the next is asked for.
    size, step : int
        Frames in a window and between the starts of two; the last window ends at the last frame, and
        a recording shorter than a window is one window.
    planes : collection of str
        As for `reduce_on`.
    batch : int
        Frames that are uploaded at a time.

    Yields
    ------
    ReducedWindow
        In order.

    Raises
    ------
    ValueError
        A frame of another shape or type than the first, an unusable type, or an unknown plane.
    DeviceMemoryError
        The device holds not `size` + `step` frames.
    """
    if size < 1 or step < 1 or batch < 1:
        raise ValueError(f"size, step and batch are at least 1, not {size}, {step} and {batch}")
    source = iter(frames)
    first = next(source, None)
    if first is None:
        return
    first = np.asarray(first)
    wanted = _wanted(first.dtype, planes)
    # Activated per step, not around a yield: the caller may use another device in between.
    with device.active():
        ring = _Ring(device, first.shape, first.dtype, size, step, wanted, batch)
    n_frames, pending, last = 0, None, -1
    try:
        for frame in _chain(first, source):
            with device.active():
                ring.add(np.asarray(frame))
                n_frames += 1
                finished = None
                if n_frames >= size and (n_frames - size) % step == 0:
                    finished, pending, last = pending, ring.start(n_frames - size, size), n_frames - size
            if finished is not None:
                yield ring.finished(finished, planes)
        if n_frames - size != last or pending is None:
            if pending is not None:
                yield ring.finished(pending, planes)
            count = min(size, n_frames)
            with device.active():
                pending = ring.start(n_frames - count, count)
        yield ring.finished(pending, planes)
    finally:
        with device.active():
            ring.close()


def _chain(first: Array, rest: Iterator[Array]) -> Iterator[Array]:
    yield first
    yield from rest


@dataclass(frozen=True)
class _Started:
    """A window on its way: when it is done, and where its planes will be."""

    start: int
    n_frames: int
    event: Any
    planes: dict[str, Array]


class _Ring:
    """Frames on the device, the buffers they go up from and the planes that come back."""

    def __init__(
        self,
        device: Device,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        size: int,
        step: int,
        wanted: Collection[str],
        batch: int,
    ) -> None:
        if len(shape) != 2:
            raise ValueError(f"expected frames (H, W), not {shape}")
        self._device, self._shape, self._dtype = device, shape, dtype
        self._wanted, self._size = wanted, size
        # What goes up after a window was started lies where only windows read that are finished: the
        # caller waits for one before it adds the frame after the end of the next.
        self._n_slots = size + step
        self._batch = batch
        self._frame_bytes = max(1, prod(shape) * dtype.itemsize)
        self._held = ExitStack()
        try:
            self._memory = self._take(self._n_slots * self._frame_bytes)
            self._targets = {name: self._take(prod(shape) * 4) for name in wanted}
        except BaseException:
            self._held.close()
            raise
        self._copying, self._computing = device.stream(), device.stream()
        self._buffers = [device.pinned((self._batch, *shape), dtype) for _ in range(2)]
        self._uploaded: list[Any] = [None, None]
        self._results: list[dict[str, Array]] = [{}, {}]
        self._n_added = self._n_sent = self._n_started = 0

    def add(self, frame: Array) -> None:
        """Take a frame; it goes up when a batch is full."""
        if frame.shape != self._shape or frame.dtype != self._dtype:
            raise ValueError(
                f"frame {self._n_added} is {frame.dtype} {frame.shape}; "
                f"the first was {self._dtype} {self._shape}"
            )
        waiting = self._n_added - self._n_sent
        if waiting == 0:
            self._finish(self._uploaded[0])
        np.copyto(self._buffers[0][waiting], frame)
        self._n_added += 1
        if waiting + 1 == self._batch:
            self._send()

    def start(self, first: int, n_frames: int) -> _Started:
        """Begin to reduce a window."""
        self._send()
        device, stream = self._device, self._computing
        # The frames lie in the order of the copies: the last one is the last to arrive.
        device.wait(stream, self._uploaded[1])
        network = n_frames == self._size and n_frames <= LARGEST_NETWORK
        placed = Placed(self._memory.at(0), self._dtype, (self._n_slots, prod(self._shape)))
        pointers = {_POINTERS[name]: memory.at(0) for name, memory in self._targets.items()}
        launch = reduction(
            placed, n_frames, first % self._n_slots, PlanePointers(**pointers), network=network
        )
        source = reduction_source(n_frames if network else LARGEST_NETWORK + 1, self._dtype.name)
        device.launch(source, launch, stream)
        planes = self._host_planes(n_frames)
        for name, plane in planes.items():
            device.download(plane, self._targets[name].at(0), stream)
        self._n_started += 1
        return _Started(first, n_frames, device.record(stream), planes)

    def finished(self, started: _Started, planes: Collection[str]) -> ReducedWindow:
        """Wait for a window."""
        with self._device.active():
            self._finish(started.event)
        return ReducedWindow(started.start, started.n_frames, _named(started.planes, planes))

    def close(self) -> None:
        """Wait for what is under way and give the memory back."""
        for stream in (self._copying, self._computing):
            self._finish(self._device.record(stream))
        self._held.close()

    def _take(self, n_bytes: int) -> Memory:
        return self._held.enter_context(self._device.allocate(n_bytes))

    def _finish(self, event: Any) -> None:
        if event is not None:
            self._device.finish(event)

    def _send(self) -> None:
        """Upload what waits in the buffer, and go on with the other one."""
        n_waiting = self._n_added - self._n_sent
        if n_waiting == 0:
            return
        device, stream = self._device, self._copying
        first = self._n_sent % self._n_slots
        # Neighbouring slots go up at once; the ring may wrap in between.
        n_before = min(n_waiting, self._n_slots - first)
        for some, slot in ((slice(0, n_before), first), (slice(n_before, n_waiting), 0)):
            if some.start < some.stop:
                target = self._memory.at(slot * self._frame_bytes)
                device.upload(target, self._buffers[0][some], stream)
        self._uploaded[0] = device.record(stream)
        self._n_sent = self._n_added
        self._buffers.reverse()
        self._uploaded.reverse()

    def _host_planes(self, n_frames: int) -> dict[str, Array]:
        """Give pinned planes for a window; those of the window before are still being read."""
        kinds = _plane_types(self._dtype, n_frames, self._wanted)
        kept = self._results[self._n_started % 2]
        for name, kind in kinds.items():
            if name not in kept or kept[name].dtype != kind:
                kept[name] = self._device.pinned(self._shape, kind)
        return dict(kept)


def _reduce_bands(device: Device, stack: Array, made: dict[str, Array]) -> None:
    """Reduce all rows at once, or each half."""
    try:
        _reduce_at_once(device, stack, made)
        return
    except DeviceMemoryError:
        if stack.shape[1] <= 1:
            raise
    half = stack.shape[1] // 2
    for rows in (slice(None, half), slice(half, None)):
        _reduce_bands(device, stack[:, rows], {name: plane[rows] for name, plane in made.items()})


def _reduce_at_once(device: Device, stack: Array, made: dict[str, Array]) -> None:
    n_frames, *shape = stack.shape
    with ExitStack() as held:
        memory, pixels = device.place(stack)
        held.enter_context(memory)
        targets = {name: held.enter_context(device.allocate(plane.nbytes)) for name, plane in made.items()}
        if not prod(shape):
            return
        pointers = {_POINTERS[name]: target.at(0) for name, target in targets.items()}
        placed = Placed(memory.at(0), pixels.dtype, (n_frames, prod(shape)))
        network = n_frames <= LARGEST_NETWORK
        launch = reduction(placed, n_frames, 0, PlanePointers(**pointers), network=network)
        device.launch(reduction_source(n_frames, pixels.dtype.name), launch)
        for name, plane in made.items():
            device.download(plane, targets[name].at(0))


def _wanted(dtype: np.dtype[Any], planes: Collection[str]) -> list[str]:
    """Give the planes to make: each once, by the name of the array that holds it."""
    unknown = set(planes) - set(PLANES)
    if unknown:
        raise ValueError(f"unknown plane {sorted(unknown)[0]!r}; expected of {', '.join(PLANES)}")
    if dtype.name not in PIXEL_TYPES or not dtype.isnative:
        raise ValueError(f"cannot reduce {dtype} frames on a CUDA device; expected {', '.join(PIXEL_TYPES)}")
    asked = {"background" if name == "median" else name for name in planes}
    return [name for name in _POINTERS if name in asked]


def _types(stack: Array, wanted: Collection[str]) -> dict[str, np.dtype[Any]]:
    return _plane_types(stack.dtype, len(stack), wanted)


def _plane_types(dtype: np.dtype[Any], n_frames: int, wanted: Collection[str]) -> dict[str, np.dtype[Any]]:
    kinds: dict[str, DTypeLike] = {
        "max": dtype,
        "argmax": np.uint8 if n_frames <= 256 else np.uint16,
        "background": median_dtype(dtype, n_frames),
    }
    return {name: np.dtype(kinds.get(name, np.float32)) for name in wanted}


def _named(made: dict[str, Array], planes: Collection[str]) -> dict[str, Array]:
    """Give planes under the names asked for, in the usual order."""
    held = {**made, "median": made["background"]} if "background" in made else made
    return {name: held[name] for name in PLANES if name in planes}
