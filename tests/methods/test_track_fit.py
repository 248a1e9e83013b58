"""A path fitted to all frames at once, and in which of them the object is seen."""

import numpy as np
import pytest
from scipy.special import ndtr

from astrodetect.core.data import Recording, Stream, Window
from astrodetect.methods import visibility
from astrodetect.methods.path_light import Motion, cut_out, fitted_motion, light_along
from astrodetect.methods.reduction import reduce_window
from astrodetect.methods.streaks import Line
from astrodetect.methods.track_fit import bright_part, fitted_track
from astrodetect.methods.visibility import seen

SIGMA = 1.0
FWHM = 2.3548 * SIGMA


def window_of(frames):
    frames = np.clip(frames, 0, 4095).round().astype(np.uint16)
    planes = reduce_window(frames, planes=("max", "argmax", "background", "image"))
    stream = Stream(frames.shape[1:], frames.dtype, len(frames), 25.0, 0.0)
    return Window(Recording("made"), stream, 0, np.arange(len(frames)) / 25, frames, planes)


def add_trail(frames, number, x0, x1, y, flux):
    """Add the light of a trail along a row, integrated along it."""
    yy, xx = np.mgrid[: frames.shape[1], : frames.shape[2]]
    along = (ndtr((xx - x0) / SIGMA) - ndtr((xx - x1) / SIGMA)) / (x1 - x0)
    frames[number] += flux * along * np.exp(-((yy - y) ** 2) / 2 / SIGMA**2) / (SIGMA * np.sqrt(2 * np.pi))


def meteor(seed, brightness, first=15, speed=4.0, shape=(80, 240)):
    """Give a window with a meteor of given signal-to-noise (matched filter) in each frame."""
    frames = np.random.default_rng(seed).normal(500, 10, (50, *shape))
    unit = 10 * np.sqrt(2 * np.sqrt(np.pi) * SIGMA * max(speed, 2 * np.sqrt(np.pi) * SIGMA))
    for number, snr in enumerate(brightness):
        x = 30 + speed * number
        add_trail(frames, first + number, x - speed / 2, x + speed / 2, 40, snr * unit)
    return window_of(frames)


def line_through(first, last, speed, start=30.0, origin=15):
    middle = (first + last) / 2
    half = (last - first) / 2 * speed
    return Line(
        (40.0, start + speed * (middle - origin)), (0.0, 1.0), (0.0,), (middle, 1 / speed), -half, half
    )


def test_the_chance_of_being_seen_is_the_sum_over_all_first_and_last_frames():
    snr, depth, edge = np.array([0.3, 2.0, 4.1, -0.5, 1.0]), np.array([1.0, 0.8, 1.0, 1.0, 0.5]), 2.5
    level, change = visibility._levels()
    light = level * depth[:, None]
    spread = np.sqrt(1 + (0.2 * light) ** 2)
    ratio = np.exp(-0.5 * ((snr[:, None] - light) / spread) ** 2 + 0.5 * snr[:, None] ** 2) / spread
    faint = np.exp(-level / edge)
    abrupt, share = 1 / len(level), visibility._ABRUPT
    begin = visibility._BEGINS * (share * abrupt + (1 - share) * faint / faint.sum())
    end = visibility._ENDS * (0.3 * share + (1 - share) * faint)
    runs = {}
    for first in range(5):
        state = begin * ratio[first]
        for last in range(first, 5):
            runs[first, last] = float(state @ end)
            if last < 4:
                state = ((state * (1 - end)) @ change) * ratio[last + 1]
    total = sum(runs.values())
    want = [sum(v for (a, b), v in runs.items() if a <= t <= b) / (1 + total) for t in range(5)]
    found = seen(snr, depth, edge)
    assert found.chance == pytest.approx(want, rel=1e-9)
    assert found.evidence == pytest.approx(np.log(total), rel=1e-9)


