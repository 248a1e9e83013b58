"""The kernels that reduce windows, run on the CPU under sanitizers: the planes of the CPU path."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_shim import NETWORKS, Server, ShimDevice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astrodetect.core.errors import AstrodetectError
from astrodetect.cuda.device import DeviceMemoryError
from astrodetect.cuda.launches import Placed, PlanePointers, reduction
from astrodetect.cuda.sources import LARGEST_NETWORK, PIXEL_TYPES
from astrodetect.cuda.windows import reduce_on, reduced_windows
from astrodetect.methods.reduction import PLANES, reduce_window

EXACT = {"max", "argmax", "background", "median", "image"}
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
COUNTED = LARGEST_NETWORK + 1


def stack_of(dtype: str, shape: tuple[int, ...], seed: int, *, narrow: bool) -> np.ndarray:
    """Frames with many equal values, or with all that the type has."""
    info = np.iinfo(dtype)
    low, high = (info.max - 3, info.max) if narrow else (info.min, info.max)
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True, dtype=dtype)


def assert_planes(made: dict[str, np.ndarray], stack: np.ndarray) -> None:
    """Bit for bit, but for mean and deviation: those to single precision of the double one."""
    expected = reduce_window(stack, planes=list(made))
    for name, plane in made.items():
        assert plane.dtype == expected[name].dtype, name
        if name in EXACT:
            np.testing.assert_array_equal(plane, expected[name], err_msg=name)
    wide = stack.astype(np.float64)
    if "mean" in made:
        np.testing.assert_array_max_ulp(made["mean"], wide.mean(axis=0).astype(np.float32), 1)
    if "std" in made:
        np.testing.assert_allclose(made["std"], wide.std(axis=0), rtol=2e-7, atol=1e-9)


def run_ring(server: Server, stack: np.ndarray, first: int, n_slots: int, *, network: bool) -> dict:
    """Reduce a stack that lies in a ring."""
    n_frames, height, width = stack.shape
    ring = np.zeros((n_slots, height * width), stack.dtype)
    for t, frame in enumerate(stack):
        ring[(first + t) % n_slots] = frame.reshape(-1)
    kinds = {
        "max": stack.dtype,
        "argmax": "uint8" if n_frames <= 256 else "uint16",
        "background": stack.dtype if n_frames % 2 else np.dtype("float32"),
    }
    made = {
        name: np.full((height, width), 77, kinds.get(name, "float32")) for name in PLANES if name != "median"
    }
    at = {name: (plane.reshape(-1).view(np.uint8), 0) for name, plane in made.items()}
    pointers = PlanePointers(
        at["max"], at["argmax"], at["background"], at["image"], at["mean"], at["std"]
    )  # fmt: skip
    placed = Placed((ring.reshape(-1).view(np.uint8), 0), stack.dtype, ring.shape)
    server.run(reduction(placed, n_frames, first, pointers, network=network), backwards=bool(first % 2))
    return made


NETWORK_CASES = [(dtype, n) for dtype, numbers in NETWORKS.items() for n in numbers]


@pytest.mark.parametrize(("dtype", "n_frames"), NETWORK_CASES)
@settings(RELAXED, max_examples=8)
@given(data=st.data(), narrow=st.booleans(), seed=st.integers(0, 99))
def test_networks(reduction_server: Server, dtype: str, n_frames: int, data, narrow: bool, seed: int) -> None:
    n_slots = n_frames + data.draw(st.integers(0, 3))
    first = data.draw(st.integers(0, n_slots - 1))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 40)))
    stack = stack_of(dtype, (n_frames, *shape), seed, narrow=narrow)
    assert_planes(run_ring(reduction_server, stack, first, n_slots, network=True), stack)


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
@settings(RELAXED, max_examples=25)
@given(
    n_frames=st.one_of(st.integers(1, 12), st.sampled_from([64, 255, 256, 257])),
    spare=st.integers(0, 3),
    narrow=st.booleans(),
    seed=st.integers(0, 99),
)
def test_counting(
    reduction_server: Server, dtype: str, n_frames: int, spare: int, narrow: bool, seed: int
) -> None:
    stack = stack_of(dtype, (n_frames, 5, 7), seed, narrow=narrow)
    made = run_ring(reduction_server, stack, seed % (n_frames + spare), n_frames + spare, network=False)
    assert_planes(made, stack)


def test_one_call_equals_the_cpu_and_copes_with_short_memory(reduction_server: Server) -> None:
    stack = stack_of("uint16", (COUNTED, 11, 13), 0, narrow=False)
    for limit in (1 << 30, 3 * COUNTED * 13 * 2 + 3 * 13 * 30):
        device = ShimDevice(reduction_server, limit)
        assert_planes(reduce_on(device, stack, PLANES), stack)
        assert device.used == 0
        assert device.most_used <= limit
    assert len(device.launches) > 3
    with pytest.raises(DeviceMemoryError):
        reduce_on(ShimDevice(reduction_server, 100), stack)


def test_frames_of_a_small_window_use_its_network(reduction_server: Server) -> None:
    device = ShimDevice(reduction_server)
    stack = stack_of("uint16", (65, 6, 40), 0, narrow=False)
    assert_planes(reduce_on(device, list(stack), ["argmax", "median", "image"]), stack)
    assert [launch.kernel for launch in device.launches] == ["network_uint16_65"]


def starts(n_frames: int, size: int, step: int) -> list[int]:
    """Starts of windows: the last one ends at the last frame."""
    if n_frames <= size:
        return [0]
    found = list(range(0, n_frames - size + 1, step))
    return found if found[-1] == n_frames - size else [*found, n_frames - size]


@settings(RELAXED, max_examples=80)
@given(
    n_frames=st.integers(1, 40),
    size=st.sampled_from([2, 5, 16]),
    step=st.integers(1, 18),
    batch=st.integers(1, 9),
    seed=st.integers(0, 2**16),
)
def test_windows_while_frames_go_up(
    reduction_server: Server, n_frames: int, size: int, step: int, batch: int, seed: int
) -> None:
    """Copies and kernels run as late and in as bad an order as their events allow."""
    stack = stack_of("uint8", (n_frames, 3, 5), seed, narrow=False)
    device = ShimDevice(reduction_server, seed=seed)
    buffer = np.empty_like(stack[0])

    def frames():
        for frame in stack:
            buffer[:] = frame
            yield buffer

    planes = ("max", "argmax", "background", "median", "image", "std")
    found = []
    for window in reduced_windows(device, frames(), size=size, step=step, planes=planes, batch=batch):
        found.append(window.start)
        assert window.n_frames == min(size, n_frames)
        assert_planes(window.planes, stack[window.start : window.start + window.n_frames])
    assert found == starts(n_frames, size, step)
    assert device.used == 0


def test_each_frame_goes_up_once(reduction_server: Server) -> None:
    stack = stack_of("uint8", (37, 4, 6), 3, narrow=False)
    sent = []

    class Counting(ShimDevice):
        def upload(self, target, source, stream=None):
            sent.append(source.nbytes)
            super().upload(target, source, stream)

    windows = reduced_windows(Counting(reduction_server), stack, size=16, step=5, planes=["max"], batch=4)
    assert len(list(windows)) == len(starts(37, 16, 5))
    assert sum(sent) == stack.nbytes


def test_no_frames_no_windows_and_a_caller_who_leaves(reduction_server: Server) -> None:
    device = ShimDevice(reduction_server)
    assert list(reduced_windows(device, [], size=5, step=2)) == []
    stack = stack_of("uint8", (20, 3, 4), 0, narrow=False)
    windows = reduced_windows(device, stack, size=5, step=2)
    next(windows)
    windows.close()
    assert device.used == 0


@pytest.mark.parametrize(
    ("frames", "planes", "message"),
    [
        (np.ones((3, 4, 4), np.float32), ["max"], "cannot reduce float32 frames.*expected uint8"),
        (np.ones((3, 4, 4), np.uint8), ["maximum"], "unknown plane 'maximum'"),
        (np.ones((3, 4, 4), ">u2"), ["max"], "cannot reduce >u2 frames"),
        (np.ones((3, 4), np.uint8), ["max"], "expected frames"),
    ],
)  # fmt: skip
def test_bad_frames_are_told(reduction_server: Server, frames, planes, message: str) -> None:
    device = ShimDevice(reduction_server)
    with pytest.raises(ValueError, match=message):
        reduce_on(device, frames, planes)
    with pytest.raises(ValueError, match=message):
        list(reduced_windows(device, frames, size=2, step=1, planes=planes))
    assert device.used == 0


def test_a_frame_that_differs_is_told(reduction_server: Server) -> None:
    frames = [np.ones((3, 4), np.uint8), np.ones((3, 5), np.uint8)]
    with pytest.raises(ValueError, match=r"frame 1 is uint8 \(3, 5\); the first was uint8 \(3, 4\)"):
        list(reduced_windows(ShimDevice(reduction_server), frames, size=2, step=1))


def test_more_frames_than_the_sums_hold_are_told() -> None:
    frames = Placed(None, np.dtype("uint8"), (70_000, 1))
    with pytest.raises(ValueError, match="cannot reduce 70000 frames"):
        reduction(frames, 70_000, 0, PlanePointers(), network=False)
    assert issubclass(DeviceMemoryError, AstrodetectError)
