"""Windows over a ring give every frame, in order, whatever the length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.core.data import Frame, Recording, Stream
from astrodetect.core.errors import TruncatedError
from astrodetect.core.stages import FrameSource
from astrodetect.core.windows import count_windows, move_slots, opened, ring_windows


@dataclass
class Counting(FrameSource):
    """Frames whose pixels are their index."""

    n: int = 10
    promised: int | None = None
    fails_at: int = -1

    def open(self, recording: Recording, device: str = "cpu") -> Stream:
        return Stream((2, 3), np.dtype("uint16"), self.n if self.promised is None else self.promised)

    def frames(self) -> Iterator[Frame]:
        data = np.empty((2, 3), np.uint16)
        for index in range(self.n):
            if index == self.fails_at:
                raise TruncatedError("counting: only so far")
            data[...] = index  # the same buffer: valid until the next frame only
            yield Frame(data, index, index / 10)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 60), st.integers(1, 12), st.data())
def test_windows_are_runs_of_frames_and_the_last_ends_at_the_last(n, size, data):
    step = data.draw(st.integers(1, size))
    promised = data.draw(st.sampled_from([n, -1]))
    source = Counting(n, promised)
    starts = []
    with opened(source, Recording("r")):
        for window in source.windows(size, step):
            expected = np.arange(window.start, window.start + window.n_frames)
            assert window.frames[:, 0, 0].tolist() == expected.tolist()
            assert np.allclose(window.times, expected / 10)
            starts.append((window.start, window.n_frames))
    assert len(starts) == count_windows(n, size, step)
    assert all(length == min(size, n) for _, length in starts)
    if n:
        assert starts[-1][0] + starts[-1][1] == n
        assert [start for start, _ in starts[:-1]] == [i * step for i in range(len(starts) - 1)]


def test_more_frames_than_promised_are_still_read():
    source = Counting(20, promised=7)
    with opened(source, Recording("r")):
        seen = {i for w in source.windows(10, 5) for i in range(w.start, w.start + w.n_frames)}
    assert seen == set(range(20))


def test_frames_before_a_fault_are_given_first():
    source = Counting(20, fails_at=13)
    windows = []
    with opened(source, Recording("r")):
        iterator = source.windows(8, 4)
        with pytest.raises(TruncatedError, match="only so far"):
            windows.extend((w.start, w.n_frames) for w in iterator)
    assert windows == [(0, 8), (4, 8), (5, 8)]


def test_leaving_early_ends_the_reader():
    source = Counting(10_000)
    with opened(source, Recording("r")):
        iterator = source.windows(8, 4)
        next(iterator)
        iterator.close()


def test_a_step_beyond_the_window_is_refused():
    source = Counting(5)
    with opened(source, Recording("r")), pytest.raises(ValueError, match="step"):
        next(ring_windows(source, 4, 5))


@given(st.integers(1, 12), st.data())
def test_moving_slots_equals_a_gather(n, data):
    count = data.draw(st.integers(0, n))
    sources = data.draw(st.permutations(range(n)))[:count]
    target = data.draw(st.integers(0, n - count))
    slots = np.arange(n)
    expected = slots.copy()
    expected[target : target + count] = slots[sources]
    holder = slots[:, None].copy()
    move_slots(holder, list(sources), target)
    assert holder[target : target + count, 0].tolist() == expected[target : target + count].tolist()
