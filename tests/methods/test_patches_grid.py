"""A grid of patches is what cutting them one by one gives, in the memory of one line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods.patches import extract_patches
from astrodetect.methods.patches_grid import grid_patches


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)),
    rows=st.lists(st.integers(-30, 40), max_size=5),
    columns=st.one_of(
        st.lists(st.integers(-30, 40), max_size=5),
        st.builds(
            lambda a, s, n: [a + s * i for i in range(n)],
            st.integers(-9, 9),
            st.integers(1, 9),
            st.integers(1, 7),
        ),
    ),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    turned=st.booleans(),
)
def test_equal_to_one_by_one(
    shape: tuple[int, int, int],
    rows: list[int],
    columns: list[int],
    size: tuple[int, int],
    dtype: str,
    turned: bool,
) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    image = image[:, ::-1, ::-1] if turned else image
    lines = grid_patches(image, np.array(rows, int), np.array(columns, int), size, fill=7)
    made = [line.copy() for line in lines]
    assert len(made) == len(rows)
    for row, line in zip(rows, made, strict=True):
        corners = np.array([[row, column] for column in columns], int).reshape(1, -1, 2)
        np.testing.assert_array_equal(line, extract_patches(image[None], corners, size, fill=7)[0])


def test_one_line_of_memory() -> None:
    image = np.zeros((1, 200, 300), np.uint8)
    lines = list(grid_patches(image, np.arange(0, 200, 7), np.arange(0, 300, 7), (9, 9)))
    assert len({id(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("image", "rows", "size", "said"),
    [
        (np.zeros((4, 4)), np.zeros(1, int), (2, 2), r"\(C, H, W\)"),
        (np.zeros((1, 4, 4)), np.zeros(1), (2, 2), "integers"),
        (np.zeros((1, 4, 4)), np.zeros(1, int), (0, 2), "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(
    image: np.ndarray, rows: np.ndarray, size: tuple[int, int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        grid_patches(image, rows, np.zeros(1, int), size)


def test_fill_must_fit_the_type() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        grid_patches(np.zeros((1, 4, 4), np.uint8), np.zeros(1, int), np.zeros(1, int), (2, 2), fill=-1)
