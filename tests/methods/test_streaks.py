"""The line through x, y and time: exact on clean data, robust in noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrodetect.methods.scores import agreement, excess, in_cells, line_sums, motion_score, smooth
from astrodetect.methods.streaks import Line, find_lines, follow
from astrodetect.plugins.scorers.peak_snr import PeakSnr


def best_line(z, argmax, corner, n_frames=65):
    """Give the first line of a patch, or None."""
    lines = find_lines(z, argmax, corner, n_frames)
    return lines[0] if lines else None


def moving(shape, n_frames, start, velocity, first, last, *, height=8.0, seed=0, width=1.1):
    """Give significance and argmax of a window of noise with one trail."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1, shape).astype(np.float32)
    argmax = rng.integers(0, n_frames, shape).astype(np.uint8)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    best = np.zeros(shape)
    for frame in range(first, last + 1):
        for part in np.linspace(-0.5, 0.5, 2 + int(2 * np.hypot(*velocity))):
            t = frame - first + part
            y, x = start[0] + velocity[0] * t, start[1] + velocity[1] * t
            light = height * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * width**2))
            brighter = light > np.maximum(best, 0.7)
            argmax[brighter] = frame
            best = np.maximum(best, light)
    return z + best.astype(np.float32), argmax


@pytest.mark.parametrize(
    ("velocity", "first", "last"),
    [
        ((0.6, 0.8), 10, 55),
        ((2.0, -3.0), 20, 40),
        ((5.0, 11.0), 30, 38),
        ((-14.0, 22.0), 31, 36),
        ((0.0, 1.5), 5, 50),
    ],
)
def test_a_line_is_found_and_followed_to_its_ends(velocity, first, last):
    start = (150.0, 160.0)
    z, argmax = moving((320, 400), 65, start, velocity, first, last)
    middle = (last - first) / 2
    cy, cx = (int(start[i] + velocity[i] * middle) for i in (0, 1))
    rows, columns = slice(max(cy - 32, 0), cy + 32), slice(max(cx - 32, 0), cx + 32)
    line = best_line(z[rows, columns], argmax[rows, columns], (rows.start, columns.start))
    assert line is not None
    line = follow(line, z, argmax, 65)
    speed = float(np.hypot(*velocity))
    assert line.speed == pytest.approx(speed, rel=0.08)
    y, x, _ = line.at_frame([first, last])
    expected = np.array(
        [start, (start[0] + velocity[0] * (last - first), start[1] + velocity[1] * (last - first))]
    )
    assert np.hypot(y - expected[:, 0], x - expected[:, 1]).max() < 1.5 + 0.35 * speed
    assert line.evidence > 30


def test_gaps_are_bridged():
    z, argmax = moving((200, 300), 65, (100.0, 40.0), (0.0, 4.0), 5, 55)
    z[:, 130:150] = np.random.default_rng(1).normal(0, 1, (200, 20))
    argmax[:, 130:150] = np.random.default_rng(2).integers(0, 65, (200, 20))
    line = best_line(z[68:132, 40:104], argmax[68:132, 40:104], (68, 40))
    assert line is not None
    assert follow(line, z, argmax, 65).length > 190


def test_noise_holds_no_evidence():
    strongest = 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        z = rng.normal(0, 1, (128, 128)).astype(np.float32)
        argmax = rng.integers(0, 65, z.shape).astype(np.uint8)
        line = best_line(z[32:96, 32:96], argmax[32:96, 32:96], (32, 32))
        if line is not None:
            strongest = max(strongest, follow(line, z, argmax, 65).evidence)
    assert strongest < 15


def test_a_twinkling_star_is_no_path():
    z, argmax = moving((128, 128), 65, (64.0, 64.0), (0.0, 0.0), 30, 30, height=20.0)
    line = best_line(z[32:96, 32:96], argmax[32:96, 32:96], (32, 32))
    assert line is None or follow(line, z, argmax, 65).length < 8


@given(
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    angle=st.floats(0, 6.28),
    s=st.floats(-50, 50),
    off=st.floats(-5, 5),
)
@settings(max_examples=60, deadline=None)
def test_coordinates_and_position_are_inverse(x, y, angle, s, off):
    line = Line((y, x), (np.sin(angle), np.cos(angle)), (0.0, 0.01, 1e-4), (10.0, 0.2), -50.0, 50.0)
    at_y, at_x = line.position(s)
    dy, dx = line.direction_yx
    along, aside = line.coordinates(at_y + off * dx, at_x - off * dy)
    assert along == pytest.approx(s, abs=1e-6)
    assert aside == pytest.approx(off, abs=1e-6)


