"""Patches are exact copies, wherever the corners lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astrodetect.methods.patches import extract_patches
from astrodetect.plugins.extractors.patches import CpuPatches

CORNER = st.integers(-40, 60)


def padded_reference(
    images: np.ndarray, corners: np.ndarray, size: tuple[int, int], fill: float
) -> np.ndarray:
    """Pad by more than any corner reaches, and slice."""
    far = 120
    padded = np.pad(images, ((0, 0), (0, 0), (far, far), (far, far)), constant_values=fill)
    return np.array(
        [
            [padded[b, :, y + far : y + far + size[0], x + far : x + far + size[1]] for y, x in corners[b]]
            for b in range(len(images))
        ]
    ).reshape(len(images), corners.shape[1], images.shape[1], *size)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_patches_equal_slices_of_a_padded_image(data: st.DataObject) -> None:
    b, c, k = (data.draw(st.integers(1, 3)) for _ in range(3))
    shape = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int32", "float32", "float64"]))
    fill = data.draw(st.sampled_from([0, 7]))
    images = np.random.default_rng(0).integers(0, 200, (b, c, *shape)).astype(dtype)
    corners = data.draw(arrays(np.int64, (b, k, 2), elements=CORNER))
    patches = extract_patches(images, corners, size, fill)
    assert patches.dtype == images.dtype
    np.testing.assert_array_equal(patches, padded_reference(images, corners, size, fill))


def test_no_patches_and_no_images() -> None:
    image = np.ones((2, 1, 5, 5), np.uint8)
    assert extract_patches(image, np.empty((2, 0, 2), np.int64), (3, 4)).shape == (2, 0, 1, 3, 4)
    assert extract_patches(image[:0], np.empty((0, 4, 2), np.int64), (3, 4)).shape == (0, 4, 1, 3, 4)


def test_corners_at_the_ends_of_their_type() -> None:
    ends = np.array([[[-(2**63), 0], [2**63 - 1, 2**63 - 1]]])
    assert not extract_patches(np.ones((1, 1, 4, 4)), ends, (2, 2)).any()


def test_views_are_read_in_place() -> None:
    """Flipped, strided and read-only images, and a result that does not alias them."""
    base = np.arange(400, dtype=np.uint16).reshape(1, 1, 20, 20)
    view = base[:, :, ::-1, ::2]
    base.flags.writeable = False
    patches = extract_patches(view, np.array([[[2, 3]]]), (4, 4))
    np.testing.assert_array_equal(patches[0, 0], view[0, :, 2:6, 3:7])
    assert not np.shares_memory(patches, base)


def test_nan_fills_floating_point_patches() -> None:
    patches = extract_patches(np.ones((1, 1, 3, 3), np.float32), np.array([[[-1, 0]]]), (2, 2), np.nan)
    np.testing.assert_array_equal(patches[0, 0, 0], [[np.nan, np.nan], [1, 1]])


@pytest.mark.parametrize(
    ("images", "corners", "size", "fill", "message"),
    [
        (np.ones((1, 4, 4)), np.zeros((1, 1, 2), int), (2, 2), 0, r"images must be \(B, C, H, W\)"),
        (np.ones((1, 1, 4, 4)), np.zeros((1, 1, 2)), (2, 2), 0, "corners must be integers, not float64"),
        (np.ones((2, 1, 4, 4)), np.zeros((1, 1, 2), int), (2, 2), 0, "with B = 2"),
        (np.ones((1, 1, 4, 4)), np.zeros((1, 2), int), (2, 2), 0, "corners must be"),
        (np.ones((1, 1, 4, 4)), np.zeros((1, 1, 2), int), (0, 2), 0, "at least 1"),
        (np.ones((1, 1, 4, 4), np.uint8), np.zeros((1, 1, 2), int), (2, 2), -1, "uint8 cannot hold it"),
        (np.ones((1, 1, 4, 4), np.int16), np.zeros((1, 1, 2), int), (2, 2), np.nan, "fill = nan"),
    ],
)
def test_bad_arguments_are_told(images, corners, size, fill, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extract_patches(images, corners, size, fill)


def test_extractor_uses_its_fill() -> None:
    extractor = CpuPatches(size=4, fill=5)
    patches = extractor.extract(np.ones((1, 1, 4, 4), np.uint8), np.array([[[4, 0]]]), (4, 4))
    assert (patches == 5).all()
