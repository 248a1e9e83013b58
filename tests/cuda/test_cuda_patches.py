"""The kernels that cut patches, run on the CPU under sanitizers: the bits of the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_shim import Server, ShimDevice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrodetect.cuda.device import DeviceMemoryError
from astrodetect.cuda.extraction import extract_on
from astrodetect.cuda.launches import (
    CONVERTED_FROM,
    CONVERTED_TO,
    Conversion,
    Placed,
    extraction,
    gradient,
)
from astrodetect.cuda.sources import patches_source
from astrodetect.methods.patches import extract_patches

TYPES = ["bool", "uint8", "int8", "uint16", "int16", "float16", "int32", "float32", "int64", "float64"]
WIDTHS = st.one_of(st.sampled_from([4, 8, 16, 24, 28, 32, 48, 56, 64]), st.integers(1, 40))
ENDS = {
    "int32": st.sampled_from([-(2**31), 2**31 - 1]),
    "int64": st.sampled_from([-(2**63), 2**63 - 1, -(2**31) - 1, 2**32]),
}
RELAXED = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def geometry(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], tuple[int, int], np.ndarray]:
    """Shape of images, size of patches, and corners anywhere."""
    b, k, c = draw(st.integers(1, 3)), draw(st.integers(0, 4)), draw(st.integers(1, 3))
    shape = b, c, draw(st.integers(1, 40)), draw(st.integers(1, 70))
    size = draw(st.integers(1, 20)), draw(WIDTHS)
    kind = draw(st.sampled_from(["int32", "int64"]))
    near = st.integers(-80, 80)
    corners = draw(arrays(kind, (b, k, 2), elements=st.one_of(near, near, near, ENDS[kind])))
    return shape, size, corners


def pixels(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Any bits that the type has."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    kind = np.dtype(dtype)
    raw = rng.integers(0, 256, (*shape, kind.itemsize), dtype=np.uint8)
    return raw.view(kind)[..., 0]


def assert_same_bits(made: np.ndarray, expected: np.ndarray) -> None:
    assert made.dtype == expected.dtype
    assert made.shape == expected.shape
    assert np.ascontiguousarray(made).tobytes() == np.ascontiguousarray(expected).tobytes()


@RELAXED
@given(case=geometry(), dtype=st.sampled_from(TYPES), fill=st.sampled_from([0, 1]), seed=st.integers(0, 99))
def test_patches_are_those_of_numpy(patch_server: Server, case, dtype: str, fill: int, seed: int) -> None:
    shape, size, corners = case
    images = pixels(shape, dtype, seed)
    made = extract_on(ShimDevice(patch_server, seed=seed), images, corners, size, fill)
    assert_same_bits(made, extract_patches(images, corners, size, fill))


def placed(array: np.ndarray) -> Placed:
    """Put a view of any layout on the shim device as it is."""
    base = array
    while base.base is not None:
        base = base.base
    memory = base.reshape(-1, order="A").view(np.uint8)
    offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    strides = tuple(step // array.itemsize for step in array.strides)
    return Placed((memory, offset), array.dtype, array.shape, strides)


@RELAXED
@given(
    case=geometry(),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "float64"]),
    before=st.integers(0, 17),
    after=st.integers(0, 5),
    every=st.sampled_from([1, 1, 2, -1]),
    swapped=st.booleans(),
)
def test_views_are_read_in_place(
    patch_server: Server, case, dtype: str, before: int, after: int, every: int, swapped: bool
) -> None:
    """Rows that begin and end anywhere, gaps, flips, planes before images: never a byte too many."""
    (b, c, height, width), size, corners = case
    outer = (c, b) if swapped else (b, c)
    base = pixels((*outer, height, before + abs(every) * width + after), dtype, 5)
    base = base.copy()
    view = base[..., before : before + abs(every) * width][..., ::every]
    images = view.swapaxes(0, 1) if swapped else view
    out = np.full((*corners.shape[:2], c, *size), 3, dtype)
    launch = extraction(
        placed(images), placed(corners.copy()), placed(out), np.zeros(1, dtype).tobytes()
    )  # fmt: skip
    if launch is not None:
        patch_server.run(launch)
    assert_same_bits(out, extract_patches(images, corners, size))


@pytest.mark.parametrize(
    ("dtype", "target", "width"),
    [
        ("uint8", None, 16), ("uint8", None, 8), ("uint8", None, 5), ("uint16", None, 8), ("uint16", None, 4),
        ("uint16", None, 3), ("float32", None, 4), ("float32", None, 3), ("float64", None, 2),
        ("float64", None, 3), ("uint8", "float32", 4), ("uint8", "float16", 8), ("uint8", "float16", 4),
        ("uint16", "float32", 4), ("uint16", "float16", 8), ("float16", "float16", 8),
        ("float32", "float16", 8), ("float32", "float16", 4), ("float32", "float32", 4),
    ],
)  # fmt: skip
def test_every_alignment_and_every_column(
    patch_server: Server, dtype: str, target: str | None, width: int
) -> None:
    """Patches slid over the borders of images that end where their memory ends."""
    size = 2, width
    conversion = None if target is None else Conversion(np.dtype(target))
    for offset in range(16 // np.dtype(dtype).itemsize):
        image_width = 2 * width + 9 + offset % 5
        flat = np.random.default_rng(offset).integers(1, 200, offset + 3 * image_width).astype(dtype)
        images = flat[offset:].reshape(1, 1, 3, image_width)
        columns = np.arange(-width - 1, image_width + 2)
        corners = np.array([[(y, x) for y in (-1, 1, 2) for x in columns]])
        out = np.full((1, corners.shape[1], 1, *size), 3, target or dtype)
        fill = np.full(1, 7, out.dtype)
        patch_server.run(
            extraction(placed(images), placed(corners), placed(out), fill.tobytes(), conversion),
            backwards=bool(offset % 2),
        )
        np.testing.assert_array_equal(out, extract_patches(images.astype(out.dtype), corners, size, 7))


@pytest.mark.parametrize("target", CONVERTED_TO)
@pytest.mark.parametrize("dtype", CONVERTED_FROM)
@settings(RELAXED, max_examples=20)
@given(
    case=geometry(),
    scale=st.floats(-100, 100, width=32),
    offset=st.floats(-1e4, 1e4, width=32),
    fill=st.sampled_from([0.0, -3.5, np.nan]),
)
def test_conversion_in_the_same_pass(
    patch_server: Server, dtype: str, target: str, case, scale: float, offset: float, fill: float
) -> None:
    """Product and sum are rounded to float32 one by one, as NumPy does; what is filled is not scaled."""
    shape, size, corners = case
    images = np.random.default_rng(0).integers(0, 120, shape).astype(dtype)
    conversion = Conversion(np.dtype(target), scale, offset)
    made = extract_on(ShimDevice(patch_server), images, corners, size, fill, conversion)
    with np.errstate(over="ignore"):
        converted = images.astype(np.float32) * np.float32(scale) + np.float32(offset)
        expected = extract_patches(converted.astype(target), corners, size, fill)
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == expected.dtype


def reference_gradient(
    gradients: np.ndarray, corners: np.ndarray, shape: tuple[int, ...], kind: str, scale: float
) -> np.ndarray:
    """Add patch by patch, in order."""
    sums = np.zeros(shape, kind)
    height, width = gradients.shape[3:]
    for b, k in np.ndindex(*corners.shape[:2]):
        for i, j in np.ndindex(height, width):
            y, x = int(corners[b, k, 0]) + i, int(corners[b, k, 1]) + j
            if 0 <= y < shape[2] and 0 <= x < shape[3]:
                sums[b, :, y, x] += gradients[b, k, :, i, j].astype(kind)
    return sums * np.dtype(kind).type(scale)


@pytest.mark.parametrize(
    ("dtype", "kind"), [("float16", "float32"), ("float32", "float32"), ("float64",) * 2]
)
@settings(RELAXED, max_examples=30)
@given(case=geometry(), ordered=st.booleans(), seed=st.integers(0, 99))
def test_gradients_of_patches_are_summed(
    patch_server: Server, dtype: str, kind: str, case, ordered: bool, seed: int
) -> None:
    """In the order of the patches bit for bit; in any order for numbers whose sums are exact."""
    shape, size, corners = case
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(*corners.shape[:2], shape[1], *size))
    gradients = (values if ordered else np.round(8 * values)).astype(dtype)
    scale = 0.3 if ordered else 2.0
    sums = np.full(shape, 9, kind) if ordered else np.zeros(shape, kind)
    launch = gradient(placed(gradients), placed(corners.copy()), placed(sums), scale=scale, ordered=ordered)
    if launch is not None:
        patch_server.run(launch, backwards=bool(seed % 2))
    np.testing.assert_array_equal(sums, reference_gradient(gradients, corners, shape, kind, scale))


@pytest.mark.parametrize("ordered", [False, True])
def test_every_place_within_a_tile_gets_its_gradient(patch_server: Server, ordered: bool) -> None:
    """Patches that begin and end at every pixel of several tiles of a block."""
    shape, size = (1, 2, 19, 71), (3, 4)
    corners = np.array([[(y, x) for y in (-3, -2, 4, 5, 7, 8, 15, 18, 19) for x in range(-4, 72)]])
    gradients = np.random.default_rng(0).integers(1, 99, (1, corners.shape[1], 2, *size)).astype(np.float32)
    sums = np.zeros(shape, np.float32)
    patch_server.run(gradient(placed(gradients), placed(corners), placed(sums), ordered=ordered))
    np.testing.assert_array_equal(sums, reference_gradient(gradients, corners, shape, "float32", 1))


def test_many_patches_are_one_launch(patch_server: Server) -> None:
    device = ShimDevice(patch_server)
    images = np.random.default_rng(0).integers(0, 4096, (4, 2, 97, 131)).astype(np.uint16)
    corners = np.random.default_rng(1).integers(-60, 140, (4, 10, 2))
    made = extract_on(device, images, corners, (56, 56))
    assert [launch.kernel for launch in device.launches] == ["copy2_8"]
    assert_same_bits(made, extract_patches(images, corners, (56, 56)))


def test_short_memory_means_smaller_batches(patch_server: Server) -> None:
    images = np.random.default_rng(0).integers(0, 4096, (5, 1, 40, 50)).astype(np.uint16)
    corners = np.random.default_rng(1).integers(-20, 50, (5, 7, 2))
    limit = images[0].nbytes + 3 * 16 * 16 * 2 + 400
    device = ShimDevice(patch_server, limit)
    made = extract_on(device, images, corners, (16, 16))
    assert len(device.launches) > 5
    assert device.most_used <= limit
    assert device.used == 0
    assert_same_bits(made, extract_patches(images, corners, (16, 16)))
    with pytest.raises(DeviceMemoryError):
        extract_on(ShimDevice(patch_server, images[0].nbytes - 1), images, corners, (16, 16))


def test_large_patches_are_shared_among_blocks(patch_server: Server) -> None:
    device = ShimDevice(patch_server)
    images = np.random.default_rng(0).normal(size=(1, 1, 200, 90)).astype(np.float32)
    corners = np.array([[[-7, -3], [100, 2]]])
    made = extract_on(device, images, corners, (150, 96))
    assert device.launches[0].grid[1] > 1
    assert_same_bits(made, extract_patches(images, corners, (150, 96)))


@pytest.mark.parametrize(
    ("dtype", "conversion", "message"),
    [
        ("complex128", None, "cannot cut pixels of type complex128"),
        ("int32", Conversion(np.dtype("float32")), "cannot convert int32 to float32.*uint8, uint16"),
        ("uint8", Conversion(np.dtype("float64")), "become float32 or float16"),
    ],
)
def test_types_without_a_kernel_are_told(patch_server: Server, dtype: str, conversion, message: str) -> None:
    images, corners = np.ones((1, 1, 4, 4), dtype), np.zeros((1, 1, 2), int)
    with pytest.raises(ValueError, match=message):
        extract_on(ShimDevice(patch_server), images, corners, (2, 2), 0, conversion)


def test_extents_beyond_the_counters_are_told() -> None:
    huge = Placed(None, np.dtype("uint8"), (1, 1, 4, 4))
    corners = Placed(None, np.dtype("int64"), (1, 1, 2))
    patches = Placed(None, np.dtype("uint8"), (1, 1, 1, 2**16, 2**15))
    with pytest.raises(ValueError, match="too large for CUDA"):
        extraction(huge, corners, patches, b"\0")
    short = Placed(None, np.dtype("int16"), (1, 1, 2))
    with pytest.raises(ValueError, match="corners must be int32 or int64"):
        extraction(huge, short, Placed(None, np.dtype("uint8"), (1, 1, 1, 2, 2)), b"\0")


def test_far_patches_of_many_need_64_bits() -> None:
    """The grid of 70,000 patches of 512x512 of 2 planes, more than 2**32 elements in all."""
    images = Placed(0, np.dtype("uint16"), (70_000, 2, 600, 600))
    corners = Placed(0, np.dtype("int64"), (70_000, 1, 2))
    launch = extraction(images, corners, Placed(0, np.dtype("uint16"), (70_000, 1, 2, 512, 512)), b"\0\0")
    assert launch is not None
    assert launch.grid[0] * launch.block[1] >= 70_000
    assert launch.grid[1] * launch.block[0] * 4 >= 2 * 512 * 512 // 8
    assert "q" in launch.types
    assert "EXTRACTION" in patches_source()