def test_positions_at_frames_go_on_beyond_the_ends():
    line = Line((0.0, 0.0), (0.0, 1.0), (0.0,), (5.0, 0.5), -10.0, 10.0)  # two pixels per frame
    y, x, s = line.at_frame([-2, 0, 5, 10, 12])
    assert np.allclose(x, [-14, -10, 0, 10, 14], atol=1e-5)
    assert np.allclose(y, 0)
    assert np.allclose(s, x, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_agreement_counts_pairs(dtype):
    bright = np.zeros((12, 12), bool)
    argmax = np.zeros((12, 12), dtype)
    bright[5, [2, 5, 8]] = True
    argmax[5, [2, 5, 8]] = [100, 102, 102]
    pairs, together, following = agreement(bright, argmax, 3)
    assert (int(pairs.sum()), int(together.sum()), int(following.sum())) == (2, 1, 1)


def test_agreement_does_not_wrap_around():
    bright = np.zeros((8, 8), bool)
    argmax = np.zeros((8, 8), np.uint8)
    bright[4, [2, 5]] = True
    argmax[4, [2, 5]] = [0, 255]
    assert int(agreement(bright, argmax, 3)[2].sum()) == 0
    argmax[4, [2, 5]] = [255, 253]
    assert int(agreement(bright, argmax, 3)[2].sum()) == 1


@pytest.mark.parametrize("shape", [(16, 16), (17, 30), (5, 40), (3, 3)])
def test_cells_hold_sums_and_maxima(shape):
    values = np.random.default_rng(0).integers(0, 9, shape).astype(np.uint8)
    cell = 8
    for how, reduce in (("sum", np.sum), ("max", np.max)):
        expected = [
            [reduce(values[i : i + cell, j : j + cell]) for j in range(0, shape[1], cell)]
            for i in range(0, shape[0], cell)
        ]
        assert np.array_equal(in_cells(values, cell, how), np.array(expected, np.float32))


def test_smoothing_keeps_noise_at_one():
    z = np.random.default_rng(0).normal(0, 1, (300, 300)).astype(np.float32)
    assert float(smooth(z)[1:-1, 1:-1].std()) == pytest.approx(1.0, abs=0.02)


def test_excess_of_chance_is_small():
    rng = np.random.default_rng(0)
    pairs = rng.integers(100, 200, (40, 50)).astype(np.float32)
    counts = rng.binomial(pairs.astype(int), 0.1).astype(np.float32)
    assert float(excess(counts, pairs, 0.1).max()) < 5
    counts[20, 20] = 0.5 * pairs[20, 20]
    assert float(excess(counts, pairs, 0.1)[20, 20]) > 5


def test_faint_motion_outranks_a_bright_star():
    z, argmax = moving((256, 256), 65, (128.0, 90.0), (1.0, 4.0), 20, 40, height=2.5)
    z[40:43, 200:203] += 40
    argmax[40:43, 200:203] = 7
    score = motion_score(z, argmax, 65)
    assert score.shape == (16, 16)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    assert 7 <= best[0] <= 10
    assert score[best] > 2 * score[2, 12]


def test_a_line_outranks_a_star_in_a_single_image():
    z = np.random.default_rng(0).normal(0, 1, (128, 128)).astype(np.float32)
    z[30:34, 30:34] += 100
    for step in range(60):
        z[40 + step, 40 + step // 2 : 43 + step // 2] += 2.5
    sums = line_sums(z).max(axis=0)
    assert sums[70, 56] > 2 * sums[20:44, 20:44].max()


def test_a_fast_trail_outranks_stars_that_twinkle():
    """A whole star twinkles at once, and so do pairs of its pixels; a trail goes on beyond that."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(240, 320)).astype(np.float32)
    argmax = rng.integers(0, 256, z.shape)
    y, x = np.mgrid[-3:4, -3:4]
    star = 16 * np.exp(-(y**2 + x**2) / 4)
    for row, column in zip(rng.integers(4, 236, 600), rng.integers(4, 316, 600), strict=True):
        place = slice(row - 3, row + 4), slice(column - 3, column + 4)
        z[place] += star
        argmax[place] = np.where(star > 1, rng.integers(0, 256), argmax[place])
    for step in range(90):  # 24 px per frame, fainter than the stars
        row, column = 60 + step // 3, 100 + step
        z[row : row + 3, column] += 8
        argmax[row : row + 3, column] = 100 + step // 24
    score = motion_score(z, argmax, 256)
    along = [score[(60 + step // 3) // 16, (100 + step) // 16] for step in range(10, 80, 10)]
    assert np.median(along) > PeakSnr().least_chain
