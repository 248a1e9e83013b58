"""Any detector on overlapping tiles finds what it finds in the whole frame, each object once."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect import Detections, Detector, Pipeline
from astrodetect.core.data import Recording, Stream, Window
from astrodetect.core.errors import AstrodetectError
from astrodetect.core.lazy import LazyPlane, is_lazy
from astrodetect.core.tables import TileSettings
from astrodetect.core.tiles import TileGrid, cut_window, tile_starts
from astrodetect.core.tiling import Tiled


def window_of(image, mask=None):
    """A still with the one plane that the detectors below look at."""
    stream = Stream(image.shape, image.dtype, 1)
    return Window(Recording("a"), stream, 0, np.zeros(1), planes={"image": image}, mask=mask)


@dataclass
class Blobs(Detector):
    """Finds connected pixels above 0; labels tell their size class."""

    needs: ClassVar[tuple[str, ...]] = ("image",)

    def detect(self, window: Window) -> Detections:
        """Give a box around each."""
        from scipy import ndimage

        image = np.where(False if window.mask is None else window.mask, 0, window.planes["image"])
        boxes = [
            (x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(ndimage.label(image > 0)[0])
        ]
        if not boxes:
            return Detections.empty()
        x0, y0, x1, y1 = np.array(boxes, dtype=float).T
        columns = {"x_min": x0, "y_min": y0, "x_max": x1, "y_max": y1}
        middle = {"x_start": (x0 + x1 - 1) / 2, "y_start": (y0 + y1 - 1) / 2}
        ends = {"x_end": middle["x_start"], "y_end": middle["y_start"]}
        return Detections(
            {**columns, **middle, **ends, "label": ["blob"] * len(boxes), "probability": [0.9] * len(boxes)},
            {"detection": np.arange(len(boxes)), "x": middle["x_start"], "y": middle["y_start"]},
        )


def boxes_in(found):
    rows = zip(*(found[name] for name in ("x_min", "y_min", "x_max", "y_max")), strict=True)
    return sorted(tuple(map(float, row)) for row in rows)


@given(length=st.integers(1, 3000), size=st.integers(16, 700), share=st.floats(0, 0.5))
def test_tiles_cover_an_axis_and_end_with_it(length, size, share):
    overlap = int(share * size)
    starts = tile_starts(length, size, overlap)
    side = min(size, length)
    assert starts[0] == 0
    assert starts[-1] + side == length
    assert np.all(starts[1:] <= starts[:-1] + side - overlap)  # neighbours share at least the overlap
    assert np.all(np.diff(starts) > 0)


@settings(max_examples=50)
@given(st.integers(20, 400), st.integers(20, 400), st.integers(16, 150), st.floats(0, 0.5))
def test_every_place_has_one_owner_that_sees_around_it(height, width, size, share):
    overlap = int(share * size)
    grid = TileGrid((height, width), size, overlap)
    tiles = list(grid)
    assert len(tiles) == len(grid)
    places = np.random.default_rng(0).uniform(-0.5, (height - 0.5, width - 0.5), (200, 2))
    for (y, x), owner in zip(places, grid.owners(places), strict=True):
        tile = tiles[owner]
        for low, high, place, length in (
            (tile.top, tile.bottom, y, height), (tile.left, tile.right, x, width),
        ):  # fmt: skip
            assert place - (low - 0.5) >= (overlap / 2 - 0.51 if low > 0 else 0)
            assert high - 0.5 - place >= (overlap / 2 - 0.51 if high < length else 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(40, 120), batch=st.integers(1, 5))
def test_what_is_smaller_than_half_the_overlap_is_found_once_wherever_the_seams_are(seed, size, batch):
    rng = np.random.default_rng(seed)
    image = np.zeros((rng.integers(30, 300), rng.integers(30, 300)), np.float32)
    for _ in range(60):
        y, x, h, w = *rng.integers(0, np.array(image.shape) - 6), *rng.integers(1, 6, 2)
        image[y : y + h, x : x + w] = 1  # some of them touch and become one, mostly still small
    whole = Blobs().detect(window_of(image))
    small = (whole["x_max"] - whole["x_min"] < 10) & (whole["y_max"] - whole["y_min"] < 10)
    tiled = Tiled(Blobs(), TileSettings(size=size, overlap=20, batch=batch)).detect(window_of(image))
    found = set(boxes_in(tiled))
    assert len(found) == len(tiled), "something is found twice"
    assert set(boxes_in(whole.take(small))) <= found
    # Tracks move with their detections.
    np.testing.assert_array_equal(tiled.tracks["x"], tiled["x_start"][tiled.tracks["detection"]])


def test_what_one_tile_sees_whole_stands_for_the_pieces_that_others_see():
    image = np.zeros((100, 200), np.float32)
    image[40:44, 70:100] = 1  # 30 pixels, on the seam of the first two tiles; the overlap is 48
    settings = TileSettings(size=100, overlap=48)
    assert boxes_in(Tiled(Blobs(), settings).detect(window_of(image))) == [(70.0, 40.0, 100.0, 44.0)]


def test_two_copies_that_differ_by_a_pixel_at_a_seam_are_one():
    image = np.zeros((100, 160), np.float32)
    image[50:58, 76:84] = 1

    class Shaky(Blobs):
        """Sees things a pixel off, according to the size of what else is there."""

        def detect(self, window):
            found = super().detect(window)
            by = float(np.sum(window.planes["image"][:, 0]) > 0)
            return found.with_columns(x_min=found["x_min"] + by, x_max=found["x_max"] + by)

    image[0:3, 0] = 1
    found = Tiled(Shaky(), TileSettings(size=100, overlap=40)).detect(window_of(image))
    assert len(found) == 2


def test_a_frame_smaller_than_a_tile_is_one_tile_of_its_size():
    image = np.zeros((30, 20), np.float32)
    image[3:5, 4:9] = 1
    seen = []

    class Looks(Blobs):
        """Notes the shapes that it gets."""

        def open(self, stream, device="cpu"):
            seen.append(stream.shape)

        def detect(self, window):
            seen.append((window.shape, window.planes["image"].shape))
            return super().detect(window)

    tiled = Tiled(Looks(), TileSettings(size=512, overlap=32))
    tiled.open(window_of(image).stream)
    assert boxes_in(tiled.detect(window_of(image))) == [(4.0, 3.0, 9.0, 5.0)]
    assert seen == [(30, 20), ((30, 20), (30, 20))]


def test_masks_frames_and_planes_are_cut_alike_and_planes_only_when_asked_for():
    rng = np.random.default_rng(0)
    image, mask = rng.random((60, 80)), rng.random((60, 80)) > 0.5
    asked = []

    def read(rows, columns):
        asked.append((rows, columns))
        return image[rows, columns]

    window = window_of(image, mask).with_planes(lazy=LazyPlane(image.shape, image.dtype, read))
    tile = list(TileGrid((60, 80), 40, 10))[3]
    part = cut_window(window, tile)
    assert part.shape == tile.shape == (40, 40)
    np.testing.assert_array_equal(part.mask, mask[tile.slices])
    assert not asked
    np.testing.assert_array_equal(part.planes["lazy"], image[tile.slices])
    assert "lazy" in part.planes
    assert asked == [tile.slices]


def test_a_lazy_plane_is_an_array_where_it_may_be_and_says_so_where_not():
    small = LazyPlane(
        (4, 5), np.float32, lambda rows, columns: np.ones((rows.stop, columns.stop), np.float32)
    )
    assert np.asarray(small).sum() == np.add(small, 1).sum() / 2 == 20
    large = LazyPlane((1 << 15, 1 << 15), np.uint8, lambda *_: pytest.fail("it was read"))
    with pytest.raises(AstrodetectError, match="32768 x 32768 pixels is read in tiles only"):
        np.asarray(large)
    joined = (
        window_of(np.zeros((4, 5)))
        .with_mask(np.eye(4, 5, dtype=bool))
        .with_mask(LazyPlane((4, 5), np.bool_, lambda rows, columns: np.zeros((4, 5), bool)[rows, columns]))
    )
    assert is_lazy(joined.mask)
    assert joined.mask[1:3, 1:3].tolist() == [[True, False], [False, True]]
    with pytest.raises(TypeError, match="one pixel"):
        small[::2, :]


def test_mistakes_in_the_table_are_told_like_all_others():
    text = '[detect]\nuse = "test_tiles:Blobs"\n[[preprocess]]\nuse = "background"\n[tile]\n'
    assert Pipeline(text + "size = 256\noverlap = 64").check() == []
    (line,) = Pipeline(text + "size = 64\noverlap = 40").check()
    assert "overlap = 40 must be at most half of size = 64" in line
    (line,) = Pipeline(text + "sise = 64").check()
    assert "[tile] sise" in line
    assert "did you mean 'size'" in line
    plan = Pipeline(text + "size = 256\noverlap = 64").plan
    assert Pipeline(plan.to_toml()).plan.to_toml() == plan.to_toml()
    assert plan.name_of(plan.detector) == "test_tiles:Blobs"
