"""Windows over a recording: a ring of frames that a reader thread fills while a stage computes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from astrodetect.core.data import Array, Recording, Stream, Window
from astrodetect.core.stages import FrameSource

#: Seconds that the reader has for ending after Ctrl-C.
_PATIENCE = 2.0


@contextmanager
def opened(source: FrameSource, recording: Recording) -> Iterator[Stream]:
    """Open a recording, and close it in the end.

    Parameters
    ----------
    source : FrameSource
        Gets ``source.recording`` and ``source.stream``.
    recording : Recording
        What to open.

    Yields
    ------
    Stream

    Raises
    ------
    SourceError
        It cannot be read.
    """
    source.recording = recording
    try:
        source.stream = source.open(recording)
        yield source.stream
    finally:
        source.close()


def ring_capacity(size: int, step: int) -> int:
    """Give the number of slots that windows of `size` frames, `step` apart, need.

    One window and the next step beside it, so that reading goes on while a stage computes; and so
    many that what the wrap overwrites is never part of the last window, wherever the recording ends.

    Examples
    --------
    >>> ring_capacity(65, 50)
    115
    """
    overlap = size - step
    return size + step * max(1, -(-overlap // step))


@dataclass
class Ring:
    """Frames in slots; windows are contiguous runs of slots, so `Window.frames` is a plain view.

    Two windows fit: one may be taken while the one before it is not yet released.

    Where the next window would not fit behind the present one, its overlap with it is copied to the
    front: the price of contiguous windows, `size - step` frames every few windows.
    """

    source: FrameSource
    size: int
    step: int
    slots: Array
    times: NDArray[np.float64]
    condition: threading.Condition = field(default_factory=threading.Condition)
    ready: deque[tuple[int, int, int]] = field(default_factory=deque)  # first slot, length, start frame
    finished: bool = False
    stopped: bool = False
    failure: BaseException | None = None
    done_windows: int = 0
    made_windows: int = 0
    n_frames: int = 0
    #: Seconds that the reader waited for free slots.
    waited: float = 0.0
    #: Number of the last window that uses each slot, from 1.
    user: list[int] = field(default_factory=list)
    #: Slot of the next frame.
    position: int = 0
    #: Slot of the first frame of the window that is being filled.
    first: int = 0

    def read(self) -> None:
        """Fill the ring; runs in the reader thread."""
        start = perf_counter()
        try:
            try:
                self._fill()
            except _StoppedReadingError:
                return
            except Exception as error:  # handed to the consumer after the last window
                self.failure = error
            self._last_window()
        except _StoppedReadingError:
            return
        except BaseException as error:
            self.failure = error
        finally:
            self.source.reader_seconds += perf_counter() - start - self.waited
            with self.condition:
                self.finished = True
                self.condition.notify_all()

    def take(self) -> Window | None:
        """Wait for the next window; None after the last one, or once reading was stopped.

        Raises
        ------
        BaseException
            What the source raised, after the windows before.
        """
        with self.condition:
            self.condition.wait_for(lambda: self.ready or self.finished or self.stopped)
            if self.stopped or not self.ready:
                if self.failure is not None:
                    raise self.failure
                return None
            first, length, start = self.ready.popleft()
        frames = self.slots[first : first + length]
        frames.flags.writeable = False
        times = self.times[first : first + length].copy()
        stream = self.source.stream
        return Window(self.source.recording, stream, start, times, frames=frames, mask=stream.mask)

    def release(self) -> None:
        """Tell that the oldest of the windows that were taken is needed no more."""
        with self.condition:
            self.done_windows += 1
            self.condition.notify_all()

    def stop(self) -> None:
        """Stop reading."""
        with self.condition:
            self.stopped = True
            self.condition.notify_all()

    def _fill(self) -> None:
        for frame in self.source.frames_into(self._next_slots()):
            self.times[self.position] = frame.time
            self.position += 1
            self.n_frames += 1
            if self.position - self.first == self.size:
                self._publish(self.first, self.size, self.n_frames - self.size)
                self.first += self.step
                if self.first + self.size > len(self.slots):
                    self._wrap()

    def _next_slots(self) -> Iterator[Array]:
        while True:
            self._wait_for(self.position, self.position + 1)
            yield self.slots[self.position]

    def _wait_for(self, first: int, last: int) -> None:
        needed = max(self.user[first:last], default=0)
        with self.condition:
            if self.done_windows < needed and not self.stopped:
                start = perf_counter()
                self.condition.wait_for(lambda: self.stopped or self.done_windows >= needed)
                self.waited += perf_counter() - start
            if self.stopped:
                raise _StoppedReadingError

    def _publish(self, first: int, length: int, start: int) -> None:
        with self.condition:
            self.made_windows += 1
            self.user[first : first + length] = [self.made_windows] * length
            self.ready.append((first, length, start))
            self.condition.notify_all()

    def _wrap(self) -> None:
        overlap = self.size - self.step
        old = slice(self.first, self.first + overlap)
        for target in range(overlap):
            self._wait_for(target, target + 1)
            self.slots[target] = self.slots[self.first + target]
        self.times[:overlap] = self.times[old].copy()
        self.first, self.position = 0, overlap

    def _last_window(self) -> None:
        """Publish the window that ends at the last frame, if the frames after the last one ask for it."""
        held = self.position - self.first
        if self.made_windows == 0:
            if held:
                self._publish(self.first, held, 0)
            return
        fresh = held - (self.size - self.step)
        if fresh <= 0:
            return
        if self.position >= self.size:  # the frames before it lie right in front
            self._publish(self.position - self.size, self.size, self.n_frames - self.size)
            return
        with self.condition:
            self.condition.wait_for(lambda: self.stopped or self.done_windows >= self.made_windows)
        # The last window began at the last multiple of the step that fitted; what is missing is there.
        previous = (len(self.slots) - self.size) // self.step * self.step
        missing = self.size - held
        sources = [*range(previous + fresh, previous + fresh + missing), *range(held)]
        move_slots(self.slots, sources, len(self.slots) - self.size)
        order = self.times[sources].copy()
        self.times[len(self.slots) - self.size :] = order
        self._publish(len(self.slots) - self.size, self.size, self.n_frames - self.size)


class _StoppedReadingError(Exception):
    """The consumer went away."""


def move_slots(slots: Array, sources: list[int], target: int) -> None:
    """Move slots within an array: ``slots[target + i] = slots[sources[i]]``, all at once.

    One slot of extra memory: chains first, then cycles.

    Parameters
    ----------
    slots : (N, ...) array
        Changed in place.
    sources : list of int
        Different slots.
    target : int
        First slot to write.
    """
    moves = {target + i: source for i, source in enumerate(sources) if target + i != source}
    pending = set(moves.values())
    free = [slot for slot in moves if slot not in pending]
    while moves:
        if not free:  # only cycles are left: lift one slot out
            slot, source = next(iter(moves.items()))
            lifted = slots[slot].copy()
            chain = slot
            while moves[chain] != slot:
                slots[chain] = slots[moves[chain]]
                chain = moves.pop(chain)
            slots[chain] = lifted
            del moves[chain]
            continue
        slot = free.pop()
        source = moves.pop(slot)
        slots[slot] = slots[source]
        if source in moves:
            free.append(source)


def ring_windows(source: FrameSource, size: int, step: int) -> Iterator[Window]:
    """Give windows over the frames of an opened source.

    Parameters
    ----------
    source : FrameSource
        Opened; see `opened`.
    size, step : int
        Frames per window, and from one window to the next; ``1 <= step <= size``.

    Yields
    ------
    Window
        Its frames are a view into the ring, valid until the next window is asked for. The last
        window ends at the last frame; a recording shorter than `size` is one window.

    Raises
    ------
    ValueError
        `step` lies outside ``[1, size]``.
    SourceError
        What the source raised, after the windows over all frames before.
    """
    with reading(source, size, step) as ring:
        while (window := ring.take()) is not None:
            yield window
            ring.release()


@contextmanager
def reading(source: FrameSource, size: int, step: int) -> Iterator[Ring]:
    """Fill a ring by a reader thread, and end the thread in the end.

    Parameters
    ----------
    source, size, step
        As of `ring_windows`.

    Yields
    ------
    Ring
    """
    if not 1 <= step <= size:
        raise ValueError(f"step must lie in [1, size = {size}], not {step}")
    stream = source.stream
    known = stream.n_frames
    capacity = ring_capacity(size, step)
    if 0 <= known <= size:  # one window, and one slot to notice that there is more than promised
        capacity = max(1, known)
        size = step = capacity
        capacity = ring_capacity(size, step)
    slots = np.empty((capacity, *stream.shape), stream.dtype)
    ring = Ring(source, size, step, slots, np.empty(capacity), user=[0] * capacity)
    reader = threading.Thread(target=ring.read, name="astrodetect-reader", daemon=True)
    reader.start()
    patience: float | None = None
    try:
        yield ring
    except (Exception, GeneratorExit):
        raise
    except BaseException:  # Ctrl-C: a reader that hangs in the system must not hold it up
        patience = _PATIENCE
        raise
    finally:
        ring.stop()
        reader.join(patience)


def count_windows(n_frames: int, size: int, step: int) -> int:
    """Give the number of windows over `n_frames` frames.

    Examples
    --------
    >>> count_windows(650, 65, 50), count_windows(30, 65, 50), count_windows(66, 65, 50)
    (13, 1, 2)
    """
    if n_frames <= size:
        return int(n_frames > 0)
    return 1 + -(-(n_frames - size) // step)


__all__ = ["count_windows", "move_slots", "opened", "reading", "ring_capacity", "ring_windows"]