def test_light_along_a_path_in_noise_is_normal():
    window = meteor(1, [])
    motion = Motion(5, 45, (40.0, 40.0), (40.0, 200.0))
    light = []
    for row in range(12, 68, 6):
        moved = Motion(5, 45, (row, 40.0), (row, 200.0))
        light.append(light_along(cut_out(window, moved, range(5, 46), FWHM, False), moved, FWHM))
    assert motion.length == 160
    assert np.mean(light) == pytest.approx(0, abs=0.15)
    assert np.std(light) == pytest.approx(1, abs=0.12)


def test_a_faint_path_is_found_again_though_no_frame_shows_it():
    wrong = []
    for seed in range(8):
        window = meteor(seed, [3.0] * 16)
        start = Motion(15, 30, (41.5, 32.0), (38.8, 87.5))
        cutouts = cut_out(window, start, range(15, 31), FWHM, False)
        y, x = fitted_motion(cutouts, start, FWHM).at([15, 30])
        wrong.append(np.hypot(y - 40, x - [30, 90]).max())
    assert np.median(wrong) < 1.0


def test_a_change_of_speed_is_fitted():
    frames = np.random.default_rng(3).normal(500, 10, (40, 80, 200))
    way = 20 + 6.0 * np.arange(20) - 0.07 * np.arange(20) ** 2
    for number in range(19):
        add_trail(frames, 10 + number, way[number], way[number + 1], 40, 900)
    window = window_of(frames)
    start = Motion(10, 28, (40.0, 22.0), (40.0, float(way[18:].mean())))
    found = fitted_motion(cut_out(window, start, range(10, 29), FWHM, False), start, FWHM)
    assert found.at(19)[1] == pytest.approx((way[9] + way[10]) / 2, abs=0.5)


@pytest.mark.parametrize("speed", [1.0, 5.0])
def test_noise_beyond_the_ends_is_not_added_and_faint_ends_are(speed):
    """A beginning of signal-to-noise 2.5 in each frame is followed; empty frames are not."""
    firsts, lasts = [], []
    for seed in range(10):
        window = meteor(seed, [2.5] * 8 + [9.0] * 8, speed=speed)
        points = fitted_track(window, line_through(22, 30, speed), FWHM)[1]
        firsts.append(points[0].frame)
        lasts.append(points[-1].frame)
    assert np.median(firsts) == pytest.approx(15, abs=1.5)
    assert np.median(np.abs(np.array(lasts) - 30)) <= 1
    assert min(firsts) >= 11
    assert max(lasts) <= 33


def test_a_flash_at_the_end_does_not_hide_what_came_before():
    firsts = [
        fitted_track(meteor(seed, [3.0] * 10 + [20.0, 25.0]), line_through(21, 26, 4.0), FWHM)[1][0].frame
        for seed in range(8)
    ]
    assert np.median(firsts) == pytest.approx(15, abs=1.5)


def test_what_leaves_the_picture_ends_at_its_edge():
    window = meteor(2, [10.0] * 30, speed=9.0)
    _, points = fitted_track(window, line_through(20, 30, 9.0), FWHM)
    assert points[-1].frame == pytest.approx(15 + 210 / 9, abs=1)
    assert points[-1].x <= 240


def test_masked_pixels_are_no_light():
    window = meteor(2, [10.0] * 12)
    mask = np.ones(window.shape, dtype=bool)
    hidden = Window(
        window.recording, window.stream, 0, window.times, window.frames, window.planes, mask
    )  # fmt: skip
    assert fitted_track(hidden, line_through(18, 24, 4.0), FWHM)[1] == []


def test_ends_that_are_clearly_fainter_than_a_fraction_are_cut():
    flux, snr = np.array([30.0, 400, 1000, 900, 60]), np.array([3.0, 40, 100, 90, 6])
    assert bright_part(flux, snr, 0.1) == slice(1, 4)
    faint = np.array([1.0, 6.0, 7.0, 1.2])
    assert bright_part(faint * 10, faint, 0.1) == slice(0, 4)
    assert bright_part(np.zeros(0), np.zeros(0), 0.1) == slice(0)
